import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { activity } from './activity.js';
import { decode } from './decode.js';
import { extract } from './extract.js';
import { freeze } from './freeze.js';
import { memory } from './memory.js';
import { mount } from './mount.js';
import { nbd } from './nbd.js';
import { review } from './review.js';
import { screen } from './screen.js';
import { search } from './search.js';
import { sparse } from './sparse.js';
import { watch } from './watch.js';
import { write } from './write.js';
import { writers } from './writers.js';

/**
 * `npm run bench [-- NAME ...]`: each benchmark in a process of its own, so that one's memory and
 * warm code do not count for the next.
 */
const benchmarks: Readonly<Record<string, () => Promise<void> | void>> = {
  decode,
  activity,
  sparse,
  extract,
  mount,
  nbd,
  watch,
  write,
  writers,
  freeze,
  search,
  review,
  memory,
  screen,
};

const wanted = process.argv.slice(2);
const [only] = wanted;
if (only !== undefined && wanted.length === 1) {
  const benchmark = benchmarks[only];
  if (benchmark === undefined) {
    process.stderr.write(
      `no benchmark "${only}"; there are ${Object.keys(benchmarks).join(', ')}\n`,
    );
    process.exitCode = 2;
  } else {
    await benchmark();
  }
} else {
  const names = wanted.length === 0 ? Object.keys(benchmarks) : wanted;
  for (const name of names) {
    const command = [fileURLToPath(import.meta.url), name];
    const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' });
    if (status !== 0) process.exitCode = status ?? 1;
  }
}
