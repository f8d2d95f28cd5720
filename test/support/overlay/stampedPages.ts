import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SharedFrozenInstant } from '../../../src/engine/overlay/frozenInstant.js';
import type { SharedOverlay } from '../../../src/engine/overlay/sharedOverlay.js';

const PAGE = 4096;

/** Pages that are filled with one number. */
export function stamped(pageCount: number, stamp: number): Buffer {
  const bytes = Buffer.alloc(pageCount * PAGE);
  new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).fill(stamp);
  return bytes;
}

interface Reading {
  readonly shared?: SharedOverlay;
  readonly frozen?: SharedFrozenInstant;
  /** Of the base, whose pages have the stamp 1. */
  readonly pageCount: number;
  readonly reads: number;
  /** The least stamps that pages must have; of a frozen overlay, the stamps. */
  readonly answered?: Int32Array;
}

/** Has another thread read while something is done, until it has read so often; answers what was wrong. */
export async function whileRead(
  { reads, answered = countersOf(1000), ...reading }: Reading,
  change: (answered: Int32Array, round: number) => void | Promise<void>,
): Promise<unknown> {
  const control = countersOf(2);
  const workerData = { ...reading, baseLength: reading.pageCount * PAGE, answered, control };
  const worker = new Worker(new URL('./stampReader.mjs', import.meta.url), { workerData });
  try {
    await once(worker, 'message');
    let hasEnded = false;
    const ended = once(worker, 'message').finally(() => {
      hasEnded = true;
    });
    ended.catch(() => {});
    for (let round = 0; !hasEnded && Atomics.load(control, 1) < reads; round++) {
      await change(answered, round);
      if (round % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    Atomics.store(control, 0, 1);
    const [found] = await ended;
    return found;
  } finally {
    await worker.terminate();
  }
}

export const countersOf = (count: number): Int32Array =>
  new Int32Array(new SharedArrayBuffer(count * 4));
