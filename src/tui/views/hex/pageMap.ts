import type { Item } from '../../../engine/control/protocol/methods.js';
import type { EngineClient } from '../../../repl/client.js';
import { PAGE_BYTES } from '../../../repl/language/pages.js';
import type { Gap } from './addressRows.js';
import { type AddressRange, RangeOrder } from './rangeOrder.js';

type PageClass = Item<'classify'>['class'];

/** What a cell of the map shows: most of its pages are that, or there are none. */
export type CellClass = PageClass | 'absent';

/** In the order of what is told of a cell that holds several, where none has most of it. */
const pageClasses = [
  'text',
  'code',
  'entropy',
  'other',
  'parent',
  'zero',
] as const satisfies readonly PageClass[];

/** So many gaps are told in one row each. */
const MAX_GAPS = 32_768;
/** What is counted together at least; a screen shows no more cells. */
const MAX_BUCKETS = 8192;

/**
 * What the pages of a memory look like, counted in buckets of pages that are present, as the engine tells.
 *
 *   state    begins with              ends with
 *   waiting  the start, `stop`        `go`
 *   running  `go`                     the last page, `stop`, an error
 *   done     the last page            never
 *
 * Invariant: all before `#nextOffset` is counted, and nothing behind it; so who goes on begins there. Within the ranges of
 * a container pages may be missing; `gaps` are those that were met, what lies between ranges included.
 */
export class PageMap {
  readonly order: RangeOrder;
  readonly bucketCount: number;
  isDone = false;
  readonly gaps: Gap[] = [];
  readonly #client: EngineClient;
  readonly #changed: () => void;
  readonly #failed: (error: unknown) => void;
  readonly #bucketPages: number;
  readonly #counts: ReadonlyMap<PageClass, Uint32Array>;
  #nextOffset = 0;
  #running: AbortController | undefined;

  constructor(
    client: EngineClient,
    ranges: readonly AddressRange[],
    changed: () => void,
    failed: (error: unknown) => void,
  ) {
    this.order = new RangeOrder(ranges);
    const pages = Math.max(1, Math.ceil(this.order.length / PAGE_BYTES));
    this.#bucketPages = Math.ceil(pages / MAX_BUCKETS);
    this.bucketCount = Math.ceil(pages / this.#bucketPages);
    this.#counts = new Map(pageClasses.map((name) => [name, new Uint32Array(this.bucketCount)]));
    this.#client = client;
    this.#changed = changed;
    this.#failed = failed;
  }

  get bucketBytes(): number {
    return this.#bucketPages * PAGE_BYTES;
  }

  /** How far it is, from 0 to 1. */
  get share(): number {
    if (this.isDone || this.order.length === 0) return 1;
    return this.order.indexOf(this.#nextOffset) / this.order.length;
  }

  go(): void {
    if (this.#running === undefined && !this.isDone) void this.#run();
  }

  stop(): void {
    this.#running?.abort();
    this.#running = undefined;
  }

  /** Behind the last byte that was looked at. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  /** What most pages of some buckets are; undefined while nothing is known of them. */
  classOf(firstBucket: number, endBucket: number): CellClass | undefined {
    const knownBytes = this.isDone ? this.order.length : this.order.indexOf(this.#nextOffset);
    const isKnown = Math.min(endBucket, this.bucketCount) * this.bucketBytes <= knownBytes;
    let most: CellClass | undefined = isKnown || this.isDone ? 'absent' : undefined;
    let mostPages = 0;
    for (const name of pageClasses) {
      const counts = this.#counts.get(name);
      let pages = 0;
      for (let bucket = firstBucket; bucket < endBucket; bucket++) pages += counts?.[bucket] ?? 0;
      if (pages > mostPages) {
        most = name;
        mostPages = pages;
      }
    }
    return most;
  }

  async #run(): Promise<void> {
    const controller = new AbortController();
    this.#running = controller;
    const { signal } = controller;
    const params = { stream: 'memory', offset: this.#nextOffset } as const;
    try {
      for await (const batch of this.#client.stream('classify', params, { signal }).batches()) {
        if (signal.aborted) return;
        for (const run of batch) this.#count(run);
        this.#changed();
      }
      if (signal.aborted) return;
      this.#passGap(this.order.endOffset);
      this.isDone = true;
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    } finally {
      if (this.#running === controller) this.#running = undefined;
      this.#changed();
    }
  }

  #count(run: Item<'classify'>): void {
    const counts = this.#counts.get(run.class);
    const start = Math.floor(this.order.indexOf(run.offset) / PAGE_BYTES);
    const end = start + Math.ceil(run.length / PAGE_BYTES);
    for (let page = start; counts !== undefined && page < end; ) {
      const bucket = Math.floor(page / this.#bucketPages);
      const stop = Math.min(end, (bucket + 1) * this.#bucketPages);
      counts[bucket] = (counts[bucket] ?? 0) + stop - page;
      page = stop;
    }
    this.#passGap(run.offset);
    this.#nextOffset = run.offset + run.length;
  }

  #passGap(endOffset: number): void {
    const startOffset = this.#nextOffset;
    if (endOffset > startOffset && this.gaps.length < MAX_GAPS) {
      this.gaps.push({ startOffset, endOffset });
    }
  }
}
