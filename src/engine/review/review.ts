import { HexzError } from '../errors.js';
import type { Extent } from '../overlay/dirtyPages.js';
import { MAX_PAGES, PAGE_BYTES } from '../overlay/pages.js';
import type { Selection } from '../overlay/selection.js';
import type { Pause, Steps } from '../slices.js';
import { HunkCounts } from './counts.js';
import { checked, type Decisions } from './decisions.js';
import { dirtyIn, divideBySelection } from './dirtyRuns.js';
import { History } from './history.js';
import { HunkWalk } from './hunkWalk.js';
import { type Marking, seeing, unsaying } from './marking.js';
import { PageMap } from './pageMap.js';
import { restored, type SavedReview, saved } from './savedReview.js';
import type { DirtySet, Hunk, ReviewChange, ReviewCounts } from './types.js';
import { Writes } from './writes.js';

/** Runs that may be kept for undoing, of 16 bytes each. */
const MAX_HISTORY_RUNS = 2 ** 22;
/** Hunks that are passed over at once. */
const PAUSE_HUNKS = 512;

/**
 * What is decided about the dirty pages of one overlay: the one state that all watchers share.
 *
 *   decision of a page   in a commit
 *   open                 is taken: who decides nothing loses nothing
 *   keep                 is taken
 *   drop                 is left out; it stays in the overlay
 *
 * `viewed` is a mark beside the decision. Both are said of pages that are dirty at that moment: a page that becomes dirty
 * later, also between two that are decided, is open. A page that is written again keeps what was said of it, and its hunk has
 * `hasChangedSince` until somebody decides or views it again, for what is there now nobody has seen. The caller
 * tells of each change of the dirty set and of dirty pages, with `written` or `removed`.
 *
 * `revision` grows with everything that is told or changed. Who names the revision that he has looked at is refused where
 * somebody has decided something since. That the guest has written since refuses nothing: what it has written in
 * the range is marked as changed.
 *
 * Invariant: `#decisions` never changes, only its place is taken by others, so that undoing is putting the last ones back. A mark
 * holds the revision that was seen when it was made, and `#writes` when pages were written: whether one has changed
 * since follows, also after undoing. Memory grows with the number of runs, not of pages, and each is bounded.
 *
 * What may take long is done in steps. Between them hunks may be listed and writes be told; changes, removals and counts are
 * made one after the other, and each is of the moment in which it began.
 */
export class Review {
  readonly #dirty: DirtySet;
  readonly #history = new History<Decisions>(MAX_HISTORY_RUNS);
  readonly #writes = new Writes();
  #decisions: Decisions = { marks: PageMap.empty, splits: PageMap.empty };
  #revision = 1;
  /** When somebody decided something last. */
  #decidedAt = 1;
  readonly #counts = new HunkCounts();

  /**
   * @param earlier what was decided earlier; counts for pages that are still dirty
   * @throws HexzError LIMIT
   */
  constructor(dirty: DirtySet, earlier?: SavedReview) {
    this.#dirty = dirty;
    if (earlier === undefined) return;
    this.#decisions = restored(dirty, earlier, this.#revision);
    this.#revision++;
    this.#decidedAt = this.#revision;
    this.#writes.record(earlier.changedSince, this.#revision);
  }

  get revision(): number {
    return this.#revision;
  }

  /** Whether nothing is said of any page. */
  get isEmpty(): boolean {
    const { marks, splits } = this.#decisions;
    return marks.isEmpty && splits.isEmpty;
  }

  /**
   * Decides, or takes back. What changes nothing makes no new revision.
   *
   * @param revision what the one who decides has looked at; without, what is there now
   * @throws HexzError REVIEW_CHANGED; USAGE where there is nothing to split or to undo; LIMIT; nothing has changed then
   */
  *change(change: ReviewChange, revision?: number): Steps<void> {
    this.#checkRevision(revision);
    const seen = revision ?? this.#revision;
    const writes = this.#writes.reader();
    switch (change.action) {
      case 'keep':
      case 'drop':
        yield* this.#mark(change.pages, seeing(change.action, seen, writes));
        break;
      case 'keepOpen':
        yield* this.#mark(undefined, seeing('keepOpen', seen, writes));
        break;
      case 'viewed':
        yield* this.#mark(
          change.pages,
          change.isViewed ? seeing('viewed', seen, writes) : unsaying('viewed'),
        );
        break;
      case 'clear':
        yield* this.#mark(change.pages, unsaying('decision'));
        break;
      case 'split':
        this.#split(change.pageIndex);
        break;
      case 'join':
        this.#join(change.pages);
        break;
      case 'undo':
        this.#goTo(this.#history.undo(this.#decisions), change.action);
        break;
      case 'redo':
        this.#goTo(this.#history.redo(this.#decisions), change.action);
        break;
    }
  }

  /**
   * Keeps what a selection holds of the dirty pages, and drops the rest of them.
   *
   * @throws HexzError USAGE where it holds a part of a dirty page; REVIEW_CHANGED, LIMIT
   */
  *select(selection: Selection, revision?: number): Steps<void> {
    this.#checkRevision(revision);
    const seen = revision ?? this.#revision;
    const writes = this.#writes.reader();
    const [keeping, dropping] = [seeing('keep', seen, writes), seeing('drop', seen, writes)];
    const { marks, splits } = this.#decisions;
    const kept = yield* marks.painting(
      divideBySelection(this.#dirty, selection, true),
      keeping.change,
    );
    const both = yield* kept.painting(
      divideBySelection(this.#dirty, selection, false),
      dropping.change,
    );
    if (keeping.hasChanged || dropping.hasChanged) {
      this.#replace({ marks: both, splits }, kept.changedRuns + both.changedRuns);
    }
  }

  /** Tells that pages became dirty, or were written again. */
  written(runs: Iterable<Extent>): void {
    const sorted = inOrder(runs);
    if (sorted.length === 0) return;
    this.#revision++;
    this.#writes.record(sorted, this.#revision);
  }

  /**
   * Tells that pages are dirty no more. What was said of them is forgotten, and nothing that was decided before can be
   * undone: the pages that it was about are not there any more.
   */
  *removed(runs: Iterable<Extent>): Steps<void> {
    const sorted = inOrder(runs);
    if (sorted.length === 0) return;
    const { marks, splits } = this.#decisions;
    this.#decisions = { marks: yield* marks.painting(sorted, () => 0), splits };
    this.#history.clear();
    this.#decided();
  }

  /** Tells that nobody knows what was written meanwhile: all that was said counts as said of other bytes. */
  writtenUnknown(): void {
    this.#revision++;
    this.#writes.forget(this.#revision);
  }

  /** Lists hunks, at most so many, from a page on; `nextPage` is where to go on, null at the end. */
  hunks(fromPage: number, limit: number): { hunks: Hunk[]; nextPage: number | null } {
    const walk = this.#walk(fromPage);
    const hunks: Hunk[] = [];
    while (hunks.length < limit && walk.next()) {
      const { pageIndex, pageCount, decision, isViewed, hasChangedSince } = walk;
      hunks.push({ pageIndex, pageCount, decision, isViewed, hasChangedSince });
    }
    const endIndex = walk.pageIndex + walk.pageCount;
    return { hunks, nextPage: walk.next() ? endIndex : null };
  }

  /** Counts; the time grows with the number of hunks near what has changed since the last time. */
  *counts(): Steps<ReviewCounts> {
    const { revision } = this;
    const { canUndo, canRedo } = this.#history;
    const counted = yield* this.#counts.count(this.#dirty, this.#decisions, this.#writes.known);
    return { revision, ...counted, canUndo, canRedo };
  }

  /** What a commit takes: all that is dirty and not dropped. */
  *committed(): Generator<Extent | Pause, void> {
    let start = 0;
    let end = 0;
    let passed = 0;
    for (const walk = this.#walk(0); walk.next(); ) {
      if (++passed % PAUSE_HUNKS === 0) yield;
      if (walk.decision === 'drop') continue;
      if (walk.pageIndex !== end) {
        if (end > start) yield { pageIndex: start, pageCount: end - start };
        start = walk.pageIndex;
      }
      end = walk.pageIndex + walk.pageCount;
    }
    if (end > start) yield { pageIndex: start, pageCount: end - start };
  }

  /** What may be taken out of the overlay: dropped hunks, but for those that hold bytes which nobody has seen. */
  *dropped(): Generator<Extent | Pause, void> {
    let passed = 0;
    for (const walk = this.#walk(0); walk.next(); ) {
      if (++passed % PAUSE_HUNKS === 0) yield;
      const { pageIndex, pageCount, decision, hasChangedSince } = walk;
      if (decision === 'drop' && !hasChangedSince) yield { pageIndex, pageCount };
    }
  }

  /** What is to be kept of it; the history is not. */
  save(): SavedReview {
    return saved(this.#decisions, this.#writes.reader());
  }

  #walk(fromPage: number): HunkWalk {
    return new HunkWalk(this.#dirty, this.#decisions, this.#writes.reader(), fromPage);
  }

  #checkRevision(revision: number | undefined): void {
    if (revision === undefined) return;
    if (revision >= this.#decidedAt && revision <= this.#revision) return;
    throw new HexzError('REVIEW_CHANGED', 'the review was changed since you looked at it', {
      hint: 'look at it again, then decide',
    });
  }

  *#mark(pages: Extent | undefined, marking: Marking): Steps<void> {
    const { marks, splits } = this.#decisions;
    const painted = yield* marks.painting(
      dirtyIn(this.#dirty, [pages ?? EVERYTHING]),
      marking.change,
    );
    if (marking.hasChanged) this.#replace({ marks: painted, splits }, painted.changedRuns);
  }

  #split(pageIndex: number): void {
    const isInside =
      pageIndex > 0 &&
      pageIndex * PAGE_BYTES < this.#dirty.diskLength &&
      this.#dirty.has(pageIndex - 1) &&
      this.#dirty.has(pageIndex);
    if (!isInside) {
      throw new HexzError('USAGE', `no hunk reaches over the beginning of page ${pageIndex}`, {
        location: { stream: 'disk', offset: pageIndex * PAGE_BYTES },
      });
    }
    this.#paintSplits({ pageIndex, pageCount: 1 }, 1);
  }

  #join({ pageIndex, pageCount }: Extent): void {
    this.#paintSplits({ pageIndex: pageIndex + 1, pageCount: pageCount - 1 }, 0);
  }

  #paintSplits(pages: Extent, value: number): void {
    const { marks, splits } = this.#decisions;
    let hasChanged = false;
    const painted = splits.paint([clipped(pages)], (before) => {
      hasChanged ||= before !== value;
      return value;
    });
    if (hasChanged) this.#replace({ marks, splits: painted }, painted.changedRuns);
  }

  #replace(decisions: Decisions, cost: number): void {
    checked(decisions);
    this.#history.add(this.#decisions, cost);
    this.#decisions = decisions;
    this.#decided();
  }

  #goTo(decisions: Decisions | undefined, action: string): void {
    if (decisions === undefined) throw new HexzError('USAGE', `there is nothing to ${action}`);
    this.#decisions = decisions;
    this.#decided();
  }

  #decided(): void {
    this.#revision++;
    this.#decidedAt = this.#revision;
  }
}

const EVERYTHING: Extent = { pageIndex: 0, pageCount: MAX_PAGES };

const inOrder = (runs: Iterable<Extent>): readonly Extent[] =>
  [...runs]
    .map(clipped)
    .filter(({ pageCount }) => pageCount > 0)
    .sort((one, other) => one.pageIndex - other.pageIndex);

/** As far as any disk goes. */
function clipped({ pageIndex, pageCount }: Extent): Extent {
  const start = Math.min(Math.max(pageIndex, 0), MAX_PAGES);
  return { pageIndex: start, pageCount: Math.min(pageIndex + pageCount, MAX_PAGES) - start };
}
