import { countWhile } from '../../model/ordered.js';

/** Addresses that nothing holds. */
export interface Gap {
  readonly startOffset: number;
  readonly endOffset: number;
}

/**
 * Which addresses the rows of a hex view begin with. Each holds the same number of bytes, but that what lies
 * within a gap is one row, however long it is.
 */
export class AddressRows {
  readonly rowBytes: number;
  readonly endOffset: number;
  /** Cut to whole rows, in order. */
  readonly #gaps: readonly Gap[];

  constructor(rowBytes: number, endOffset: number, gaps: readonly Gap[]) {
    this.rowBytes = rowBytes;
    this.endOffset = Math.max(0, endOffset);
    this.#gaps = gaps
      .map((gap) => ({
        startOffset: Math.ceil(gap.startOffset / rowBytes) * rowBytes,
        endOffset: Math.floor(gap.endOffset / rowBytes) * rowBytes,
      }))
      .filter(({ startOffset, endOffset: end }) => end > startOffset);
  }

  /** The row that an offset lies in. */
  startOf(offset: number): number {
    return this.gapAt(offset)?.startOffset ?? offset - (offset % this.rowBytes);
  }

  /** The gap that an offset lies in. */
  gapAt(offset: number): Gap | undefined {
    const gap = this.#gaps[countWhile(this.#gaps, ({ endOffset }) => endOffset <= offset)];
    return gap !== undefined && gap.startOffset <= offset ? gap : undefined;
  }

  /** The row behind one, undefined behind the last. */
  next(start: number): number | undefined {
    const next = this.gapAt(start)?.endOffset ?? start + this.rowBytes;
    return next < this.endOffset ? next : undefined;
  }

  /** The row before one, undefined before the first. */
  previous(start: number): number | undefined {
    return start === 0 ? undefined : this.startOf(start - 1);
  }

  /** So many rows further, as far as there are any. */
  step(start: number, rows: number): number {
    let at = start;
    for (let left = Math.abs(rows); left > 0; left--) {
      const to = rows < 0 ? this.previous(at) : this.next(at);
      if (to === undefined) break;
      at = to;
    }
    return at;
  }

  /** Rows from one on. */
  from(start: number, count: number): number[] {
    const rows: number[] = [];
    let at: number | undefined = start;
    while (at !== undefined && rows.length < count) {
      rows.push(at);
      at = this.next(at);
    }
    return rows;
  }
}
