import type { ActivityCursor, ActivitySampler } from '../activity/sampler.js';
import { RING_EVENTS } from '../activity/shared.js';
import { asHexzError } from '../errors.js';
import type { Extent } from '../overlay/dirtyPages.js';
import { pageOf, pagesIn } from '../overlay/pages.js';
import { overlayPaths } from '../overlay/paths.js';
import { Selection } from '../overlay/selection.js';
import type { SharedDirtySet } from '../overlay/sharedOverlay.js';
import { Review } from '../review/review.js';
import { readReview, stateOf, writeReview } from '../review/reviewFile.js';
import type { ReviewChange } from '../review/types.js';
import { inSlices, type Pause, type Steps } from '../slices.js';
import type { Result } from './protocol/methods.js';

/** How often it is looked what was written, while something is decided. */
const CATCH_UP_MS = 250;
const READ_ONLY =
  'the review is not saved: the overlay is open for reading, so what is decided lives as long as its engine';
/** How long a change may be kept in memory alone. */
const SAVE_MS = 1000;

/** Where a review is kept, and what it is about. */
export interface ReviewPlace {
  /** The data file of the overlay. */
  readonly overlayPath: string;
  readonly baseIdentity: string;
  /** Whether the overlay is ours to write: beside another's nothing is written either. */
  readonly isWritable: boolean;
}

/**
 * The review of the overlay that an engine serves, for all its watchers: told of what is written, and kept beside the
 * overlay, where that is open for writing. Beside one that is only read nothing is changed: its review is taken up, and what is
 * decided then lives as long as the engine.
 *
 * What was written it learns from the events of the activity; where some were lost, everything counts as written. It
 * catches up before it answers anything, and now and then while anything is decided.
 *
 * What takes long is done in slices, because all watchers share this thread. Whoever asks while another one is answered waits for his
 * turn; saving goes on beside it, of what was decided when it began.
 *
 * State: `#isSaved` says whether the file has what is decided; a change is written within `SAVE_MS`, and in the end.
 */
export class ReviewKeeper {
  /** What was wrong with the review that was found. */
  readonly #foundWarning: string | undefined;
  readonly #review: Review;
  readonly #dirtySet: SharedDirtySet;
  readonly #place: ReviewPlace;
  readonly #cursor: ActivityCursor;
  readonly #timer: NodeJS.Timeout;
  #saveTimer: NodeJS.Timeout | undefined;
  /** When it was looked last what was written. */
  #diskLength: number;
  #isSaved = true;
  #saving: Promise<void> = Promise.resolve();
  /** Settles when nobody is at work on the review. */
  #turn: Promise<void> = Promise.resolve();
  /** Why the file could not be written the last time. */
  #saveWarning: string | undefined;

  /** @param since `now` where an earlier thread has seen what was written before, and has saved the review */
  constructor(
    dirtySet: SharedDirtySet,
    sampler: ActivitySampler,
    place: ReviewPlace,
    since: 'start' | 'now',
  ) {
    const { overlayPath, baseIdentity, isWritable } = place;
    // First: what is written from here on it learns, and what was before and is not in the file makes that stale.
    this.#cursor = sampler.cursor(since);
    const found = readReview(overlayPaths(overlayPath), baseIdentity, isWritable);
    this.#place = place;
    this.#dirtySet = dirtySet;
    this.#diskLength = dirtySet.length;
    this.#review = new Review(
      {
        get diskLength() {
          return dirtySet.length;
        },
        get version() {
          return dirtySet.version;
        },
        has: (pageIndex) => dirtySet.isDirty(pageIndex),
        runEnd: (pageIndex, endPageIndex, isDirty) =>
          dirtySet.runEnd(pageIndex, endPageIndex, isDirty),
      },
      found.review,
    );
    if (found.isStale) this.#review.writtenUnknown();
    this.#foundWarning = found.warning;
    this.#timer = setInterval(() => {
      if (!this.#review.isEmpty) this.#catchUp();
    }, CATCH_UP_MS);
  }

  get revision(): number {
    return this.#review.revision;
  }

  /** What was wrong with the review that was found, and why this one is not saved. */
  get warnings(): readonly string[] {
    return [this.#foundWarning, this.#saveWarning].filter((warning) => warning !== undefined);
  }

  /** Answers `review`. */
  list(fromPage: number, limit: number): Promise<Result<'review'>> {
    return this.#inTurn(async () => {
      // Of one moment: counting begins before anything else happens.
      const hunks = this.#review.hunks(fromPage, limit);
      return { ...hunks, counts: await this.#counts() };
    });
  }

  /**
   * Answers `decide`.
   *
   * @throws HexzError as `Review.change`
   */
  decide(change: ReviewChange, revision: number | undefined): Promise<Result<'decide'>> {
    return this.#inTurn(async () => {
      await inSlices(this.#review.change(change, revision));
      this.#toSave();
      return this.#counts();
    });
  }

  /**
   * Answers `select`.
   *
   * @throws HexzError USAGE with line, as `Selection.parse`; as `Review.select`
   */
  select(text: string, revision: number | undefined): Promise<Result<'select'>> {
    return this.#inTurn(async () => {
      const selection = Selection.parse(text, 'the selection');
      await inSlices(this.#review.select(selection, revision));
      this.#toSave();
      return this.#counts();
    });
  }

  /** What a commit takes: everything that is dirty and not dropped. */
  committed(): Generator<Extent | Pause, void> {
    this.#catchUp();
    return this.#review.committed();
  }

  /** Whether a commit takes all. */
  takesAll(): Promise<boolean> {
    return this.#inTurn(async () => (await this.#counts()).drop === 0);
  }

  /** What is dropped and has not changed since. */
  dropped(): Promise<Extent[]> {
    return this.#inTurn(() => inSlices(collected(this.#review.dropped())));
  }

  /** Tells that pages were taken out of the overlay. */
  removed(runs: readonly Extent[]): Promise<void> {
    return this.#inTurn(async () => {
      await inSlices(this.#review.removed(runs));
      this.#toSave();
    });
  }

  /** Saves what is not saved yet, as well as that goes. */
  async close(): Promise<void> {
    await this.#turn;
    clearInterval(this.#timer);
    clearTimeout(this.#saveTimer);
    await this.#saving;
    if (this.#place.isWritable && !(this.#isSaved && this.#review.isEmpty)) await this.#save();
  }

  /** One after the other: what one of them does in slices, the next does not see half done. */
  #inTurn<Answer>(action: () => Promise<Answer>): Promise<Answer> {
    const answer = this.#turn.then(() => {
      this.#catchUp();
      return action();
    });
    this.#turn = answer.then(
      () => {},
      () => {},
    );
    return answer;
  }

  async #counts(): Promise<Result<'decide'>> {
    const counts = await inSlices(this.#review.counts());
    return { ...counts, unsaved: this.#saveWarning ?? null };
  }

  #toSave(): void {
    this.#isSaved = false;
    if (!this.#place.isWritable) {
      this.#saveWarning = READ_ONLY;
      return;
    }
    this.#saveTimer ??= setTimeout(() => void this.#save(), SAVE_MS);
  }

  #save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#saveNow());
    return this.#saving;
  }

  async #saveNow(): Promise<void> {
    clearTimeout(this.#saveTimer);
    this.#saveTimer = undefined;
    // A change that comes meanwhile is saved the next time.
    this.#isSaved = true;
    const { overlayPath, baseIdentity } = this.#place;
    const paths = overlayPaths(overlayPath);
    try {
      // Asked first: what is written from here on makes the file stale.
      const state = stateOf(paths.data);
      this.#catchUp();
      await writeReview(paths, baseIdentity, this.#review.save(), state);
      this.#saveWarning = undefined;
    } catch (error) {
      // A full disk must not end the engine; the next change tries again.
      this.#isSaved = false;
      this.#saveWarning = `the review is not saved: ${asHexzError(error).toLine()}`;
    }
  }

  #catchUp(): void {
    const { events, lostEvents } = this.#cursor.sample(RING_EVENTS);
    const runs: Extent[] = [];
    // What is cut off and comes back is zero, also where it comes back much later.
    const diskLength = this.#dirtySet.length;
    let lowest = Math.min(this.#diskLength, diskLength);
    const highest = Math.max(this.#diskLength, diskLength);
    this.#diskLength = diskLength;
    for (const { kind, stream, offset, length } of events) {
      if (stream !== 'disk' || (kind !== 'write' && kind !== 'truncate')) continue;
      if (kind === 'truncate') lowest = Math.min(lowest, length);
      else if (length > 0) runs.push(pagesBetween(offset, offset + length));
    }
    if (highest > lowest) runs.push(pagesBetween(lowest, highest));
    if (lostEvents > 0) this.#review.writtenUnknown();
    else this.#review.written(runs);
  }
}

function* collected<Item>(items: Iterable<Item | Pause>): Steps<Item[]> {
  const list: Item[] = [];
  for (const item of items) {
    if (item === undefined) yield;
    else list.push(item);
  }
  return list;
}

function pagesBetween(startOffset: number, endOffset: number): Extent {
  const pageIndex = pageOf(startOffset);
  return { pageIndex, pageCount: pagesIn(endOffset) - pageIndex };
}
