import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { fuzzInputs } from './check.js';
import { fuzzControl } from './control.js';
import { fuzzLz4 } from './lz4.js';
import { fuzzNbd } from './nbd.js';

/**
 * `npm run fuzz -- [--runs N] [--seed N]`: mutated golden files against everything that reads them.
 * A failure prints the smallest input that fails and the seed that finds it again.
 *
 * `npm run fuzz -- --control [--runs N] [--seed N]`: watchers that say anything to an engine.
 *
 * `npm run fuzz -- --lz4 [--runs N] [--seed N]`: damaged LZ4 blocks against all decoders.
 *
 * `npm run fuzz -- --nbd [--runs N] [--seed N]`: clients that say anything to an NBD server.
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '50000' },
    seed: { type: 'string' },
    control: { type: 'boolean', default: false },
    lz4: { type: 'boolean', default: false },
    nbd: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
const seed = values.seed === undefined ? undefined : Number(values.seed);

const anySeed = Date.now() % 2 ** 31;

if (values.control) await fuzzControl(runs, seed ?? anySeed);
else if (values.lz4) fuzzLz4(runs, seed ?? anySeed);
else if (values.nbd) await fuzzNbd(runs, seed ?? anySeed);
else fuzzFiles();

function fuzzFiles(): void {
  const { inputs, run } = fuzzInputs();
  let done = 0;
  const started = performance.now();
  fc.assert(
    fc.property(inputs, (input) => {
      if (++done % 5000 === 0) process.stderr.write(`${done} inputs\n`);
      run(input);
    }),
    { numRuns: runs, ...(seed === undefined ? {} : { seed }) },
  );
  const seconds = (performance.now() - started) / 1000;
  const peak = process.resourceUsage().maxRSS / 1024;
  process.stdout.write(
    `${done} mutated inputs in ${seconds.toFixed(0)} s, peak memory ${peak.toFixed(0)} MiB: every one read or refused\n`,
  );
}
