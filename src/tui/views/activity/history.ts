import type {
  ActivityCounters,
  ActivityEvent,
  ActivitySample,
} from '../../../engine/control/protocol/activity.js';

/** What is kept; of what is more, the oldest goes. */
const KEPT_MS = 5 * 60_000;
const MAX_EVENTS = 50_000;
const MAX_RUN_NUMBERS = 500_000;
/** A first sample that covers more than this tells nothing of when it happened. */
const MAX_FIRST_SECONDS = 5;

/** What happened between two samples. */
export interface Step {
  /** Its end, in milliseconds since 1970. */
  readonly time: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly reads: number;
  readonly writes: number;
  readonly hitBlocks: number;
  readonly decodedBlocks: number;
  readonly readLatency: ActivitySample['readLatency'];
  readonly writeLatency: ActivitySample['writeLatency'];
  readonly touched: ActivitySample['touched'];
  readonly events: readonly ActivityEvent[];
  /** Older than `events`. */
  readonly lostEvents: number;
}

/** Sums of the counters of all streams. */
interface Totals {
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly reads: number;
  readonly writes: number;
  readonly hitBlocks: number;
  readonly decodedBlocks: number;
}

const NOTHING: Totals = {
  readBytes: 0,
  writtenBytes: 0,
  reads: 0,
  writes: 0,
  hitBlocks: 0,
  decodedBlocks: 0,
};

/**
 * The last minutes of what happened, for a person who looks back.
 *
 * Invariant: steps are in order of their time; those that are older than the newest by more than `KEPT_MS`, and as
 * many as needed for the limits above, are gone. `#events` and `#runNumbers` count what the steps hold.
 */
export class ActivityHistory {
  readonly #steps: Step[] = [];
  #totals: Totals | undefined;
  #events = 0;
  #runNumbers = 0;

  /** When the oldest step that is kept ended; undefined as long as nothing has happened. */
  get oldestTime(): number | undefined {
    return this.#steps[0]?.time;
  }

  get newestTime(): number | undefined {
    return this.#steps.at(-1)?.time;
  }

  add(sample: ActivitySample): void {
    const { time, seconds, counters, readLatency, writeLatency, events, lostEvents } = sample;
    const totals = totalsOf(counters);
    const isDatable = this.#totals !== undefined || seconds <= MAX_FIRST_SECONDS;
    const before = isDatable ? (this.#totals ?? NOTHING) : totals;
    this.#totals = totals;
    const touched = isDatable ? sample.touched : {};
    const changes = differenceOf(totals, before);
    const step = { time, ...changes, readLatency, writeLatency, touched, events, lostEvents };
    this.#steps.push(step);
    this.#events += events.length;
    this.#runNumbers += runNumbersOf(step);
    this.#forget();
  }

  /** Steps that ended after a time, up to another, the newest first. */
  *backFrom(time: number, afterTime: number): Generator<Step, void> {
    for (let index = this.#steps.length - 1; index >= 0; index--) {
      const step = this.#steps[index] as Step;
      if (step.time > time) continue;
      if (step.time <= afterTime) return;
      yield step;
    }
  }

  #forget(): void {
    const oldestTime = (this.newestTime ?? 0) - KEPT_MS;
    let gone = 0;
    while (gone < this.#steps.length - 1) {
      const step = this.#steps[gone] as Step;
      const isWithin = this.#events <= MAX_EVENTS && this.#runNumbers <= MAX_RUN_NUMBERS;
      if (step.time >= oldestTime && isWithin) break;
      this.#events -= step.events.length;
      this.#runNumbers -= runNumbersOf(step);
      gone++;
    }
    if (gone > 0) this.#steps.splice(0, gone);
  }
}

function totalsOf({ streams, hitBlocks, decodedBlocks }: ActivityCounters): Totals {
  const sum = (name: 'readBytes' | 'writtenBytes' | 'reads' | 'writes'): number =>
    Object.values(streams).reduce((total, counters) => total + counters[name], 0);
  return {
    readBytes: sum('readBytes'),
    writtenBytes: sum('writtenBytes'),
    reads: sum('reads'),
    writes: sum('writes'),
    hitBlocks,
    decodedBlocks,
  };
}

const differenceOf = (now: Totals, before: Totals): Totals => ({
  readBytes: now.readBytes - before.readBytes,
  writtenBytes: now.writtenBytes - before.writtenBytes,
  reads: now.reads - before.reads,
  writes: now.writes - before.writes,
  hitBlocks: now.hitBlocks - before.hitBlocks,
  decodedBlocks: now.decodedBlocks - before.decodedBlocks,
});

const runNumbersOf = ({ touched }: Step): number =>
  Object.values(touched).reduce((sum, { read, written }) => sum + read.length + written.length, 0);
