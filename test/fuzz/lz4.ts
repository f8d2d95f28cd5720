import fc from 'fast-check';
import { Lz4Comparison, lz4Blocks } from '../support/lz4.js';

/** LZ4 blocks, sound and damaged, against every decoder there is. */
export function fuzzLz4(runs: number, seed: number): void {
  const comparison = new Lz4Comparison();
  const started = performance.now();
  fc.assert(
    fc.property(lz4Blocks, (input) => comparison.check(input)),
    { numRuns: runs, seed },
  );
  const seconds = (performance.now() - started) / 1000;
  process.stdout.write(
    `${runs} LZ4 blocks in ${seconds.toFixed(0)} s: all decoders make the same of each\n`,
  );
}
