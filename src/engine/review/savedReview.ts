import type { Extent } from '../overlay/dirtyPages.js';
import type { Pause } from '../slices.js';
import { checked, type Decisions } from './decisions.js';
import { dirtyIn } from './dirtyRuns.js';
import {
  decisionOf,
  isViewed,
  markOf,
  seenAt,
  visibleOf,
  withDecision,
  withViewed,
} from './marks.js';
import { PageMap } from './pageMap.js';
import type { DirtySet } from './types.js';
import type { WritesReader } from './writes.js';

/** What of a review outlives its engine. Runs are in order. */
export interface SavedReview {
  readonly keep: Iterable<Extent | Pause>;
  readonly drop: Iterable<Extent | Pause>;
  readonly viewed: Iterable<Extent | Pause>;
  /** Pages that were written after they were decided or viewed. */
  readonly changedSince: Iterable<Extent | Pause>;
  /** Pages at which a hunk begins because somebody said so. */
  readonly splits: Iterable<Extent | Pause>;
}

export function saved({ marks, splits }: Decisions, writes: WritesReader): SavedReview {
  return {
    keep: marks.runsOf((mark) => decisionOf(mark) === 'keep'),
    drop: marks.runsOf((mark) => decisionOf(mark) === 'drop'),
    viewed: marks.runsOf(isViewed),
    changedSince: changedSince(marks, writes),
    splits: splits.runsOf((value) => value !== 0),
  };
}

/**
 * What was decided earlier, of the pages that are still dirty.
 *
 * @param revision that counts as seen
 * @throws HexzError LIMIT
 */
export function restored(dirty: DirtySet, review: SavedReview, revision: number): Decisions {
  const { keep, drop, viewed, splits } = review;
  const marks = (
    [
      [keep, (visible: number) => withDecision(visible, 'keep')],
      [drop, (visible: number) => withDecision(visible, 'drop')],
      [viewed, (visible: number) => withViewed(visible, true)],
    ] as const
  ).reduce(
    (before, [runs, wanted]) =>
      before.paint(dirtyIn(dirty, runs), (mark) => markOf(wanted(visibleOf(mark)), revision)),
    PageMap.empty,
  );
  return checked({ marks, splits: PageMap.empty.paint(splits, () => 1) });
}

function* changedSince(marks: PageMap, writes: WritesReader): Generator<Extent | Pause, void> {
  for (const run of marks.runs()) {
    if (run === undefined) yield;
    if (run === undefined || visibleOf(run.value) === 0) continue;
    const { pageIndex, pageCount, value } = run;
    yield* writes.since(pageIndex, pageIndex + pageCount, seenAt(value));
  }
}
