import { type StreamName, streamNames } from '../../engine/format/types.js';
import { PAGE_BYTES, pageOf } from '../../engine/overlay/pages.js';
import { OriginComparer } from '../../engine/snapshot/origin.js';
import type { Snapshot } from '../../engine/snapshot/snapshot.js';
import { countDifferentBytes } from './differentBytes.js';
import { PageRuns, rangeDifference } from './pageRuns.js';
import { type DiffStep, type DiffTally, type Granularity, newTally } from './result.js';

/** Bytes that are compared between two steps. */
const WINDOW_BYTES = 1024 * 1024;

/** Index entries that are walked between two steps. */
const STEP_ENTRIES = 4096;

export interface SnapshotDiffOptions {
  /** Default `extent`: a run of pages that differ. */
  readonly granularity?: Granularity;
}

/** What `doneBytes` of the last tally comes to, all streams together. */
export const snapshotDiffBytes = (before: Snapshot, after: Snapshot): number =>
  streamNames.reduce((sum, stream) => sum + commonLength(before, after, stream), 0);

/**
 * Compares the streams of two snapshots, whatever their generation, codec and blocks. Yields runs of pages
 * that differ, in the order of offsets, disk before memory.
 *
 * The indexes are compared first, and what they show to be the same is not decoded (`OriginComparer`): so the
 * time is in proportion to what differs, beside a walk over both indexes. All else is decoded and compared
 * byte by byte. What only the longer stream has is told as one range and not read.
 *
 * @returns the sums of each stream that one of them has
 * @throws HexzError when a block that has to be compared cannot be read
 */
export function* diffSnapshots(
  before: Snapshot,
  after: Snapshot,
  { granularity = 'extent' }: SnapshotDiffOptions = {},
): Generator<DiffStep, DiffTally[]> {
  const tallies: DiffTally[] = [];
  let doneBytes = 0;
  for (const stream of streamNames) {
    if (!before.hasStream(stream) && !after.hasStream(stream)) continue;
    const tally = newTally(stream, lengthOf(before, stream), lengthOf(after, stream));
    tally.doneBytes = doneBytes;
    tallies.push(tally);
    yield* new StreamComparison(before, after, tally, granularity).steps();
    doneBytes = tally.doneBytes;
  }
  return tallies;
}

const lengthOf = (snapshot: Snapshot, stream: StreamName): number | undefined =>
  snapshot.hasStream(stream) ? snapshot.streamLength(stream) : undefined;

const commonLength = (before: Snapshot, after: Snapshot, stream: StreamName): number =>
  Math.min(before.streamLength(stream), after.streamLength(stream));

/**
 * One stream of two snapshots.
 *
 * State: the bytes from `#pendingOffset` to `#offset` have to be compared, those before are done. Of the page
 * `#pageIndex`, `#pageBytes` bytes were found to differ; more of it may follow.
 */
class StreamComparison {
  readonly #before: Snapshot;
  readonly #after: Snapshot;
  readonly #tally: DiffTally;
  readonly #commonLength: number;
  readonly #comparer = new OriginComparer();
  readonly #runs: PageRuns;
  /** Each has room for the bytes before a window in its first page: they lie alike then. */
  readonly #sides = [0, 1].map(() => Buffer.allocUnsafeSlow(WINDOW_BYTES + PAGE_BYTES)) as [
    Buffer,
    Buffer,
  ];
  #pendingOffset = 0;
  #offset = 0;
  #pageIndex = -1;
  #pageBytes = 0;

  constructor(before: Snapshot, after: Snapshot, tally: DiffTally, granularity: Granularity) {
    this.#before = before;
    this.#after = after;
    this.#tally = tally;
    this.#commonLength = commonLength(before, after, tally.stream);
    this.#runs = new PageRuns(tally, granularity);
  }

  *steps(): Generator<DiffStep, void> {
    const tally = this.#tally;
    const { stream } = tally;
    const startBytes = tally.doneBytes;
    for (let entry = 1; this.#offset < this.#commonLength; entry++) {
      const limit = this.#commonLength - this.#offset;
      const before = this.#before.originAt(stream, this.#offset, limit);
      const after = this.#after.originAt(stream, this.#offset, limit);
      const length = Math.min(before.length, after.length);
      if (this.#comparer.isSame(before, after)) {
        yield* this.#comparePending();
        this.#pendingOffset = this.#offset + length;
      }
      this.#offset += length;
      if (this.#offset - this.#pendingOffset >= WINDOW_BYTES) yield* this.#comparePending();
      tally.doneBytes = startBytes + this.#offset;
      if (entry % STEP_ENTRIES === 0) yield { tally, difference: undefined };
    }
    yield* this.#comparePending();
    yield* this.#finishPage();
    const last = this.#runs.end();
    if (last !== undefined) yield { tally, difference: last };
    const { lengthBefore = 0, lengthAfter = 0 } = tally;
    if (lengthBefore === lengthAfter) return;
    const kind = lengthBefore < lengthAfter ? 'grown' : 'removed';
    const endOffset = Math.max(lengthBefore, lengthAfter);
    tally[`${kind}Bytes`] += endOffset - this.#commonLength;
    yield { tally, difference: rangeDifference(tally, kind, this.#commonLength, endOffset) };
  }

  *#comparePending(): Generator<DiffStep, void> {
    const tally = this.#tally;
    while (this.#pendingOffset < this.#offset) {
      const start = this.#pendingOffset;
      const length = Math.min(WINDOW_BYTES, this.#offset - start);
      const inner = start % PAGE_BYTES;
      const [before, after] = this.#sides.map((side) => side.subarray(inner, inner + length)) as [
        Buffer,
        Buffer,
      ];
      this.#before.readInto(tally.stream, start, before);
      this.#after.readInto(tally.stream, start, after);
      this.#pendingOffset += length;
      tally.comparedBytes += length;
      if (!before.equals(after)) yield* this.#countPages(start, before, after);
      yield { tally, difference: undefined };
    }
  }

  *#countPages(startOffset: number, before: Buffer, after: Buffer): Generator<DiffStep, void> {
    for (let at = 0; at < before.length; ) {
      const pageIndex = pageOf(startOffset + at);
      const end = Math.min(before.length, (pageIndex + 1) * PAGE_BYTES - startOffset);
      const count = countDifferentBytes(before.subarray(at, end), after.subarray(at, end));
      at = end;
      if (count === 0) continue;
      if (pageIndex !== this.#pageIndex) yield* this.#finishPage();
      this.#pageIndex = pageIndex;
      this.#pageBytes += count;
    }
  }

  /** Hands on the page in which bytes were found to differ, once no more of it follows. */
  *#finishPage(): Generator<DiffStep, void> {
    if (this.#pageBytes === 0) return;
    const tally = this.#tally;
    const length = Math.min(PAGE_BYTES, this.#commonLength - this.#pageIndex * PAGE_BYTES);
    const difference = this.#runs.add(this.#pageIndex, length, this.#pageBytes, 0);
    this.#pageBytes = 0;
    if (difference !== undefined) yield { tally, difference };
  }
}
