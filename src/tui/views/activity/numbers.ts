import type { ActivityHistory, Step } from './history.js';

/** What the sparklines show. */
export const SHOWN_SECONDS = 60;
const SHOWN_MS = SHOWN_SECONDS * 1000;
/** Over how long latencies are told: those of a sample alone jump too much to be read. */
const LATENCY_MS = 10_000;

interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

/** What is told in numbers of one moment. */
export interface Numbers {
  /** In each bar of the last minute, the present one at the end. */
  readonly readBytes: readonly number[];
  readonly writtenBytes: readonly number[];
  readonly requests: readonly number[];
  /** In the second before the moment. */
  readonly now: {
    readonly readBytes: number;
    readonly writtenBytes: number;
    readonly requests: number;
  };
  /** Blocks that were cached, of all that were needed in that time; undefined if none was. */
  readonly hitShare: number | undefined;
  /** In microseconds. */
  readonly readLatency: Percentiles | undefined;
  readonly writeLatency: Percentiles | undefined;
}

/**
 * The numbers of a moment. Bars stand for whole seconds of the clock, so that they move on and do not change.
 *
 * @param maximumBars how many have room
 */
export function numbersAt(history: ActivityHistory, time: number, maximumBars: number): Numbers {
  const barSeconds = Math.ceil(SHOWN_SECONDS / Math.max(1, maximumBars));
  const bars = Math.ceil(SHOWN_SECONDS / barSeconds);
  const readBytes = new Array<number>(bars).fill(0);
  const writtenBytes = new Array<number>(bars).fill(0);
  const requests = new Array<number>(bars).fill(0);
  const now = { readBytes: 0, writtenBytes: 0, requests: 0 };
  const barOf = (at: number): number => Math.floor(at / (barSeconds * 1000));
  const lastBar = barOf(time);
  const reads = new LatencyMerge();
  const writes = new LatencyMerge();
  let hitBlocks = 0;
  let neededBlocks = 0;
  for (const step of history.backFrom(time, time - SHOWN_MS)) {
    const bar = bars - 1 - (lastBar - barOf(step.time));
    add(readBytes, bar, step.readBytes);
    add(writtenBytes, bar, step.writtenBytes);
    add(requests, bar, step.reads + step.writes);
    hitBlocks += step.hitBlocks;
    neededBlocks += step.hitBlocks + step.decodedBlocks;
    if (step.time > time - 1000) addStep(now, step);
    if (step.time > time - LATENCY_MS) {
      reads.add(step.readLatency, step.reads);
      writes.add(step.writeLatency, step.writes);
    }
  }
  return {
    readBytes,
    writtenBytes,
    requests,
    now,
    hitShare: neededBlocks === 0 ? undefined : hitBlocks / neededBlocks,
    readLatency: reads.percentiles,
    writeLatency: writes.percentiles,
  };
}

function add(bars: number[], bar: number, amount: number): void {
  if (bar >= 0 && bar < bars.length) bars[bar] = (bars[bar] as number) + amount;
}

function addStep(sums: { -readonly [Name in keyof Numbers['now']]: number }, step: Step): void {
  sums.readBytes += step.readBytes;
  sums.writtenBytes += step.writtenBytes;
  sums.requests += step.reads + step.writes;
}

/**
 * Percentiles of several samples. Those of all their requests are not known: told is the mean of the middle ones, by
 * the number of requests, and the worst of the 99th.
 */
class LatencyMerge {
  #sum = 0;
  #worst = 0;
  #requests = 0;

  add(percentiles: Percentiles | null, requests: number): void {
    if (percentiles === null || requests === 0) return;
    this.#sum += percentiles.p50 * requests;
    this.#worst = Math.max(this.#worst, percentiles.p99);
    this.#requests += requests;
  }

  get percentiles(): Percentiles | undefined {
    return this.#requests === 0 ? undefined : { p50: this.#sum / this.#requests, p99: this.#worst };
  }
}
