import type { StreamName } from '../../engine/format/types.js';
import { PAGE_BYTES } from '../../engine/overlay/pages.js';
import { isZero } from '../../engine/snapshot/zeros.js';
import { dataRuns, type Indexed } from './dataRuns.js';
import type { Difference, DiffStep } from './result.js';

/** A side of a comparison: a snapshot, or a volume. */
export interface DiffSide extends Partial<Indexed> {
  streamLength(stream: StreamName): number;
  readInto(stream: StreamName, offset: number, target: Buffer): number;
}

/** One row of both sides, for showing them beside each other. The buffers are used again afterwards. */
export interface DiffRow {
  readonly kind: 'row';
  readonly stream: StreamName;
  readonly offset: number;
  /** Shorter where the side ends. */
  readonly before: Buffer;
  readonly after: Buffer;
  /** False for the rows around those that have changed. */
  readonly isChanged: boolean;
}

/** What is between rows that are shown. */
export type BetweenRows =
  /** So many rows in which nothing has changed. */
  | { readonly kind: 'skipped'; readonly stream: StreamName; readonly rowCount: number }
  /** One side ends; the difference says which. */
  | { readonly kind: 'end'; readonly difference: Difference };

/** A step, and what is shown because of it; first of all it comes without. */
export interface ShownStep {
  readonly step: DiffStep;
  readonly shown: DiffRow | BetweenRows | undefined;
}

export interface RowOptions {
  /** Bytes of a row; a power of two up to 4096. */
  readonly rowBytes: number;
  /** Rows that are shown before and behind those that have changed. */
  readonly contextRows: number;
}

/**
 * Turns differences (best in runs) into rows: those in which a byte has changed, with a few around them. Rows of
 * new bytes that are all zero are not shown. Reads a page at a time, and none in which no row is shown.
 *
 * @param steps of a comparison of the two sides; only the side `before`, and a snapshot as `after`, need `runAt`
 * @returns what the comparison returns
 */
export function* diffRows<Result>(
  steps: Generator<DiffStep, Result>,
  before: DiffSide & Indexed,
  after: DiffSide,
  options: RowOptions,
): Generator<ShownStep, Result> {
  let rows: StreamRows | undefined;
  let step: DiffStep | undefined;
  for (;;) {
    const next = steps.next();
    if (next.done === true) {
      if (rows !== undefined && step !== undefined) yield* withStep(step, rows.flush());
      return next.value;
    }
    step = next.value;
    const { difference } = step;
    yield { step, shown: undefined };
    if (difference === undefined || difference.kind === 'equal') continue;
    if (rows?.stream !== difference.stream) {
      if (rows !== undefined) yield* withStep(step, rows.flush());
      rows = new StreamRows(difference.stream, before, after, options);
    }
    yield* withStep(step, rows.show(difference));
  }
}

function* withStep(
  step: DiffStep,
  all: Generator<DiffRow | BetweenRows, void>,
): Generator<ShownStep, void> {
  for (const shown of all) yield { step, shown };
}

/**
 * The rows of one stream.
 *
 * State: all rows up to `#shownRow` were shown or skipped; `#changedRow` is the last of them that has changed.
 */
class StreamRows {
  readonly stream: StreamName;
  readonly #before: DiffSide & Indexed;
  readonly #after: DiffSide;
  readonly #rowBytes: number;
  readonly #contextRows: number;
  readonly #sides: { readonly before: PageReader; readonly after: PageReader };
  readonly #rowCount: number;
  #shownRow = -1;
  #changedRow = -1;

  constructor(
    stream: StreamName,
    before: DiffSide & Indexed,
    after: DiffSide,
    { rowBytes, contextRows }: RowOptions,
  ) {
    this.stream = stream;
    this.#before = before;
    this.#after = after;
    this.#rowBytes = rowBytes;
    this.#contextRows = contextRows;
    this.#sides = { before: new PageReader(before, stream), after: new PageReader(after, stream) };
    const longest = Math.max(before.streamLength(stream), after.streamLength(stream));
    this.#rowCount = Math.ceil(longest / rowBytes);
  }

  *show(difference: Difference): Generator<DiffRow | BetweenRows, void> {
    if (difference.kind === 'grown' || difference.kind === 'removed') {
      yield* this.flush();
      yield { kind: 'end', difference };
    }
    for (const { startOffset, endOffset } of this.#candidates(difference)) {
      const endRow = Math.ceil(endOffset / this.#rowBytes);
      let row = Math.max(this.#shownRow + 1, Math.floor(startOffset / this.#rowBytes));
      while (row < endRow) {
        const found = this.#row(row);
        if (found.isChanged) yield* this.#showChanged(row, found);
        row++;
      }
    }
  }

  /** The rows behind the last one that has changed. */
  *flush(): Generator<DiffRow, void> {
    if (this.#changedRow < 0) return;
    yield* this.#showUpTo(Math.min(this.#rowCount, this.#changedRow + 1 + this.#contextRows));
  }

  /** Where rows can have changed. New pages of a volume come as such; of a snapshot, the index knows the zeros. */
  *#candidates(
    difference: Difference,
  ): Generator<{ startOffset: number; endOffset: number }, void> {
    const { kind, offset, length } = difference;
    const endOffset = offset + length;
    if (kind === 'cut') {
      yield* dataRuns(this.#before, this.stream, offset, endOffset);
    } else if (kind === 'grown') {
      const { runAt } = this.#after;
      if (runAt === undefined) return;
      const indexed = { runAt: runAt.bind(this.#after) };
      yield* dataRuns(indexed, this.stream, offset, endOffset);
    } else if (kind !== 'removed') {
      yield { startOffset: offset, endOffset };
    }
  }

  *#showChanged(row: number, found: DiffRow): Generator<DiffRow | BetweenRows, void> {
    const next = this.#shownRow + 1;
    const tailEnd =
      this.#changedRow < 0 ? next : Math.min(row, this.#changedRow + 1 + this.#contextRows);
    const contextStart = Math.max(tailEnd, row - this.#contextRows);
    if (contextStart > tailEnd) {
      yield* this.#showUpTo(tailEnd);
      this.#shownRow = contextStart - 1;
      yield { kind: 'skipped', stream: this.stream, rowCount: contextStart - tailEnd };
    }
    if (this.#shownRow + 1 < row) {
      yield* this.#showUpTo(row);
      yield this.#row(row);
    } else {
      yield found;
    }
    this.#shownRow = row;
    this.#changedRow = row;
  }

  /** What is shown around other rows may have changed itself: behind the end of the side before, it was not looked at. */
  *#showUpTo(endRow: number): Generator<DiffRow, void> {
    while (this.#shownRow + 1 < endRow) {
      const row = this.#row(++this.#shownRow);
      if (row.isChanged) this.#changedRow = this.#shownRow;
      yield row;
    }
  }

  #row(row: number): DiffRow {
    const offset = row * this.#rowBytes;
    const before = this.#sides.before.read(offset, this.#rowBytes);
    const after = this.#sides.after.read(offset, this.#rowBytes);
    const common = Math.min(before.length, after.length);
    const isChanged =
      !before.subarray(0, common).equals(after.subarray(0, common)) ||
      !isZero(after.subarray(common));
    return { kind: 'row', stream: this.stream, offset, before, after, isChanged };
  }
}

/** Reads rows of a side, a page at a time. State: the page in `#page`; none at the beginning. */
class PageReader {
  readonly #side: DiffSide;
  readonly #stream: StreamName;
  readonly #page = Buffer.alloc(PAGE_BYTES);
  #pageOffset = -1;
  #pageBytes = 0;

  constructor(side: DiffSide, stream: StreamName) {
    this.#side = side;
    this.#stream = stream;
  }

  read(offset: number, length: number): Buffer {
    const inner = offset % PAGE_BYTES;
    if (this.#pageOffset !== offset - inner) {
      this.#pageOffset = -1;
      this.#pageBytes = this.#side.readInto(this.#stream, offset - inner, this.#page);
      this.#pageOffset = offset - inner;
    }
    return this.#page.subarray(
      Math.min(inner, this.#pageBytes),
      Math.min(inner + length, this.#pageBytes),
    );
  }
}
