import type { ActivityCursor, ActivitySample } from '../activity/sampler.js';
import { BatchWindow } from './batchWindow.js';
import type { Tick } from './clocks.js';
import type { RequestOutput, RunningRequest } from './connection.js';
import { cancelled } from './jobs.js';
import type { EngineState } from './protocol/engineState.js';
import type { Item, Params } from './protocol/methods.js';

/** States and lines that wait for a watcher who does not keep up; of more, the oldest are dropped. */
const MAX_WAITING = 256;

type WatchItem = Item<'watch'>;
export type LogLine = Extract<WatchItem, { log: unknown }>['log'];

/**
 * One watcher's subscription.
 *
 * At each tick one batch is sent with all that is new. While its window is full, nothing is: the
 * sample after that covers the whole time, so that a watcher who stalls costs nothing, and misses only events that
 * the ring no longer has.
 */
export class Watch implements RunningRequest {
  readonly result: Promise<string>;
  readonly #params: Params<'watch'>;
  readonly #cursor: ActivityCursor;
  readonly #output: RequestOutput;
  readonly #window = new BatchWindow();
  #waiting: WatchItem[] = [];
  #lastDirty = -1;
  #end: () => void = () => {};

  constructor(params: Params<'watch'>, cursor: ActivityCursor, output: RequestOutput) {
    this.#params = params;
    this.#cursor = cursor;
    this.#output = output;
    this.result = new Promise((_resolve, reject) => {
      this.#end = () => reject(cancelled());
    });
  }

  state(state: EngineState): void {
    // Only the last one counts.
    this.#waiting = this.#waiting.filter((item) => !('state' in item));
    this.#waiting.push({ state });
  }

  log(log: LogLine): void {
    this.#waiting.push({ log });
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
  }

  taken(): void {
    this.#window.taken();
  }

  cancel(): void {
    this.#end();
  }

  tick(tick: Tick): void {
    if (this.#window.isFull) return;
    const { maximumEvents, sendsIdle } = this.#params;
    const activity = this.#cursor.sample(maximumEvents, tick.moment);
    const { dirtyPages } = tick.overlay;
    const isNews = hasHappened(activity) || dirtyPages !== this.#lastDirty;
    this.#lastDirty = dirtyPages;
    const items = this.#waiting.map((item) => JSON.stringify(item));
    this.#waiting = [];
    if (isNews || sendsIdle) items.push(tick.textOf(activity));
    if (items.length === 0) return;
    this.#window.sent();
    this.#output.items(`[${items.join(',')}]`);
  }
}

const hasHappened = ({ events, lostEvents, touched }: ActivitySample): boolean =>
  events.length > 0 ||
  lostEvents > 0 ||
  Object.values(touched).some(({ read, written }) => read.length > 0 || written.length > 0);
