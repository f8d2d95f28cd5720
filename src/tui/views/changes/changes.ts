import type { ActivitySample } from '../../../engine/control/protocol/activity.js';
import { type PageRange, pagesOf } from '../../../repl/language/pages.js';
import type { ScreenContext } from '../view.js';
import { Differences } from './differences.js';
import { DirtyAges } from './dirtyAges.js';
import { OverlayTally } from './overlayTally.js';
import { endPageOf } from './pageRuns.js';
import { ReviewModel } from './review.js';
import { type PageSpan, writtenSpans } from './writes.js';

/** What happened to the overlay. */
export interface Change {
  /** Pages that may have been written, in order. */
  readonly spans: readonly PageSpan[];
  /** Whether other pages are dirty than before. */
  readonly isAnotherSet: boolean;
}

/** What was listed last: all that is dirty in a range of pages. */
interface Listed {
  readonly start: number;
  readonly end: number;
  readonly extents: readonly PageRange[];
}

/**
 * What the Overlay and the Review view know together of the overlay. It follows the samples of the engine; what it
 * knows of single runs is asked for by those who show them.
 */
export class Changes {
  readonly review: ReviewModel;
  readonly ages: DirtyAges;
  readonly differences: Differences;
  readonly tally: OverlayTally;
  readonly #listeners = new Set<(change: Change) => void>();
  #dirtyPages: number;
  #listed: Listed | undefined;
  /** Whether nothing was dirty at the start, so that all that is was written since. */
  readonly #isAllSeen: boolean;

  constructor(context: ScreenContext) {
    const { client } = context.session;
    this.review = new ReviewModel(context);
    this.differences = new Differences(client, context);
    this.tally = new OverlayTally(client, context);
    this.ages = new DirtyAges(Date.now());
    this.#dirtyPages = context.engine.dirtyPages;
    this.#isAllSeen = this.#dirtyPages === 0;
    context.engine.onSample((sample) => this.#take(sample));
    context.onTick(() => this.tally.goOn(context.engine.diskLength));
  }

  onChange(listener: (change: Change) => void): void {
    this.#listeners.add(listener);
  }

  /** Takes what an answer lists: what is new in it turned dirty since the last one. */
  readonly listed = (start: number, end: number, extents: readonly PageRange[]): void => {
    const before = this.#listed;
    this.#listed = { start, end, extents };
    if (before === undefined) return;
    const from = Math.max(start, before.start);
    const to = Math.min(end, before.end);
    if (from >= to) return;
    const now = Date.now();
    for (const { start, end } of missingIn(before.extents, extents, from, to)) {
      this.ages.add(start, end, now);
    }
    for (const { start, end } of missingIn(extents, before.extents, from, to)) {
      this.ages.remove(start, end);
    }
  };

  #take(sample: ActivitySample): void {
    const spans = writtenSpans(sample);
    const isAnotherSet = sample.dirtyPages !== this.#dirtyPages;
    // Whoever takes pages out of the overlay writes nothing.
    if (sample.dirtyPages < this.#dirtyPages) {
      this.tally.stale();
      this.differences.stale();
    }
    this.#dirtyPages = sample.dirtyPages;
    for (const { kind, stream, offset, length, newDirtyPages, time } of sample.events) {
      if (kind !== 'write' || stream !== 'disk' || newDirtyPages === 0) continue;
      const pages = pagesOf(offset, length);
      // Which of them are new is not told where not all are; the list will show it.
      if (newDirtyPages === pages.pageCount) {
        this.ages.add(pages.pageIndex, endPageOf(pages), time);
      }
    }
    // Without the events the cells tell, where no page of them can be older.
    if (sample.lostEvents > 0) {
      if (!this.#isAllSeen) this.ages.missed(sample.time);
      else for (const { start, end } of spans) this.ages.add(start, end, sample.time);
    }
    if (spans.length === 0 && !isAnotherSet) return;
    this.tally.written(spans);
    this.differences.written(spans);
    for (const listener of this.#listeners) listener({ spans, isAnotherSet });
  }
}

/** The pages of some runs, within a range, that are in none of others; both in order. */
function* missingIn(
  others: readonly PageRange[],
  runs: readonly PageRange[],
  from: number,
  to: number,
): Generator<PageSpan, void> {
  let index = 0;
  for (const run of runs) {
    const end = Math.min(to, endPageOf(run));
    let start = Math.max(from, run.pageIndex);
    while (start < end) {
      const other = others[index];
      if (other === undefined || other.pageIndex >= end) {
        yield { start, end };
        break;
      }
      if (endPageOf(other) <= start) {
        index++;
        continue;
      }
      if (other.pageIndex > start) yield { start, end: other.pageIndex };
      start = endPageOf(other);
    }
  }
}
