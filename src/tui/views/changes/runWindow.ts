import { countWhile } from '../../model/ordered.js';
import { Pace } from '../../model/pace.js';

/** Where the items of a long list come from. It is ordered by positions: pages, or offsets. */
export interface RunSource<Item> {
  startOf(item: Item): number;
  /**
   * Items that begin at a position or behind it, in order, about so many; `next` is where to go on, null at the end.
   */
  fetch(
    from: number,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ readonly items: readonly Item[]; readonly next: number | null }>;
  /** No item begins before it. */
  readonly first: number;
  /** How far before a position items are looked for at first. */
  readonly step: number;
}

export interface RunWindowOptions {
  /** Something is to be painted now, or so much later. */
  changedIn(milliseconds: number): void;
  /** The same, for what a person waits for. */
  changedNow(): void;
  fail(error: unknown): void;
}

const MAX_KNOWN = 12_288;
const FETCHED = 2048;
/** Fetched before anybody comes there. */
const MARGIN = 512;
/** Refreshed around what is seen. */
const REFRESH_MARGIN = 32;
const REFRESH_LEAST_MS = 200;

/**
 * The part of a long list that is known: items that follow each other, around what is looked at. A list of a million
 * items costs no more than one that fills a screen.
 *
 *   state    known                          begins with
 *   unknown  nothing                        the start; a look at another place
 *   known    what begins in #from .. #to    an answer; it grows at both ends while people come near them
 *   stale    the same as it was             `stale`, until it is asked for again: not more often than the pace allows
 *
 * Invariant: one request runs at a time, and `items` is without gaps: from `#from` on up to `#to`, or to the end of
 * the list where `#to` is null.
 */
export class RunWindow<Item> {
  items: readonly Item[] = [];
  readonly #source: RunSource<Item>;
  readonly #options: RunWindowOptions;
  readonly #pace = new Pace({ factor: 4, leastMs: REFRESH_LEAST_MS });
  #isKnown = false;
  #isStale = false;
  /** Whether a person has changed it, and waits to see that. */
  #isUrgent = false;
  #from = 0;
  #to: number | null = 0;
  #request: AbortController | undefined;

  constructor(source: RunSource<Item>, options: RunWindowOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** Whether anything is known of the place that was looked at last. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  get isAtStart(): boolean {
    return this.#isKnown && this.#from <= this.#source.first;
  }

  get isAtEnd(): boolean {
    return this.#isKnown && this.#to === null;
  }

  /** The item that begins at a position, or the last one before it; -1 for none. */
  indexOf(position: number): number {
    return countWhile(this.items, (item) => this.#source.startOf(item) <= position) - 1;
  }

  /** What is known may be another now. */
  stale(options: { readonly isUrgent?: boolean } = {}): void {
    this.#isStale = true;
    if (options.isUrgent !== true) return;
    this.#isUrgent = true;
    this.#options.changedNow();
  }

  /** Forgets all; what runs is cancelled. */
  forget(): void {
    this.#request?.abort();
    this.#request = undefined;
    this.#isKnown = false;
    this.#isStale = false;
    this.items = [];
  }

  /** Says what is looked at: so many items before and behind a position. Asks for what lacks. */
  look(position: number, before: number, behind: number): void {
    if (this.#isKnown && this.#isElsewhere(position)) this.forget();
    if (this.#request !== undefined || this.#pace.isBlocked) return;
    if (!this.#isKnown) {
      this.#run((signal) => this.#loadAt(position, signal));
      return;
    }
    const index = this.indexOf(position);
    if (this.#isStale) {
      const restMs = this.#isUrgent ? 0 : this.#pace.restMs;
      if (restMs > 0) this.#options.changedIn(restMs);
      else this.#run((signal) => this.#refresh(index - before, before + behind, signal));
    } else if (this.#to !== null && index + behind + MARGIN > this.items.length) {
      const to = this.#to;
      this.#run((signal) => this.#loadBehind(to, signal));
    } else if (this.#from > this.#source.first && index - before - MARGIN < 0) {
      this.#run((signal) => this.#loadBefore(signal));
    }
  }

  #isElsewhere(position: number): boolean {
    return position < this.#from || (this.#to !== null && position >= this.#to);
  }

  #run(load: (signal: AbortSignal) => Promise<void>): void {
    const request = new AbortController();
    this.#request = request;
    this.#pace.begin();
    load(request.signal).then(
      () => this.#ended(request, undefined),
      (error: unknown) => this.#ended(request, error),
    );
  }

  #ended(request: AbortController, error: unknown): void {
    if (this.#request !== request) return;
    this.#request = undefined;
    this.#pace.end();
    if (error !== undefined) {
      this.#pace.failed(error);
      this.#options.fail(error);
    }
    if (this.#isUrgent) this.#options.changedNow();
    else this.#options.changedIn(0);
    this.#isUrgent &&= this.#isStale;
  }

  async #loadAt(position: number, signal: AbortSignal): Promise<void> {
    const from = Math.max(position, this.#source.first);
    const { items, next } = await this.#source.fetch(from, MARGIN, signal);
    if (signal.aborted) return;
    this.items = items;
    this.#from = from;
    this.#to = next;
    this.#isKnown = true;
  }

  /** Asks again for what is around the items that are seen. */
  async #refresh(firstIndex: number, count: number, signal: AbortSignal): Promise<void> {
    this.#isStale = false;
    const index = firstIndex - REFRESH_MARGIN;
    const item = index > 0 ? this.items[index] : undefined;
    const from = item === undefined ? this.#from : this.#source.startOf(item);
    const limit = count + 2 * REFRESH_MARGIN;
    const { items, next } = await this.#source.fetch(from, limit, signal);
    if (signal.aborted) return;
    this.items = items;
    this.#from = from;
    this.#to = next;
  }

  async #loadBehind(to: number, signal: AbortSignal): Promise<void> {
    const { items, next } = await this.#source.fetch(to, FETCHED, signal);
    if (signal.aborted) return;
    const all = [...this.items, ...items];
    const dropped = Math.max(0, all.length - MAX_KNOWN);
    const first = dropped === 0 ? undefined : all[dropped];
    this.items = all.slice(dropped);
    if (first !== undefined) this.#from = this.#source.startOf(first);
    this.#to = next;
  }

  async #loadBefore(signal: AbortSignal): Promise<void> {
    const { items, from } = await itemsBefore(this.#source, this.#from, signal, {
      wanted: MARGIN,
      step: this.#stepBack,
    });
    if (!signal.aborted) this.#prepend(items, from);
  }

  /** As far as about twice the margin reaches, if it is as dense before as it is here. */
  get #stepBack(): number {
    const { startOf, step } = this.#source;
    const [first] = this.items;
    const last = this.items.at(-1);
    if (first === undefined || last === undefined) return step;
    const spacing = (startOf(last) - startOf(first)) / Math.max(1, this.items.length - 1);
    return Math.max(step, Math.ceil(2 * MARGIN * spacing));
  }

  #prepend(before: readonly Item[], from: number): void {
    const all = [...before, ...this.items];
    const cut = all[MAX_KNOWN];
    this.items = all.slice(0, MAX_KNOWN);
    this.#from = from;
    if (cut !== undefined) this.#to = this.#source.startOf(cut);
  }
}

/**
 * The last items that begin before a position, and from where on they are all that do. Lists can be asked forwards
 * only, so a place before it is guessed: further back while there are fewer than wanted, nearer while there are more
 * than an answer holds.
 */
export async function itemsBefore<Item>(
  source: RunSource<Item>,
  end: number,
  signal: AbortSignal,
  options: { readonly wanted?: number; readonly step?: number } = {},
): Promise<{ readonly items: readonly Item[]; readonly from: number }> {
  const { first } = source;
  const { wanted = 1, step = source.step } = options;
  let found: { items: readonly Item[]; from: number } = { items: [], from: end };
  let tooNear = 0;
  let tooFar = Number.POSITIVE_INFINITY;
  for (let back = step; end > first && back > tooNear && !signal.aborted; ) {
    const from = Math.max(first, end - back);
    const { items, next } = await source.fetch(from, FETCHED, signal);
    const before = items.filter((item) => source.startOf(item) < end);
    const isWhole = next === null || next >= end || before.length < items.length;
    if (isWhole) {
      found = { items: before, from };
      const isEnough =
        before.length >= wanted || (before.length > 0 && tooFar < Number.POSITIVE_INFINITY);
      if (isEnough || from === first) break;
      tooNear = back;
    } else tooFar = back;
    back = tooFar === Number.POSITIVE_INFINITY ? back * 8 : Math.floor((tooNear + tooFar) / 2);
  }
  return found;
}
