import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkMachine } from '../../src/engine/process/doctor.js';
import { crashRounds } from './rounds.js';
import { writeRounds } from './writeRounds.js';

/**
 * `npm run crash -- [--of mount|write] [--rounds N] [--seed N]`: engines of writable mounts are killed at random
 * moments, and nothing that was answered is lost; or `pack` and `commit` are, and leave all or nothing. A
 * failure prints where its files are and the seed.
 */
const { values } = parseArgs({
  options: {
    of: { type: 'string', default: 'mount' },
    rounds: { type: 'string', default: '2000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

const { canMount, checks } = checkMachine();
if (values.of === 'mount' && !canMount) {
  const missing = checks.filter(({ state }) => state === 'missing');
  for (const { name, detail } of missing) process.stderr.write(`${name} ${detail}\n`);
  process.exit(6);
}
const rounds = Number(values.rounds);
const seed = Number(values.seed);
const directory = mkdtempSync(join(tmpdir(), 'hexz-crash-'));
// The engines' mounts are not this user's others.
process.env.XDG_RUNTIME_DIR = directory;
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interruption.abort(new Error(`ended by ${signal}`)));
}

const started = performance.now();
const speed = (done: number) =>
  `${(done / ((performance.now() - started) / 1000)).toFixed(1)} a second`;
const hexz = { path: pathOf('../../../dist/cli/main.js') };
const onRound = (done: number) => {
  if (done % 100 === 0) process.stderr.write(`${done} rounds, ${speed(done)}\n`);
};
const common = { rounds, seed, directory, hexz, signal: interruption.signal };

async function killMounts(): Promise<void> {
  const result = await crashRounds({
    ...common,
    writer: { path: pathOf('writer.js') },
    onRound: ({ rounds: done }) => onRound(done),
  });
  const { write, truncate, sync, nothing, start } = result.killedDuring;
  process.stdout.write(
    `${result.rounds} rounds, ${speed(result.rounds)}, ${result.answered} operations answered, seed ${seed}\n` +
      `killed during a write ${write}, a truncation ${truncate}, an fsync ${sync}, between them ${nothing}, while starting ${start}\n` +
      `overlays that were damaged and mended ${result.repaired}\n` +
      'nothing that was answered was lost\n',
  );
}

async function killWriters(): Promise<void> {
  const { nothing, made, deleted, rebound, finished } = await writeRounds({ ...common, onRound });
  process.stdout.write(
    `${rounds} rounds, ${speed(rounds)}, seed ${seed}\n` +
      `left no output ${nothing}, an output beside the whole overlay ${made}, without one ${deleted}, below one ${rebound}; finished before ${finished}\n` +
      'every output was complete, and nothing was lost\n',
  );
}

try {
  await (values.of === 'write' ? killWriters() : killMounts());
  rmSync(directory, { recursive: true });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.stderr.write(
    `again: npm run crash -- --of ${values.of} --rounds ${rounds} --seed ${seed}\n`,
  );
  process.exitCode = 1;
}
