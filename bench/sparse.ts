import { openSnapshot } from '../src/index.js';
import { sparseTebibyte } from './inputs.js';
import { median, peakMebibytes, percentile, print, time } from './measure.js';

const RANDOM_READS = 200_000;
const COLD_READS = 200;
const CACHE_BYTES = 256 * 1024 ** 2;
const READ_BYTES = 4096;

/** Opening and random reading of 1 TiB of logical disk, and the memory that takes. */
export function sparse(): void {
  const path = sparseTebibyte();
  const openMs = time(() => openSnapshot(path).close(), 20).map((seconds) => seconds * 1000);
  const target = Buffer.alloc(READ_BYTES);
  const random = randomOffsets(1024 ** 4 / READ_BYTES);
  const coldMs = Array.from({ length: COLD_READS }, () => {
    const snapshot = openSnapshot(path, { cacheBytes: CACHE_BYTES });
    const start = performance.now();
    snapshot.readInto('disk', random() * READ_BYTES, target);
    const elapsed = performance.now() - start;
    snapshot.close();
    return elapsed;
  });
  const snapshot = openSnapshot(path, { cacheBytes: CACHE_BYTES });
  const start = performance.now();
  for (let read = 0; read < RANDOM_READS; read++) {
    snapshot.readInto('disk', random() * READ_BYTES, target);
  }
  const microseconds = ((performance.now() - start) * 1000) / RANDOM_READS;
  snapshot.close();
  process.stdout.write('sparse: 1 TiB of logical disk, 16.8 million blocks of 64 KiB\n');
  print([
    ['open, median (wanted: <= 100 ms)', `${median(openMs).toFixed(1)} ms`],
    ['first 4 KiB after opening, median', `${median(coldMs).toFixed(2)} ms`],
    ['first 4 KiB, p99 (wanted: <= 5 ms)', `${percentile(coldMs, 0.99).toFixed(2)} ms`],
    ['4 KiB anywhere, mean of 200 000', `${microseconds.toFixed(0)} us`],
    ['peak resident memory (wanted: <= cache 256 + 150 MiB)', `${peakMebibytes().toFixed(0)} MiB`],
  ]);
}

/** A small generator with a fixed seed: the same offsets in every run. */
function randomOffsets(count: number): () => number {
  let state = 0x9e3779b9;
  const next = () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
    state = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    state ^= state >>> 15;
    return (state >>> 0) / 2 ** 32;
  };
  let step = 0;
  return () => {
    step += 1;
    return Math.floor(((next() + step * 0.618033988749895) % 1) * count);
  };
}
