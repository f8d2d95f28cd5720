import { closeSync, openSync, readSync } from 'node:fs';

const CHUNK_BYTES = 64 * 1024;

/** The start of a file whose length is not known beforehand, as are those of /proc: about as much as the limit. */
export function readAtMost(path: string, maximumBytes: number): Buffer {
  const chunks: Buffer[] = [];
  const descriptor = openSync(path, 'r');
  try {
    for (let length = 0; length < maximumBytes; ) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const count = readSync(descriptor, chunk);
      if (count === 0) break;
      chunks.push(chunk.subarray(0, count));
      length += count;
    }
  } finally {
    closeSync(descriptor);
  }
  return Buffer.concat(chunks);
}
