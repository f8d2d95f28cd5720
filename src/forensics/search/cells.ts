import type { ByteRange } from '../byteRanges.js';
import type { ZeroRunAt } from '../streamSource.js';

/** Bytes that are read at once: enough blocks that the calls around them do not count. */
export const CELL_BYTES = 1024 * 1024;

/** How far the index is asked for zeros at once, at most. */
const MAX_LOOK_AHEAD_BYTES = 2 ** 40;

/** What a matcher has to see around the places where a match begins. */
export interface Reach {
  /** Bytes before a place. */
  readonly contextBytes: number;
  /** Bytes behind a place: one less than the longest match has. */
  readonly lookAheadBytes: number;
}

/** Places of which it is decided at once whether a match begins there, and the bytes that decide it. */
export interface Cell {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly windowStartOffset: number;
  readonly windowEndOffset: number;
}

/** A cell, or zeros that were passed over. */
export type CellStep = { readonly kind: 'cell'; readonly cell: Cell } | { readonly kind: 'zeros' };

/**
 * Cuts a range into cells. Their borders depend on the range and the reach alone, so that every search decides about
 * a place with the same bytes before it. A window ends where a MiB of the source does: blocks are read as a whole.
 */
export class CellWalk {
  readonly #startOffset: number;
  readonly #endOffset: number;
  readonly #reach: Reach;
  readonly #zeroRunAt: ZeroRunAt | undefined;

  /** @param zeroRunAt where zeros need not be looked at */
  constructor(range: ByteRange, reach: Reach, zeroRunAt: ZeroRunAt | undefined) {
    this.#startOffset = range.startOffset;
    this.#endOffset = range.startOffset + range.length;
    this.#reach = reach;
    this.#zeroRunAt = zeroRunAt;
  }

  /** The cells from the one on that holds an offset of the range. */
  *forward(fromOffset: number): Generator<CellStep & { readonly doneOffset: number }, void> {
    const lastIndex = this.#lastIndex();
    let lookAhead = CELL_BYTES;
    for (let index = this.#indexOf(fromOffset); index <= lastIndex; ) {
      const cell = this.#cell(index);
      const zeros = this.#zerosAt(cell.windowStartOffset, lookAhead + 2 * CELL_BYTES);
      const zeroEnd = cell.windowStartOffset + zeros;
      if (zeroEnd >= cell.windowEndOffset) {
        index = Math.max(index + 1, Math.floor(zeroEnd / CELL_BYTES));
        lookAhead = Math.min(lookAhead * 2, MAX_LOOK_AHEAD_BYTES);
        const doneOffset = index > lastIndex ? this.#endOffset : this.#cell(index).startOffset;
        yield { kind: 'zeros', doneOffset };
        continue;
      }
      lookAhead = CELL_BYTES;
      if (cell.endOffset > cell.startOffset) {
        yield { kind: 'cell', cell, doneOffset: cell.endOffset };
      }
      index++;
    }
  }

  /** The cells before an offset of the range, or its end, from the last to the first; also the one that holds it. */
  *backward(toOffset: number): Generator<CellStep & { readonly doneOffset: number }, void> {
    const firstIndex = Math.floor(this.#startOffset / CELL_BYTES);
    let stride = 1;
    for (let index = this.#indexOf(toOffset - 1); index >= firstIndex; ) {
      const cell = this.#cell(index);
      stride = Math.min(stride, index - firstIndex + 1);
      const first = this.#cell(index - stride + 1);
      const wanted = cell.windowEndOffset - first.windowStartOffset;
      if (this.#zerosAt(first.windowStartOffset, wanted) >= wanted) {
        yield { kind: 'zeros', doneOffset: first.startOffset };
        index -= stride;
        stride = Math.min(stride * 2, MAX_LOOK_AHEAD_BYTES / CELL_BYTES);
        continue;
      }
      if (stride > 1) {
        stride = 1;
        continue;
      }
      if (cell.endOffset > cell.startOffset) {
        yield { kind: 'cell', cell, doneOffset: cell.startOffset };
      }
      index--;
    }
  }

  #zerosAt(offset: number, limit: number): number {
    return this.#zeroRunAt?.(offset, Math.min(limit, this.#endOffset - offset)) ?? 0;
  }

  #lastIndex(): number {
    return Math.floor((this.#endOffset - 1) / CELL_BYTES);
  }

  /** The cell in which it is decided whether a match begins at an offset. */
  #indexOf(offset: number): number {
    const index = Math.floor((offset + this.#reach.lookAheadBytes) / CELL_BYTES);
    return Math.min(index, this.#lastIndex());
  }

  #cell(index: number): Cell {
    const { contextBytes, lookAheadBytes } = this.#reach;
    const windowEndOffset = Math.min(this.#endOffset, (index + 1) * CELL_BYTES);
    const startOffset = Math.max(this.#startOffset, index * CELL_BYTES - lookAheadBytes);
    const isLast = windowEndOffset === this.#endOffset;
    return {
      startOffset,
      endOffset: isLast ? windowEndOffset : Math.max(startOffset, windowEndOffset - lookAheadBytes),
      windowStartOffset: Math.max(this.#startOffset, startOffset - contextBytes),
      windowEndOffset,
    };
  }
}
