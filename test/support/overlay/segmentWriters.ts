import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Overlay } from '../../../src/engine/overlay/overlay.js';
import { countersOf } from './stampedPages.js';

const PAGE = 4096;
const THREADS = 3;

interface Handed {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
  readonly stamp: number;
}

/** What threads found at the end. */
interface Outcome {
  readonly failures: readonly string[];
  /** Writes that the owner did for them. */
  readonly handedOver: number;
}

interface Options {
  readonly pageCount: number;
  /** Of a page; the last one is the owner's. With one alone everybody writes whole pages. */
  readonly segments: 1 | 4;
  readonly base: Buffer;
  /** Whether nothing but writes happens, so that what was answered stays. */
  readonly isKept?: boolean;
  /** Descriptor of a file that every answered write is noted in. */
  readonly log?: number;
}

/** Threads that write an overlay at the same time as its owner. */
export class SegmentWriters {
  /** The last stamp that was answered, of every page of a segment. */
  readonly answered: Int32Array;
  readonly pageCount: number;
  readonly #overlay: Overlay;
  readonly #control: Int32Array;
  readonly #segments: number;
  readonly #workers: readonly Worker[];
  readonly #waiting: Handed[] = [];
  #isHeld = false;

  private constructor(
    overlay: Overlay,
    { pageCount, segments, base, isKept = true, log }: Options,
  ) {
    this.#overlay = overlay;
    this.#segments = segments;
    this.pageCount = pageCount;
    this.answered = countersOf(4 * pageCount);
    this.#control = countersOf(5 + THREADS);
    const { answered } = this;
    this.#workers = Array.from({ length: THREADS }, (_, segment) => {
      const control = this.#control;
      const shared = overlay.share();
      const place = { pageCount, segments, segment };
      const workerData = {
        shared,
        base: shareable(base),
        ...place,
        isKept,
        answered,
        control,
        log,
      };
      return new Worker(new URL('./segmentWriter.mjs', import.meta.url), { workerData });
    });
  }

  static async start(overlay: Overlay, options: Options): Promise<SegmentWriters> {
    const writers = new SegmentWriters(overlay, options);
    await Promise.all(writers.#workers.map((worker) => once(worker, 'message')));
    for (const worker of writers.#workers) {
      worker.on('message', (message: Handed | Outcome) => {
        if ('segment' in message) writers.#take(message);
      });
    }
    return writers;
  }

  /** Lets the owner write a segment of its own. */
  write(pageIndex: number, stamp: number): void {
    const own = this.#segments - 1;
    const bytes = filled(PAGE / this.#segments, stamp);
    this.#overlay.write(pageIndex * PAGE + own * bytes.length, bytes);
    if (own > 0) this.answered[own * this.pageCount + pageIndex] = stamp;
  }

  /** What is handed over waits, until it is let go. */
  hold(): () => void {
    this.#isHeld = true;
    return () => {
      this.#isHeld = false;
      for (const handed of this.#waiting.splice(0)) this.#take(handed);
    };
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Waits until every thread has written so often since. */
  async pass(writes: number, meanwhile: () => void = () => {}): Promise<void> {
    const counts = () => this.#workers.map((_, index) => this.#countOf(index));
    const goal = counts().map((count) => count + writes);
    while (counts().some((count, index) => count < (goal[index] ?? 0))) {
      meanwhile();
      await turn();
    }
  }

  /** Waits until every thread has handed a write over that is held. */
  async allWait(): Promise<void> {
    while (this.#waiting.length < this.#workers.length) await turn();
  }

  async stop(): Promise<Outcome> {
    const outcomes = this.#workers.map((worker) => outcomeOf(worker));
    Atomics.store(this.#control, 0, 1);
    const all = await Promise.all(outcomes);
    return {
      failures: all.flatMap(({ failures }) => failures),
      handedOver: all.reduce((sum, { handedOver }) => sum + handedOver, 0),
    };
  }

  async terminate(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #countOf(index: number): number {
    return Atomics.load(this.#control, 5 + index);
  }

  #take(handed: Handed): void {
    if (this.#isHeld) {
      this.#waiting.push(handed);
      return;
    }
    this.#overlay.write(handed.offset, filled(handed.length, handed.stamp));
    Atomics.store(this.#control, 1 + handed.segment, 1);
    Atomics.notify(this.#control, 1 + handed.segment);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const filled = (length: number, stamp: number): Buffer =>
  Buffer.from(new Uint32Array(length / 4).fill(stamp).buffer);

/** The same bytes in memory that threads share. */
function shareable(bytes: Buffer): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return shared;
}

function outcomeOf(worker: Worker): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('message', (message: Handed | Outcome) => {
      if ('failures' in message) resolve(message);
    });
  });
}
