import type { ReviewAction, ReviewCounts } from '../../../engine/control/protocol/review.js';
import { asHexzError } from '../../../engine/errors.js';
import { PAGE_BYTES, type PageRange } from '../../../repl/language/pages.js';
import { countOf, formatCount, formatOffset } from '../../../repl/rendering/values.js';
import type { ScreenContext } from '../view.js';
import { startOffsetOf } from './pageRuns.js';

type PageAction = 'keep' | 'drop' | 'clear' | 'viewed' | 'notViewed' | 'join';

const done: Readonly<Record<PageAction, string>> = {
  keep: 'kept',
  drop: 'dropped',
  clear: 'open again',
  viewed: 'viewed',
  notViewed: 'not viewed',
  join: 'joined',
};

/**
 * The review as the screen knows it: the counts of the last answer, and what is done to it. Both views act through it.
 *
 * What is decided is decided of what was seen: the engine is told the revision of the last answer, and refuses if
 * somebody else has decided since. Then everything is read again, and the person looks once more.
 */
export class ReviewModel {
  counts: ReviewCounts | undefined;
  readonly #context: ScreenContext;
  readonly #listeners = new Set<() => void>();
  #last: Promise<ReviewCounts | undefined> = Promise.resolve(undefined);

  constructor(context: ScreenContext) {
    this.#context = context;
    context.engine.onState(({ reviewRevision }) => {
      if (reviewRevision <= (this.counts?.revision ?? 0)) return;
      this.#changed();
      void this.#readCounts();
    });
    // What was decided before stands in the title of the view before anybody opens it.
    if (context.engine.dirtyPages > 0) void this.#readCounts();
  }

  async #readCounts(): Promise<void> {
    try {
      const { counts } = await this.#context.session.client.request('review', { limit: 1 });
      this.counted(counts);
      this.#context.changed();
    } catch {
      // Whoever opens the list meets the same.
    }
  }

  /** Told when what is decided may be another, by whomever. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Takes counts that came with an answer. */
  readonly counted = (counts: ReviewCounts): void => {
    this.counts = counts;
  };

  /** Does something to pages, and says what came of it. */
  async act(action: PageAction, pages: PageRange): Promise<void> {
    const counts = await this.change(changeOf(action, pages));
    if (counts === undefined) return;
    const place = `${formatOffset(startOffsetOf(pages))}, ${countOf(pages.pageCount, 'page')}`;
    this.#context.say(`${done[action]}: ${place}; ${countsText(counts)}`, 'good');
  }

  /**
   * Cuts the hunk that has a page in two before it.
   *
   * @param typed how the page was named: perhaps by an offset in it
   */
  async split(pageIndex: number, typed: string): Promise<void> {
    const counts = await this.change({ action: 'split', pageIndex });
    if (counts === undefined) return;
    const page = formatOffset(pageIndex * PAGE_BYTES);
    const name = typed === page ? page : `${typed}, which is the page ${page}`;
    this.#context.say(`split: the second part begins with ${name}; ${countsText(counts)}`, 'good');
  }

  /** @returns undefined where it was refused, which is said */
  change(change: ReviewAction): Promise<ReviewCounts | undefined> {
    // Keys are faster than answers: each is decided on what the one before has left.
    this.#last = this.#last.then(() => this.#decide(change));
    return this.#last;
  }

  async #decide(change: ReviewAction): Promise<ReviewCounts | undefined> {
    const { client } = this.#context.session;
    const revision = this.counts?.revision;
    const params = { change, ...(revision === undefined ? {} : { revision }) };
    try {
      this.counts = await client.request('decide', params);
      this.#changed();
      return this.counts;
    } catch (error) {
      if (asHexzError(error).code !== 'REVIEW_CHANGED') this.#context.fail(error);
      else {
        this.counts = undefined;
        this.#changed();
        this.#context.say(
          'Nothing was decided: somebody else has changed the review. It is read again; look, then decide.',
          'error',
        );
      }
      return undefined;
    }
  }

  async undo(): Promise<void> {
    const counts = await this.change({ action: 'undo' });
    if (counts !== undefined) this.#context.say(`undone; ${countsText(counts)}`, 'good');
  }

  async redo(): Promise<void> {
    const counts = await this.change({ action: 'redo' });
    if (counts !== undefined) this.#context.say(`made again; ${countsText(counts)}`, 'good');
  }

  /** Takes pages, or all that is dropped, out of the overlay of the live mount, after a person has agreed. */
  async dropLive(pages?: PageRange): Promise<void> {
    const what =
      pages === undefined
        ? 'all that the review drops'
        : `${countOf(pages.pageCount, 'page')} from ${formatOffset(startOffsetOf(pages))}`;
    const answer = await this.#context.choose(
      `Take ${what} out of the live overlay? The base shows through at once; no undo.`,
      [{ answer: 'drop', key: 'y', label: 'take out' }],
    );
    if (answer === undefined) return;
    try {
      const { client } = this.#context.session;
      const ranges = pages === undefined ? undefined : [onlyPages(pages)];
      const { droppedPages } = await client.request('drop', { pages: ranges });
      this.counts = undefined;
      this.#changed();
      this.#context.say(`${countOf(droppedPages, 'page')} taken out of the overlay`, 'good');
    } catch (error) {
      this.#context.fail(error);
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
    this.#context.changed();
  }
}

/** Without what else is known of them. */
const onlyPages = ({ pageIndex, pageCount }: PageRange): PageRange => ({ pageIndex, pageCount });

function changeOf(action: PageAction, range: PageRange): ReviewAction {
  const pages = onlyPages(range);
  switch (action) {
    case 'viewed':
      return { action: 'viewed', pages, isViewed: true };
    case 'notViewed':
      return { action: 'viewed', pages, isViewed: false };
    default:
      return { action, pages };
  }
}

/** `12 of 37 hunks decided: keep 9, drop 3, open 25` */
const countsText = ({ hunks, keep, drop, open }: ReviewCounts): string =>
  `${formatCount(keep + drop)} of ${countOf(hunks, 'hunk')} decided: keep ${formatCount(keep)}, drop ${formatCount(drop)}, open ${formatCount(open)}`;
