import { type StreamName, streamNames } from '../format/types.js';
import { CachedBlocks } from './cachedBlocks.js';
import { CellTicks } from './cellBits.js';
import {
  type ActivityCounters,
  addUp,
  describeCounters,
  histogramBetween,
  READ_LATENCY,
  WRITE_LATENCY,
} from './counters.js';
import { type ActivityEvent, EventRing } from './eventRing.js';
import { type LatencyPercentiles, percentilesOf } from './latency.js';
import type { SharedActivity } from './shared.js';

/** Cells of a stream that were touched. */
interface TouchedCells {
  readonly cellBytes: number;
  /** Runs: first cell, number of cells, and so on. */
  readonly read: readonly number[];
  readonly written: readonly number[];
}

/** What happened since the last sample of a watcher. */
export interface ActivitySample {
  /** Milliseconds since 1970, with fractions. */
  readonly time: number;
  /** Since the last sample. */
  readonly seconds: number;
  /** Sums since the engine began. */
  readonly counters: ActivityCounters;
  /** Of the requests since the last sample, null if there was none. */
  readonly readLatency: LatencyPercentiles | null;
  readonly writeLatency: LatencyPercentiles | null;
  /** Cells that were touched since then. */
  readonly touched: Readonly<Partial<Record<StreamName, TouchedCells>>>;
  /** The last events since then, in order of their beginning. */
  readonly events: readonly ActivityEvent[];
  /** Events that are not in `events`: the ring went round, or fewer were asked for. */
  readonly lostEvents: number;
}

/** One watcher's view of what happens: each `sample` tells what is new since the one before. */
export interface ActivityCursor {
  /**
   * @param maximumEvents more are counted as lost, the oldest first
   * @param moment up to when; of watchers who look at the same moments and ask for the same, all get one object
   */
  sample(maximumEvents: number, moment?: ActivityMoment): ActivitySample;
}

/** How far a watcher is: everything that was recorded up to a moment. */
interface Position {
  readonly time: number;
  readonly tick: number;
  readonly sums: Float64Array;
  readonly sequences: readonly number[];
}

/** What was recorded up to now, for any number of watchers, who have to ask at once. */
export interface ActivityMoment {
  readonly position: Position;
  /** What is new since another moment. */
  since(before: Position, maximumEvents: number): ActivitySample;
}

interface StreamTicks {
  readonly stream: StreamName;
  readonly cellBytes: number;
  readonly read: CellTicks;
  readonly written: CellTicks;
}

/**
 * Reads, in a thread that does not serve, what recorders write; for any number of watchers.
 *
 * State: when each cell was last touched, which the sampler alone takes from shared memory: there is one for an
 * engine. Each watcher has a cursor, which is only a position: a watcher who asks seldom, or never again, costs
 * nothing. His next sample then covers all the time since his last, but for events that the ring no longer has.
 */
export class ActivitySampler {
  readonly cachedBlocks: CachedBlocks;
  readonly #shared: SharedActivity;
  readonly #counterBuffers: readonly SharedArrayBuffer[];
  readonly #rings: readonly EventRing[];
  readonly #streams: readonly StreamTicks[];
  #tick = 0;

  constructor(shared: SharedActivity) {
    this.#shared = shared;
    this.cachedBlocks = new CachedBlocks(shared.cached);
    this.#counterBuffers = shared.recorders.map(({ counters }) => counters);
    this.#rings = shared.recorders.map(({ events }) => new EventRing(events));
    this.#streams = streamNames.flatMap((stream) => {
      const cells = shared.streams[stream];
      if (cells === undefined) return [];
      const { cellBytes, cellCount } = cells;
      const read = new CellTicks(cells.read, cellCount);
      const written = new CellTicks(cells.written, cellCount);
      return [{ stream, cellBytes, read, written }];
    });
  }

  /** Sums since the engine began. */
  counters(): ActivityCounters {
    return this.#describe(addUp(this.#counterBuffers));
  }

  /** A watcher whose first sample covers everything from now on, or since the engine began. */
  cursor(since: 'now' | 'start'): ActivityCursor {
    let position = since === 'now' ? this.#present() : this.#start();
    return {
      sample: (maximumEvents, moment = this.moment()) => {
        const sample = moment.since(position, maximumEvents);
        position = moment.position;
        return sample;
      },
    };
  }

  /** The present one. */
  moment(): ActivityMoment {
    const position = this.#present();
    const made: { before: Position; maximumEvents: number; sample: ActivitySample }[] = [];
    return {
      position,
      since: (before, maximumEvents) => {
        const same = made.find(
          (other) => other.before === before && other.maximumEvents === maximumEvents,
        );
        if (same !== undefined) return same.sample;
        const sample = this.#between(before, position, maximumEvents);
        made.push({ before, maximumEvents, sample });
        return sample;
      },
    };
  }

  #between(before: Position, after: Position, maximumEvents: number): ActivitySample {
    const { events, lostEvents } = this.#eventsBetween(before, after, maximumEvents);
    return {
      time: after.time,
      seconds: Math.max(0, after.time - before.time) / 1000,
      counters: this.#describe(after.sums),
      readLatency: percentilesOf(histogramBetween(before.sums, after.sums, READ_LATENCY)),
      writeLatency: percentilesOf(histogramBetween(before.sums, after.sums, WRITE_LATENCY)),
      touched: Object.fromEntries(
        this.#streams.map(({ stream, cellBytes, read, written }) => [
          stream,
          { cellBytes, read: read.runsSince(before.tick), written: written.runsSince(before.tick) },
        ]),
      ),
      events,
      lostEvents,
    };
  }

  /** Events of all recorders. */
  #eventsBetween(
    before: Position,
    after: Position,
    maximum: number,
  ): { events: ActivityEvent[]; lostEvents: number } {
    let lostEvents = 0;
    const events = this.#rings.flatMap((ring, recorder) => {
      const from = before.sequences[recorder] as number;
      const batch = ring.read(from, after.sequences[recorder] as number, maximum);
      lostEvents += batch.lostEvents;
      return batch.events;
    });
    events.sort((a, b) => a.time - b.time);
    const surplus = Math.max(0, events.length - maximum);
    return { events: events.slice(surplus), lostEvents: lostEvents + surplus };
  }

  #collect(): void {
    this.#tick++;
    for (const { read, written } of this.#streams) {
      read.collect(this.#tick);
      written.collect(this.#tick);
    }
  }

  #present(): Position {
    this.#collect();
    return {
      time: now(),
      tick: this.#tick,
      sums: addUp(this.#counterBuffers),
      sequences: this.#rings.map((ring) => ring.endSequence),
    };
  }

  #start(): Position {
    return {
      time: this.#shared.beganAt,
      tick: 0,
      sums: addUp([]),
      sequences: this.#rings.map(() => 0),
    };
  }

  #describe(sums: Float64Array): ActivityCounters {
    const streams = this.#streams.map(({ stream }) => stream);
    return describeCounters(sums, streams);
  }
}

const now = (): number => performance.timeOrigin + performance.now();
