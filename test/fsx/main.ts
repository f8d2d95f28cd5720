import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fsxRounds } from './rounds.js';

/**
 * `npm run fsx -- [--minutes N] [--seed N]`: processes read, write, cut, grow and sync a mounted disk at the same time,
 * and every byte is what it must be: through the mount, and in the overlay after an unmount or a kill. A failure prints
 * where its files are and the seed.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

const seed = Number(values.seed);
const directory = mkdtempSync(join(tmpdir(), 'hexz-fsx-'));
// The engines' mounts are not this user's others.
process.env.XDG_RUNTIME_DIR = directory;
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interruption.abort(new Error(`ended by ${signal}`)));
}

try {
  const { rounds, operations, kills } = await fsxRounds({
    milliseconds: Number(values.minutes) * 60_000,
    roundMilliseconds: 4000,
    seed,
    directory,
    hexz: { path: pathOf('../../../dist/cli/main.js') },
    user: { path: pathOf('diskUser.js') },
    signal: interruption.signal,
    onRound: ({ rounds: done, operations: sum }) => {
      if (done % 10 === 0) process.stderr.write(`${done} rounds, ${sum} operations\n`);
    },
  });
  process.stdout.write(
    `${rounds} rounds, ${operations} operations, ${kills} engines killed, seed ${seed}\nevery byte was what it must be\n`,
  );
  rmSync(directory, { recursive: true });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.stderr.write(`again: npm run fsx -- --minutes ${values.minutes} --seed ${seed}\n`);
  process.exitCode = 1;
}
