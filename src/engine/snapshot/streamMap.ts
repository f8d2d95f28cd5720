import { HexzError } from '../errors.js';
import type { BlockKind, IndexPage } from '../format/indexPage.js';
import { upperBound } from '../format/search.js';
import type { StreamName } from '../format/types.js';
import type { Snapshot } from './snapshot.js';

/** Cells that follow each other and are made of the same amounts. What adds up to less than a cell is not known. */
interface CellRun {
  readonly firstCell: number;
  readonly cellCount: number;
  /** Bytes of each of the cells in blocks that are stored in the file, of zeros, and of a parent. */
  readonly dataBytes: number;
  readonly zeroBytes: number;
  readonly parentBytes: number;
}

/** What there is to tell after a part of the index. */
export interface MapStep {
  readonly runs: readonly CellRun[];
  /** How far the stream is known. */
  readonly endOffset: number;
  /** Why the last part of the index could not be used. */
  readonly damage?: HexzError;
}

/**
 * What a stream is made of, in cells of so many bytes, as the index of its file says: one index page after the other,
 * so that something of the largest disk is known at once. A page that is damaged leaves its cells unknown.
 *
 * @param cellBytes cell number n begins at n times that
 * @param startOffset where to begin, and `endOffset` where to end; whole cells are told
 */
export function* mapStream(
  snapshot: Snapshot,
  stream: StreamName,
  cellBytes: number,
  startOffset: number,
  endOffset: number,
): Generator<MapStep, void> {
  const index = snapshot.index.streams[stream];
  const { startOffsets, pageCount } = index.table;
  const streamLength = snapshot.streamLength(stream);
  const start = Math.floor(startOffset / cellBytes) * cellBytes;
  const end = Math.min(streamLength, Math.ceil(endOffset / cellBytes) * cellBytes);
  const tally = new CellTally(cellBytes, start, end);
  for (
    let number = Math.max(0, upperBound(startOffsets, start) - 1);
    number < pageCount && (startOffsets[number] as number) < end;
    number++
  ) {
    try {
      addPage(index.loadPage(number), tally);
      yield { runs: tally.takeRuns(), endOffset: tally.offset };
    } catch (error) {
      if (!(error instanceof HexzError)) throw error;
      tally.add('unknown', startOffsets[number + 1] ?? streamLength);
      const damage = error.at({ file: snapshot.path, stream });
      yield { runs: tally.takeRuns(), endOffset: tally.offset, damage };
    }
  }
  // What no block covers comes from the parent as far as that goes.
  const [parent] = snapshot.parents;
  tally.add('parent', Math.min(end, parent?.streamLength(stream) ?? 0));
  tally.add('zero', end);
  tally.finish();
  yield { runs: tally.takeRuns(), endOffset: end };
}

function addPage(page: IndexPage, tally: CellTally): void {
  if (tally.offset >= page.endOffset) return;
  for (let entry = page.entryAt(tally.offset); entry < page.entryCount; entry++) {
    tally.add(page.kindOf(entry), page.offsetOf(entry) + page.logicalLengthOf(entry));
  }
}

/**
 * Adds up cells from the left.
 *
 * Invariant: everything before `offset` is counted; of the cell that it lies in, `#nextCell`, the amounts are in
 * `#data`, `#zero` and `#parent`, and those of the cells before are in `#runs`, where they were not taken yet.
 */
class CellTally {
  offset: number;
  readonly #cellBytes: number;
  readonly #end: number;
  #data = 0;
  #zero = 0;
  #parent = 0;
  #nextCell: number;
  #runs: { -readonly [Name in keyof CellRun]: CellRun[Name] }[] = [];

  constructor(cellBytes: number, start: number, end: number) {
    this.#cellBytes = cellBytes;
    this.offset = start;
    this.#nextCell = Math.floor(start / cellBytes);
    this.#end = end;
  }

  /** Everything up to an offset is of one kind. */
  add(kind: BlockKind | 'unknown', upTo: number): void {
    const cellBytes = this.#cellBytes;
    const end = Math.min(upTo, this.#end);
    while (this.offset < end) {
      const inCell = this.offset % cellBytes;
      const whole = inCell === 0 ? Math.floor((end - this.offset) / cellBytes) : 0;
      if (whole > 1) {
        this.#count(kind, cellBytes);
        this.#close(whole);
        this.offset += whole * cellBytes;
        continue;
      }
      const length = Math.min(cellBytes - inCell, end - this.offset);
      this.#count(kind, length);
      this.offset += length;
      if (inCell + length === cellBytes) this.#close(1);
    }
  }

  /** The last cell may be shorter. */
  finish(): void {
    if (this.offset % this.#cellBytes !== 0) this.#close(1);
  }

  takeRuns(): readonly CellRun[] {
    const runs = this.#runs;
    this.#runs = [];
    return runs;
  }

  #count(kind: BlockKind | 'unknown', length: number): void {
    if (kind === 'data') this.#data += length;
    else if (kind === 'zero') this.#zero += length;
    else if (kind === 'parent') this.#parent += length;
  }

  /** So many cells with these amounts are complete. */
  #close(cellCount: number): void {
    const last = this.#runs.at(-1);
    const amounts = {
      dataBytes: this.#data,
      zeroBytes: this.#zero,
      parentBytes: this.#parent,
    };
    const isSame =
      last?.dataBytes === this.#data &&
      last.zeroBytes === this.#zero &&
      last.parentBytes === this.#parent;
    this.#data = 0;
    this.#zero = 0;
    this.#parent = 0;
    const firstCell = this.#nextCell;
    this.#nextCell += cellCount;
    if (last !== undefined && isSame) {
      last.cellCount += cellCount;
      return;
    }
    this.#runs.push({ firstCell, cellCount, ...amounts });
  }
}
