import type { WireDifference } from '../../../engine/control/protocol/inspection.js';
import { MAX_LISTED } from '../../../engine/control/protocol/methods.js';
import type { Hunk, ReviewCounts } from '../../../engine/control/protocol/review.js';
import type { EngineClient } from '../../../repl/client.js';
import { PAGE_BYTES, type PageRange } from '../../../repl/language/pages.js';
import type { RunSource } from './runWindow.js';

/** Pages that are looked at first for what is before a place. */
const FIRST_STEP = 1024;

export const startOffsetOf = ({ pageIndex }: PageRange): number => pageIndex * PAGE_BYTES;
export const endPageOf = ({ pageIndex, pageCount }: PageRange): number => pageIndex + pageCount;

/** What an answer lists from `from` on. */
interface Listed<Item> {
  readonly items: readonly Item[];
  readonly next: number | null;
}

/**
 * Runs by their first pages. An engine that is asked from the middle of one on answers its rest: so it is asked from
 * the page before on, and what begins there is left out.
 */
const byPages = <Item extends PageRange>(
  ask: (fromPage: number, limit: number, signal: AbortSignal) => Promise<Listed<Item>>,
): RunSource<Item> => ({
  first: 0,
  step: FIRST_STEP,
  startOf: ({ pageIndex }) => pageIndex,
  async fetch(from, limit, signal) {
    const asked = Math.max(0, from - 1);
    const { items, next } = await ask(asked, Math.min(MAX_LISTED, limit + 1), signal);
    return { items: items.filter(({ pageIndex }) => pageIndex >= from), next };
  },
});

/** The extents of the overlay. `listed` is told of each answer: all that is dirty in a range of pages. */
export const extentSource = (
  client: EngineClient,
  listed: (startPage: number, endPage: number, extents: readonly PageRange[]) => void,
): RunSource<PageRange> =>
  byPages(async (fromPage, limit, signal) => {
    const answer = await client.request('dirty', { fromPage, limit }, { signal });
    const { extents, nextPage } = answer;
    listed(fromPage, nextPage ?? Number.POSITIVE_INFINITY, extents);
    return { items: extents, next: nextPage };
  });

/** The hunks of the review. `counted` is told of the counts that come with each answer. */
export const hunkSource = (
  client: EngineClient,
  counted: (counts: ReviewCounts) => void,
): RunSource<Hunk> =>
  byPages(async (fromPage, limit, signal) => {
    const { hunks, nextPage, counts } = await client.request(
      'review',
      { fromPage, limit },
      { signal },
    );
    counted(counts);
    return { items: hunks, next: nextPage };
  });

/** The hunks or extents that something holds of. */
export const filtered = <Item extends PageRange>(
  source: RunSource<Item>,
  holds: (item: Item) => boolean,
): RunSource<Item> => ({
  ...source,
  async fetch(from, limit, signal) {
    const items: Item[] = [];
    let next: number | null = from;
    while (next !== null && items.length < limit && !signal.aborted) {
      const answer: Listed<Item> = await source.fetch(next, MAX_LISTED, signal);
      items.push(...answer.items.filter(holds));
      next = answer.next;
    }
    return { items, next };
  },
});

/** Those that begin in a range of pages. */
export const within = <Item extends PageRange>(
  source: RunSource<Item>,
  startPage: number,
  endPage: number,
): RunSource<Item> => ({
  ...source,
  first: startPage,
  async fetch(from, limit, signal) {
    const { items, next } = await source.fetch(Math.max(from, startPage), limit, signal);
    const inside = items.filter(({ pageIndex }) => pageIndex < endPage);
    return { items: inside, next: next === null || next >= endPage ? null : next };
  },
});

/** The extents of one kind of difference, each of them compared to find out. */
export const differingExtents = (
  client: EngineClient,
  kind: WireDifference['kind'],
): RunSource<PageRange> =>
  byPages(async (fromPage, limit, signal) => {
    const params = { granularity: 'extent', offset: fromPage * PAGE_BYTES } as const;
    const items: PageRange[] = [];
    for await (const batch of client.stream('diff', params, { signal }).batches()) {
      for (const difference of batch) {
        if (difference.kind === kind) items.push(difference);
      }
      const last = items.at(-1);
      if (items.length >= limit && last !== undefined) return { items, next: endPageOf(last) };
    }
    return { items, next: null };
  });
