import { setImmediate as allThatCame } from 'node:timers/promises';
import type { ControlClient, ControlStream } from '../engine/control/client.js';
import type {
  ActivityCounters,
  ActivityEvent,
  ActivitySample,
} from '../engine/control/protocol/activity.js';
import {
  type Item,
  MAX_RATE_HZ,
  MAX_SAMPLE_EVENTS,
  type Result,
} from '../engine/control/protocol/methods.js';

/** More events are not kept; the oldest are lost. */
const MAX_KEPT_EVENTS = 200_000;

/** A question that waits for the next sample. */
interface Waiting {
  resolve(): void;
  reject(error: unknown): void;
}

/** What programs have asked of a mount. */
export interface RecordedActivity {
  /** In order of their beginning. */
  readonly events: readonly ActivityEvent[];
  /** Events that are not in `events`, because there were too many; counters have them. */
  readonly lostEvents: number;
  readonly counters: ActivityCounters;
}

/**
 * Records what programs ask of a mount, from its beginning or the last `mark`.
 *
 * Invariant: `recorded` and `mark` know of every request that was answered before they were called: the engine answers
 * requests of a connection and sends samples of it in order, so the first sample behind an answer covers all that was
 * before the question.
 *
 *   state     begins with    a question
 *   watching  `start`        is answered
 *   over      engine's end   throws ENGINE_GONE
 */
export class Activity {
  readonly #client: ControlClient;
  readonly #stream: ControlStream<Item<'watch'>, Result<'watch'>>;
  #events: ActivityEvent[] = [];
  #lostEvents = 0;
  #atMark: ActivityCounters = noCounters;
  #latest: ActivityCounters = noCounters;
  #waiting: Waiting[] = [];
  #end: { readonly error: unknown } | undefined;

  /** @internal */
  static async start(client: ControlClient): Promise<Activity> {
    const activity = new Activity(client);
    await activity.mark();
    return activity;
  }

  private constructor(client: ControlClient) {
    this.#client = client;
    this.#stream = client.stream('watch', {
      rateHz: MAX_RATE_HZ,
      maximumEvents: MAX_SAMPLE_EVENTS,
      sendsIdle: true,
    });
    this.#collect().catch((error) => {
      this.#end = { error };
      this.#wake(({ reject }) => reject(error));
    });
  }

  /**
   * Forgets what was; `recorded` and `expectReads` then know only what comes.
   *
   * @throws HexzError ENGINE_GONE
   */
  async mark(): Promise<void> {
    await this.#catchUp();
    this.#events = [];
    this.#lostEvents = 0;
    this.#atMark = this.#latest;
  }

  /**
   * All that was since the beginning, or the last `mark`.
   *
   * @throws HexzError ENGINE_GONE
   */
  async recorded(): Promise<RecordedActivity> {
    await this.#catchUp();
    return {
      events: [...this.#events],
      lostEvents: this.#lostEvents,
      counters: difference(this.#latest, this.#atMark),
    };
  }

  async #catchUp(): Promise<void> {
    await this.#client.request('state', {});
    // Samples that came before the answer are taken before the next one is waited for.
    await allThatCame();
    if (this.#end !== undefined) throw this.#end.error;
    await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async #collect(): Promise<void> {
    for await (const item of this.#stream) {
      if (!('activity' in item)) continue;
      this.#add(item.activity);
      this.#wake(({ resolve }) => resolve());
    }
  }

  #wake(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) how(one);
  }

  #add({ events, lostEvents, counters }: ActivitySample): void {
    for (const event of events) this.#events.push(event);
    const surplus = Math.max(0, this.#events.length - MAX_KEPT_EVENTS);
    if (surplus > 0) this.#events.splice(0, surplus);
    this.#lostEvents += lostEvents + surplus;
    this.#latest = counters;
  }
}

const noCounters: ActivityCounters = {
  streams: {},
  hitBlocks: 0,
  decodedBlocks: 0,
  decodeMicroseconds: 0,
};

const noStreamCounters = { reads: 0, readBytes: 0, writes: 0, writtenBytes: 0, errors: 0 };

type StreamCounters = typeof noStreamCounters;

/** What was counted between two moments. */
function difference(after: ActivityCounters, before: ActivityCounters): ActivityCounters {
  const streams = Object.entries(after.streams).map(([name, counters]) => [
    name,
    streamDifference(counters, before.streams[name as 'disk' | 'memory'] ?? noStreamCounters),
  ]);
  return {
    streams: Object.fromEntries(streams),
    hitBlocks: after.hitBlocks - before.hitBlocks,
    decodedBlocks: after.decodedBlocks - before.decodedBlocks,
    decodeMicroseconds: after.decodeMicroseconds - before.decodeMicroseconds,
  };
}

const streamDifference = (after: StreamCounters, before: StreamCounters): StreamCounters => ({
  reads: after.reads - before.reads,
  readBytes: after.readBytes - before.readBytes,
  writes: after.writes - before.writes,
  writtenBytes: after.writtenBytes - before.writtenBytes,
  errors: after.errors - before.errors,
});
