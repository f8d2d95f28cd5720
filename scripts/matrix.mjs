// Runs the tests on every FUSE backend, as root and as an ordinary user: `npm run test:matrix`.
//
//   node scripts/matrix.mjs [--smoke] [BACKEND/USER...] [-- VITEST_ARGUMENT...]
//
// BACKEND is kernel or fuse-native, USER is root or ordinary; without any, all four. --smoke runs only what mounts, reads,
// writes and unmounts. Needs root, and setpriv to run as nobody. Whoever is not root can run as an ordinary user only.
import { spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BACKENDS = ['kernel', 'fuse-native'];
const USERS = ['root', 'ordinary'];
/** "nobody" of every Linux. */
const ORDINARY_ID = 65534;
const SMOKE = ['readOnly', 'writing', 'unmount'].map((name) => `test/e2e/${name}.test.ts`);

const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const separator = process.argv.indexOf('--', 2);
const ours = process.argv.slice(2, separator < 0 ? undefined : separator);
const theirs = separator < 0 ? [] : process.argv.slice(separator + 1);
const all = BACKENDS.flatMap((backend) => USERS.map((user) => `${backend}/${user}`));
const wanted = ours.filter((word) => word !== '--smoke');
const unknown = wanted.find((word) => !all.includes(word));
if (unknown !== undefined) {
  console.error(`there is no "${unknown}"; there are ${all.join(', ')}`);
  process.exit(2);
}
const isRoot = process.getuid?.() === 0;
const tests = ours.includes('--smoke') ? SMOKE : [];

const failed = [];
for (const combination of wanted.length === 0 ? all : wanted) {
  const [backend, user] = combination.split('/');
  console.log(`\n=== ${combination}`);
  if (user === 'root' && !isRoot) {
    console.log('skipped: only root can do this');
    continue;
  }
  if (run(backend, isRoot && user === 'ordinary') !== 0) failed.push(combination);
}
for (const combination of failed) console.log(`failed: ${combination}`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** Answers the exit status. */
function run(backend, becomesNobody) {
  const home = mkdtempSync(join(tmpdir(), 'hexz-matrix-'));
  const [program, ...first] = becomesNobody
    ? [
        'setpriv',
        `--reuid=${ORDINARY_ID}`,
        `--regid=${ORDINARY_ID}`,
        '--clear-groups',
        process.execPath,
      ]
    : [process.execPath];
  const environment = { ...process.env, HEXZ_BACKEND: backend };
  if (becomesNobody) {
    chownSync(home, ORDINARY_ID, ORDINARY_ID);
    delete environment.XDG_RUNTIME_DIR;
    Object.assign(environment, { HOME: home, USER: 'nobody', XDG_CACHE_HOME: join(home, 'cache') });
  }
  try {
    // vitest would put the bundled configuration beside the sources, where others may not write.
    const command = [...first, vitest, 'run', '--configLoader', 'runner', ...tests, ...theirs];
    return spawnSync(program, command, { stdio: 'inherit', env: environment }).status;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
