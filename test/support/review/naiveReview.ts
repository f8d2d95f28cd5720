import type { Extent } from '../../../src/engine/overlay/dirtyPages.js';
import type { Decision, Hunk, ReviewChange } from '../../../src/engine/review/types.js';
import { pagesOf } from './dirtyDisk.js';

interface Page {
  decision: Decision;
  isViewed: boolean;
  /** Which bytes of the page somebody had seen who said something of it: how often it had been written. */
  seenWrites: number;
}

interface State {
  readonly pages: readonly Page[];
  readonly splits: ReadonlySet<number>;
}

/** Something that happened: what a revision counts. */
interface Moment {
  readonly isDecision: boolean;
  /** How often each page had been written before. */
  readonly writesBefore: readonly number[];
}

const UNKNOWN: Page = { decision: 'open', isViewed: false, seenWrites: 0 };

/** A review of a small disk that remembers everything of every page, and goes through all of them for everything. */
export class NaiveReview {
  readonly #pageCount: number;
  readonly #dirty: boolean[];
  readonly #writes: number[];
  #state: State;
  #past: State[] = [];
  #future: State[] = [];
  #moments: Moment[] = [];

  constructor(pageCount: number) {
    this.#pageCount = pageCount;
    this.#dirty = Array.from({ length: pageCount }, () => false);
    this.#writes = Array.from({ length: pageCount }, () => 0);
    this.#state = { pages: this.#dirty.map(() => UNKNOWN), splits: new Set() };
  }

  get canUndo(): boolean {
    return this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  write(runs: readonly Extent[]): void {
    if (runs.length === 0) return;
    this.#note(false);
    for (const page of this.#inside(runs)) {
      this.#dirty[page] = true;
      this.#writes[page] = (this.#writes[page] ?? 0) + 1;
    }
  }

  remove(run: Extent): void {
    this.#note(true);
    const gone = new Set(this.#inside([run]));
    for (const page of gone) this.#dirty[page] = false;
    const pages = this.#state.pages.map((page, index) => (gone.has(index) ? UNKNOWN : page));
    this.#state = { ...this.#state, pages };
    this.#past = [];
    this.#future = [];
  }

  select(runs: readonly Extent[]): void {
    const selected = new Set(pagesOf(runs));
    const all = this.#dirtyOf(undefined);
    const pages = this.#saying(all, (page, index) => ({
      ...page,
      decision: selected.has(index) ? 'keep' : 'drop',
    }));
    this.#replace({ ...this.#state, pages });
  }

  reload(): void {
    this.#past = [];
    this.#future = [];
    this.#moments = [];
  }

  /** What it ends with: ok, or the code of an error. */
  change(change: ReviewChange, revisionsAgo: number): string {
    const missed = revisionsAgo === 0 ? [] : this.#moments.slice(-revisionsAgo);
    const isKnown = missed.length === revisionsAgo;
    if (!isKnown || missed.some(({ isDecision }) => isDecision)) return 'REVIEW_CHANGED';
    const seen = missed[0]?.writesBefore;
    switch (change.action) {
      case 'keep':
        return this.#say(change.pages, (page) => ({ ...page, decision: 'keep' }), seen);
      case 'drop':
        return this.#say(change.pages, (page) => ({ ...page, decision: 'drop' }), seen);
      case 'keepOpen':
        return this.#say(
          undefined,
          (page) => (page.decision === 'open' ? { ...page, decision: 'keep' } : undefined),
          seen,
        );
      case 'viewed':
        if (change.isViewed) {
          return this.#say(change.pages, (page) => ({ ...page, isViewed: true }), seen);
        }
        return this.#unsay(change.pages, (page) => ({ ...page, isViewed: false }));
      case 'clear':
        return this.#unsay(change.pages, (page) => ({ ...page, decision: 'open' }));
      case 'split':
        return this.#split(change.pageIndex);
      case 'join': {
        const splits = new Set(this.#state.splits);
        for (const page of pagesOf([change.pages]).slice(1)) splits.delete(page);
        this.#replace({ ...this.#state, splits });
        return 'ok';
      }
      case 'undo':
        return this.#goBack(this.#past, this.#future);
      case 'redo':
        return this.#goBack(this.#future, this.#past);
    }
  }

  hunks(): Hunk[] {
    const hunks: (Hunk & { pageCount: number; hasChangedSince: boolean })[] = [];
    for (const index of this.#dirtyOf(undefined)) {
      const { decision, isViewed } = this.#pageAt(index);
      const hasChangedSince = this.#hasChanged(index);
      const last = hunks.at(-1);
      const isSame =
        last !== undefined &&
        last.pageIndex + last.pageCount === index &&
        last.decision === decision &&
        last.isViewed === isViewed &&
        !this.#state.splits.has(index);
      if (isSame) {
        last.pageCount++;
        last.hasChangedSince ||= hasChangedSince;
      } else {
        hunks.push({ pageIndex: index, pageCount: 1, decision, isViewed, hasChangedSince });
      }
    }
    return hunks;
  }

  #pageAt(index: number): Page {
    return this.#state.pages[index] ?? UNKNOWN;
  }

  #hasChanged(index: number): boolean {
    const { decision, isViewed, seenWrites } = this.#pageAt(index);
    return (decision !== 'open' || isViewed) && (this.#writes[index] ?? 0) > seenWrites;
  }

  #inside(runs: readonly Extent[]): number[] {
    return [...new Set(pagesOf(runs))].filter((page) => page < this.#pageCount);
  }

  #dirtyOf(run: Extent | undefined): number[] {
    const asked = run ?? { pageIndex: 0, pageCount: this.#pageCount };
    return this.#inside([asked]).filter((page) => this.#dirty[page]);
  }

  #saying(
    indexes: readonly number[],
    say: (page: Page, index: number) => Page | undefined,
    seen: readonly number[] = this.#writes,
  ): readonly Page[] {
    return this.#state.pages.map((page, index) => {
      const said = indexes.includes(index) ? say(page, index) : undefined;
      if (said === undefined) return page;
      const isSame = said.decision === page.decision && said.isViewed === page.isViewed;
      if (isSame && !this.#hasChanged(index)) return page;
      return { ...said, seenWrites: seen[index] ?? 0 };
    });
  }

  #say(
    run: Extent | undefined,
    say: (page: Page) => Page | undefined,
    seen: readonly number[] | undefined,
  ): string {
    this.#replace({ ...this.#state, pages: this.#saying(this.#dirtyOf(run), say, seen) }, seen);
    return 'ok';
  }

  #unsay(run: Extent | undefined, unsay: (page: Page) => Page): string {
    const indexes = this.#dirtyOf(run);
    const pages = this.#state.pages.map((page, index) =>
      indexes.includes(index) ? unsay(page) : page,
    );
    this.#replace({ ...this.#state, pages });
    return 'ok';
  }

  #split(pageIndex: number): string {
    if (!this.#dirty[pageIndex] || !this.#dirty[pageIndex - 1]) return 'USAGE';
    this.#replace({ ...this.#state, splits: new Set([...this.#state.splits, pageIndex]) });
    return 'ok';
  }

  /** A state that says the same is none, unless somebody who is late has said it of bytes that are gone. */
  #replace(state: State, seen?: readonly number[]): void {
    const before = this.#state;
    const isSame =
      state.pages.every((page, index) => isSamePage(page, before.pages[index] ?? UNKNOWN)) &&
      state.splits.size === before.splits.size;
    const isLate =
      seen !== undefined &&
      this.#dirtyOf(undefined).some((page) => state.pages[page] !== before.pages[page]);
    if (isSame && !isLate) return;
    this.#note(true);
    this.#past.push(before);
    this.#future = [];
    this.#state = state;
  }

  #goBack(from: State[], to: State[]): string {
    const state = from.pop();
    if (state === undefined) return 'USAGE';
    this.#note(true);
    to.push(this.#state);
    this.#state = state;
    return 'ok';
  }

  #note(isDecision: boolean): void {
    this.#moments.push({ isDecision, writesBefore: [...this.#writes] });
  }
}

const isSamePage = (one: Page, other: Page): boolean =>
  one.decision === other.decision &&
  one.isViewed === other.isViewed &&
  one.seenWrites === other.seenWrites;
