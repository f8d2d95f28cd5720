import type { EngineClient } from '../../../repl/client.js';
import { PAGE_BYTES, type PageRange } from '../../../repl/language/pages.js';
import { Pace } from '../../model/pace.js';
import { endPageOf } from './pageRuns.js';
import type { RunWindowOptions } from './runWindow.js';
import { type PageSpan, touches } from './writes.js';

/** How much really differs in a run of dirty pages. */
export interface RunDifference extends PageRange {
  /** Bytes that are others than in the base, those behind its end included. */
  readonly bytes: number;
  /** Whether it was written since, so that it will be asked for again. */
  isStale: boolean;
}

const MAX_KEPT = 8192;

/**
 * What differs in runs of pages: compared by the engine, for those that are seen and no others, and kept until they are
 * written.
 *
 * Invariant: one comparison runs at a time, over neighbours in the list; it is given up when none of them is seen any
 * more. What is written while it runs makes its answer stale.
 */
export class Differences {
  readonly #client: EngineClient;
  readonly #options: RunWindowOptions;
  readonly #pace = new Pace({ factor: 3, leastMs: 0 });
  /** By first page; the ones used last at the end. */
  readonly #kept = new Map<number, RunDifference>();
  #request:
    | { readonly controller: AbortController; readonly wanted: readonly PageRange[] }
    | undefined;
  #written: PageSpan[] = [];

  constructor(client: EngineClient, options: RunWindowOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** What is known of a run, although perhaps of earlier bytes of it. */
  of({ pageIndex, pageCount }: PageRange): RunDifference | undefined {
    const kept = this.#kept.get(pageIndex);
    if (kept !== undefined && kept.pageCount !== pageCount) kept.isStale = true;
    return kept;
  }

  written(spans: readonly PageSpan[]): void {
    if (spans.length === 0) return;
    if (this.#request !== undefined) this.#written.push(...spans);
    for (const kept of this.#kept.values()) {
      if (touches(spans, kept.pageIndex, endPageOf(kept))) kept.isStale = true;
    }
  }

  /** Everything may have changed. */
  stale(): void {
    this.written([{ start: 0, end: Number.POSITIVE_INFINITY }]);
  }

  /** Says which runs are seen, in order. Asks for what lacks. */
  look(seen: readonly PageRange[]): void {
    if (this.#request !== undefined) {
      const { wanted, controller } = this.#request;
      const shown = new Set(seen.map(({ pageIndex }) => pageIndex));
      if (wanted.some(({ pageIndex }) => shown.has(pageIndex))) return;
      controller.abort();
      this.#request = undefined;
    }
    const wanted = this.#firstLacking(seen);
    if (wanted.length === 0) return;
    const { restMs } = this.#pace;
    if (restMs > 0) this.#options.changedIn(restMs);
    else void this.#ask(wanted);
  }

  /** The first runs that follow each other and are not known. */
  #firstLacking(seen: readonly PageRange[]): readonly PageRange[] {
    const lacks = (run: PageRange): boolean => this.of(run)?.isStale !== false;
    const first = seen.findIndex(lacks);
    if (first === -1) return [];
    const length = seen.slice(first).findIndex((run) => !lacks(run));
    return seen.slice(first, length === -1 ? undefined : first + length);
  }

  async #ask(wanted: readonly PageRange[]): Promise<void> {
    const controller = new AbortController();
    const request = { controller, wanted };
    this.#request = request;
    this.#written = [];
    this.#pace.begin();
    try {
      for (const run of wanted) {
        const difference = await this.#compare(run, controller.signal);
        if (this.#request !== request) return;
        this.#keep({ ...run, bytes: difference, isStale: false });
        this.#options.changedIn(0);
      }
    } catch (error) {
      if (this.#request !== request) return;
      this.#pace.failed(error);
      this.#options.fail(error);
    }
    this.#request = undefined;
    this.#pace.end();
    this.#options.changedIn(0);
  }

  async #compare({ pageIndex, pageCount }: PageRange, signal: AbortSignal): Promise<number> {
    const params = { offset: pageIndex * PAGE_BYTES, length: pageCount * PAGE_BYTES };
    const { differentBytes, newBytes } = await this.#client.request('diff', params, { signal });
    return differentBytes + newBytes;
  }

  #keep(difference: RunDifference): void {
    const { pageIndex } = difference;
    difference.isStale = touches(inOrder(this.#written), pageIndex, endPageOf(difference));
    this.#kept.delete(pageIndex);
    this.#kept.set(pageIndex, difference);
    if (this.#kept.size <= MAX_KEPT) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}

const inOrder = (spans: readonly PageSpan[]): readonly PageSpan[] =>
  [...spans].sort((one, other) => one.start - other.start);
