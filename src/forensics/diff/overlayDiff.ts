import { HexzError } from '../../engine/errors.js';
import type { ReadableOverlay } from '../../engine/overlay/mergedDisk.js';
import { PAGE_BYTES, pageOf, pagesIn } from '../../engine/overlay/pages.js';
import type { Snapshot } from '../../engine/snapshot/snapshot.js';
import { dataRuns } from './dataRuns.js';
import { countDifferentBytes, countNonZeroBytes } from './differentBytes.js';
import { PageRuns, rangeDifference } from './pageRuns.js';
import { type DiffStep, type DiffTally, type Granularity, newTally } from './result.js';

/** Bytes that are compared between two steps. */
const WINDOW_BYTES = 1024 * 1024;

/** Clean bytes between two dirty pages that are read from the base rather than read around. */
const MAX_GAP_BYTES = 32 * 1024;

export interface OverlayDiffOptions {
  /** Default `extent`. */
  readonly granularity?: Granularity;
  /** Compares only these bytes, by whole pages; default: the whole disk. */
  readonly startOffset?: number;
  readonly endOffset?: number;
}

/** Bytes that are read to compare an overlay, about: for telling how far it is. */
export const overlayDiffBytes = (overlay: ReadableOverlay): number =>
  overlay.dirtyPageCount * PAGE_BYTES;

/**
 * Compares the disk under an overlay with that of its base. Yields what differs in the order of offsets, and
 * dirty pages that do not; at least one step for every MiB. Memory stays the same however many extents there are.
 *
 * Dirty pages are compared byte by byte. Clean ones need not be: they show the base, but for those behind
 * the lowest truncation, which are zero (`cut`, where the base had anything else). What is behind the end
 * of the base is one `grown` range, and its dirty pages are `new` besides.
 *
 * The overlay may be written between two steps; each page is then told as it was when its turn came.
 *
 * @param base the snapshot that the overlay was opened on
 * @returns the sums
 * @throws HexzError when base or overlay cannot be read; UNREADABLE when the disk was cut meanwhile
 */
export function* diffOverlay(
  base: Snapshot,
  overlay: ReadableOverlay,
  {
    granularity = 'extent',
    startOffset = 0,
    endOffset = Number.POSITIVE_INFINITY,
  }: OverlayDiffOptions = {},
): Generator<DiffStep, DiffTally> {
  const baseLength = base.streamLength('disk');
  const tally = newTally('disk', baseLength, overlay.length);
  const limits = { startOffset: pageOf(startOffset) * PAGE_BYTES, endOffset };
  let hasGrown = overlay.length > baseLength && endOffset > baseLength;
  const grown = (): DiffStep => {
    hasGrown = false;
    const { lengthAfter = 0 } = tally;
    tally.grownBytes = lengthAfter - baseLength;
    return { tally, difference: rangeDifference(tally, 'grown', baseLength, lengthAfter) };
  };
  for (const step of withinBase(base, overlay, tally, granularity, limits)) {
    if (hasGrown && (step.difference?.offset ?? 0) >= baseLength) yield grown();
    yield step;
  }
  if (hasGrown) yield grown();
  return tally;
}

/** Everything but the range behind the end of the base. */
function* withinBase(
  base: Snapshot,
  overlay: ReadableOverlay,
  tally: DiffTally,
  granularity: Granularity,
  limits: Limits,
): Generator<DiffStep, void> {
  const diskLength = overlay.length;
  const baseLength = base.streamLength('disk');
  const runs = new PageRuns(tally, granularity);
  const window = new Window(base, overlay, tally, runs);
  for (const region of regionsOf(overlay, baseLength, diskLength, limits)) {
    if (region.kind === 'dirty') {
      let { startOffset } = region;
      while (startOffset < region.endOffset) {
        if (!window.hasRoomFor(startOffset)) yield* window.compare();
        startOffset = window.take(startOffset, region.endOffset);
      }
      continue;
    }
    yield* window.compare();
    yield* ended(tally, runs);
    const { kind, startOffset, endOffset } = region;
    let differentBytes = 0;
    if (kind === 'cut') {
      differentBytes = yield* countCutBytes(base, tally, startOffset, endOffset);
      // Zeros in the place of zeros are nothing that anybody could see.
      if (differentBytes === 0) continue;
      tally.differentBytes += differentBytes;
      tally.cutRanges++;
    }
    tally[`${kind}Bytes`] += endOffset - startOffset;
    const difference = rangeDifference(tally, kind, startOffset, endOffset, differentBytes);
    yield { tally, difference };
  }
  yield* window.compare();
  yield* ended(tally, runs);
}

function* ended(tally: DiffTally, runs: PageRuns): Generator<DiffStep, void> {
  const difference = runs.end();
  if (difference !== undefined) yield { tally, difference };
}

/** What of a disk is compared. */
type Limits = Required<Pick<OverlayDiffOptions, 'startOffset' | 'endOffset'>>;

interface Region {
  readonly kind: 'dirty' | 'cut' | 'removed';
  readonly startOffset: number;
  readonly endOffset: number;
}

/** Everything that is not clean and shown from the base, nor clean behind its end, in the order of offsets. */
function* regionsOf(
  overlay: ReadableOverlay,
  baseLength: number,
  diskLength: number,
  limits: Limits,
): Generator<Region, void> {
  const cutOffset = overlay.shownBaseLength;
  const limit = Math.min(diskLength, pagesIn(limits.endOffset) * PAGE_BYTES);
  let cleanOffset = limits.startOffset;
  function* cleanUpTo(endOffset: number): Generator<Region, void> {
    const cutStart = Math.max(cleanOffset, cutOffset);
    const cutEnd = Math.min(endOffset, baseLength);
    if (cutStart < cutEnd) yield { kind: 'cut', startOffset: cutStart, endOffset: cutEnd };
  }
  for (const { pageIndex, pageCount } of overlay.extents(pageOf(limits.startOffset))) {
    const startOffset = pageIndex * PAGE_BYTES;
    const endOffset = Math.min(limit, (pageIndex + pageCount) * PAGE_BYTES);
    // Behind the limit, or of a disk that has grown since.
    if (startOffset >= limit) break;
    yield* cleanUpTo(startOffset);
    yield { kind: 'dirty', startOffset, endOffset };
    cleanOffset = endOffset;
  }
  yield* cleanUpTo(limit);
  if (diskLength < baseLength && limits.endOffset > diskLength) {
    yield { kind: 'removed', startOffset: diskLength, endOffset: baseLength };
  }
}

/**
 * Dirty pages that lie near each other, and what the base has in their place: it is read in one go.
 *
 * State: `#pieces` in the order of offsets, from `#startOffset` on and not beyond WINDOW_BYTES. The first one begins
 * with a page, and all of them end with one or with the disk.
 */
class Window {
  readonly #base: Snapshot;
  readonly #overlay: ReadableOverlay;
  readonly #tally: DiffTally;
  readonly #runs: PageRuns;
  readonly #before = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  readonly #after = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  #pieces: { readonly startOffset: number; readonly endOffset: number }[] = [];
  #startOffset = 0;
  #endOffset = 0;

  constructor(base: Snapshot, overlay: ReadableOverlay, tally: DiffTally, runs: PageRuns) {
    this.#base = base;
    this.#overlay = overlay;
    this.#tally = tally;
    this.#runs = runs;
  }

  /** Whether a page there would lie near enough. */
  hasRoomFor(offset: number): boolean {
    if (this.#pieces.length === 0) return true;
    return offset - this.#endOffset <= MAX_GAP_BYTES && offset - this.#startOffset < WINDOW_BYTES;
  }

  /** Takes as much of a run of dirty pages as there is room for; answers where the rest begins. */
  take(startOffset: number, endOffset: number): number {
    if (this.#pieces.length === 0) this.#startOffset = startOffset;
    this.#endOffset = Math.min(endOffset, this.#startOffset + WINDOW_BYTES);
    this.#pieces.push({ startOffset, endOffset: this.#endOffset });
    return this.#endOffset;
  }

  /** Compares what it holds, and is empty then. */
  *compare(): Generator<DiffStep, void> {
    if (this.#pieces.length === 0) return;
    const tally = this.#tally;
    const baseBytes = this.#readBase();
    for (const { startOffset, endOffset } of this.#pieces) {
      const start = startOffset - this.#startOffset;
      const end = endOffset - this.#startOffset;
      const piece = this.#after.subarray(start, end);
      if (this.#overlay.readInto(startOffset, piece) < piece.length)
        throw cutMeanwhile(this.#overlay);
      for (let at = start; at < end; at += PAGE_BYTES) {
        const pageEnd = Math.min(end, at + PAGE_BYTES);
        const commonEnd = Math.max(at, Math.min(pageEnd, baseBytes));
        const differentBytes = countDifferentBytes(
          this.#before.subarray(at, commonEnd),
          this.#after.subarray(at, commonEnd),
        );
        const difference = this.#runs.add(
          pageOf(this.#startOffset + at),
          pageEnd - at,
          differentBytes,
          pageEnd - commonEnd,
        );
        if (difference !== undefined) yield { tally, difference };
      }
      tally.comparedBytes += piece.length;
      tally.doneBytes += piece.length;
    }
    this.#pieces = [];
    yield { tally, difference: undefined };
  }

  /** Answers how many bytes the base has of the window. */
  #readBase(): number {
    const baseLength = this.#base.streamLength('disk');
    const wanted = Math.max(0, Math.min(baseLength, this.#endOffset) - this.#startOffset);
    if (wanted > 0)
      this.#base.readInto('disk', this.#startOffset, this.#before.subarray(0, wanted));
    return wanted;
  }
}

/** How many bytes of a range of the base are not zero. */
function* countCutBytes(
  base: Snapshot,
  tally: DiffTally,
  startOffset: number,
  endOffset: number,
): Generator<DiffStep, number> {
  const chunk = Buffer.allocUnsafeSlow(Math.min(WINDOW_BYTES, endOffset - startOffset));
  let count = 0;
  for (const run of dataRuns(base, 'disk', startOffset, endOffset)) {
    for (let offset = run.startOffset; offset < run.endOffset; offset += chunk.length) {
      const bytes = chunk.subarray(0, Math.min(chunk.length, run.endOffset - offset));
      base.readInto('disk', offset, bytes);
      count += countNonZeroBytes(bytes);
      tally.comparedBytes += bytes.length;
      yield { tally, difference: undefined };
    }
  }
  return count;
}

const cutMeanwhile = ({ path }: ReadableOverlay): HexzError =>
  new HexzError('UNREADABLE', 'the disk became shorter while it was compared', {
    location: { file: path },
  });
