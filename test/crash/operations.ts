import { markedBytes } from '../support/overlay/memoryBase.js';
import type { Random } from '../support/overlay/simulatedFiles.js';

/** What a writer does to a mounted disk. Offsets and lengths in bytes. */
export type Operation =
  | {
      readonly kind: 'write';
      readonly offset: number;
      readonly length: number;
      /** Which bytes (`bytesOf`). */
      readonly source: number;
    }
  | { readonly kind: 'truncate'; readonly length: number }
  | { readonly kind: 'sync' };

/**
 * A line of the log that a writer keeps: an operation began, or it was answered. Of a write, so many bytes
 * were; the rest begins anew.
 */
export type LogLine = { readonly begun: Operation } | { readonly answered: number };

/** What a writer is asked to do: random operations until one fails. */
export interface WriterTask {
  readonly diskPath: string;
  readonly diskLength: number;
  readonly seed: number;
  readonly logPath: string;
}

/** What ended it: an errno. */
export interface WriterReport {
  readonly failure: string;
}

/** No operation reaches beyond. */
export const REACH_BYTES = 10 * 1024 * 1024;
const MAX_WRITE_BYTES = 256 * 1024;
/** Most writes are short, so that the disk keeps pages that nothing was written to. */
const SHORT_WRITE_BYTES = 3 * 4096;
const LONG_SHARE = 0.2;
const PAGE_BYTES = 4096;
const SYNC_SHARE = 0.02;
const TRUNCATE_SHARE = 0.01;

const pool = markedBytes(4 * MAX_WRITE_BYTES, 1);

/** The bytes of a write. None is zero, and hardly any two writes have the same. */
export const bytesOf = ({ source, length }: { source: number; length: number }): Buffer =>
  pool.subarray(source, source + length);

export function randomOperation(random: Random, diskLength: number): Operation {
  const kind = random();
  if (kind < SYNC_SHARE) return { kind: 'sync' };
  if (kind < SYNC_SHARE + TRUNCATE_SHARE) {
    return { kind: 'truncate', length: randomOffset(random, diskLength) };
  }
  const offset = randomOffset(random, diskLength);
  const longest = random() < LONG_SHARE ? MAX_WRITE_BYTES : SHORT_WRITE_BYTES;
  const wanted = Math.floor(longest ** random());
  const aligned = random() < 0.3 ? Math.ceil(wanted / PAGE_BYTES) * PAGE_BYTES : wanted;
  const source = Math.floor(random() * (pool.length - MAX_WRITE_BYTES));
  return { kind: 'write', offset, length: Math.min(aligned, REACH_BYTES - offset), source };
}

/** In the disk, near its end, or behind it; on the edge of a page or not. */
function randomOffset(random: Random, diskLength: number): number {
  const place = random();
  let offset = random() * diskLength;
  if (place < 0.1) offset = random() * REACH_BYTES;
  else if (place < 0.2) offset = diskLength + (random() - 0.5) * 4 * PAGE_BYTES;
  const rounded = random() < 0.3 ? Math.round(offset / PAGE_BYTES) * PAGE_BYTES : offset;
  return Math.max(0, Math.min(REACH_BYTES - 1, Math.floor(rounded)));
}
