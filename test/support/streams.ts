import { createHash, randomBytes } from 'node:crypto';
import type { Snapshot, StreamName } from '../../src/index.js';

/** All bytes of a stream, in one read. */
export function readStream(snapshot: Snapshot, stream: StreamName): Buffer {
  const bytes = Buffer.alloc(snapshot.streamLength(stream));
  const count = snapshot.readInto(stream, 0, bytes);
  if (count !== bytes.length) throw new Error(`${count} of ${bytes.length} bytes`);
  return bytes;
}

/** One range of a stream. */
export function readRange(
  snapshot: Snapshot,
  stream: StreamName,
  offset: number,
  length: number,
): Buffer {
  const bytes = Buffer.alloc(length, 0xa5);
  return bytes.subarray(0, snapshot.readInto(stream, offset, bytes));
}

/** SHA-256 of a stream, read in steps of a length that is no power of two. */
export function hashStream(snapshot: Snapshot, stream: StreamName): string {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(1_000_003);
  for (let offset = 0; ; ) {
    const count = snapshot.readInto(stream, offset, chunk);
    if (count === 0) return hash.digest('hex');
    hash.update(chunk.subarray(0, count));
    offset += count;
  }
}

/** Bytes that compress a little: a random half and its repetition. */
export function someBytes(length: number): Buffer {
  const half = randomBytes(Math.ceil(length / 2));
  return Buffer.concat([half, half]).subarray(0, length);
}

/** Fails unless both hold the same bytes, saying where they differ; quick on large buffers. */
export function expectSameBytes(actual: unknown, expected: Buffer): void {
  if (!Buffer.isBuffer(actual)) throw new Error(`${String(actual)} instead of bytes`);
  if (actual.length !== expected.length) {
    throw new Error(`${actual.length} bytes instead of ${expected.length}`);
  }
  if (actual.equals(expected)) return;
  const offset = actual.findIndex((byte, position) => byte !== expected[position]);
  throw new Error(`byte ${offset} is ${actual[offset]} instead of ${expected[offset]}`);
}
