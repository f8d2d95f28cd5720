import type { Extent } from '../../../src/engine/overlay/dirtyPages.js';
import type { Selection } from '../../../src/engine/overlay/selection.js';
import { Review } from '../../../src/engine/review/review.js';
import type { SavedReview } from '../../../src/engine/review/savedReview.js';
import type { DirtySet, ReviewChange, ReviewCounts } from '../../../src/engine/review/types.js';
import { atOnce, type Pause } from '../../../src/engine/slices.js';

/** What was found, without the pauses. */
function* found<Item>(items: Iterable<Item | Pause>): Generator<Item, void> {
  for (const item of items) if (item !== undefined) yield item;
}

/** A review that does everything in one step. */
export class ReviewAtOnce {
  readonly #review: Review;

  constructor(dirty: DirtySet, earlier?: SavedReview) {
    this.#review = new Review(dirty, earlier);
  }

  get revision(): number {
    return this.#review.revision;
  }

  get isEmpty(): boolean {
    return this.#review.isEmpty;
  }

  change(change: ReviewChange, revision?: number): void {
    atOnce(this.#review.change(change, revision));
  }

  select(selection: Selection, revision?: number): void {
    atOnce(this.#review.select(selection, revision));
  }

  written(runs: Iterable<Extent>): void {
    this.#review.written(runs);
  }

  writtenUnknown(): void {
    this.#review.writtenUnknown();
  }

  removed(runs: Iterable<Extent>): void {
    atOnce(this.#review.removed(runs));
  }

  hunks(fromPage: number, limit: number): ReturnType<Review['hunks']> {
    return this.#review.hunks(fromPage, limit);
  }

  counts(): ReviewCounts {
    return atOnce(this.#review.counts());
  }

  committed(): Generator<Extent, void> {
    return found(this.#review.committed());
  }

  dropped(): Generator<Extent, void> {
    return found(this.#review.dropped());
  }

  save(): SavedReview {
    return this.#review.save();
  }
}
