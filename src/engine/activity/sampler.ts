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
  /** @param maximumEvents more are counted as lost, the oldest first */
  sample(maximumEvents: number): ActivitySample;
}

/** How far a watcher is. */
interface Position {
  time: number;
  tick: number;
  sums: Float64Array;
  readonly sequences: number[];
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
    const position = since === 'now' ? this.#present() : this.#start();
    return { sample: (maximumEvents) => this.#sample(position, maximumEvents) };
  }

  #sample(position: Position, maximumEvents: number): ActivitySample {
    const { sums: before, time: lastTime, tick: lastTick } = position;
    this.#collect();
    const time = now();
    const sums = addUp(this.#counterBuffers);
    const { events, lostEvents } = this.#eventsSince(position.sequences, maximumEvents);
    position.sums = sums;
    position.time = time;
    position.tick = this.#tick;
    return {
      time,
      seconds: Math.max(0, time - lastTime) / 1000,
      counters: this.#describe(sums),
      readLatency: percentilesOf(histogramBetween(before, sums, READ_LATENCY)),
      writeLatency: percentilesOf(histogramBetween(before, sums, WRITE_LATENCY)),
      touched: Object.fromEntries(
        this.#streams.map(({ stream, cellBytes, read, written }) => [
          stream,
          { cellBytes, read: read.runsSince(lastTick), written: written.runsSince(lastTick) },
        ]),
      ),
      events,
      lostEvents,
    };
  }

  /** Events of all recorders; the sequences move on behind them. */
  #eventsSince(
    sequences: number[],
    maximum: number,
  ): { events: ActivityEvent[]; lostEvents: number } {
    let lostEvents = 0;
    const events = this.#rings.flatMap((ring, recorder) => {
      const batch = ring.read(sequences[recorder] as number, maximum);
      sequences[recorder] = batch.endSequence;
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
