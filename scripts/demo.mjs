// Shows a newcomer what hexz does, on a small snapshot that it makes first. `npm run demo` builds before.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const RECIPE = 'fixtures/recipes/demo.yaml';
/** Made by the recipe where e2fsprogs is missing. */
const RECIPE_WITHOUT_FILES = 'fixtures/recipes/cut-and-grown.yaml';
const DIRECTORY = 'demo';

const root = join(import.meta.dirname, '..');

/** Runs hexz and returns its standard output; ends the demo with the same exit status when hexz fails. */
function hexz(commandArguments, goodStatuses = [0], stderr = 'inherit') {
  const { error, status, stdout } = spawnSync(
    process.execPath,
    ['dist/cli/main.js', ...commandArguments],
    { cwd: root, stdio: ['ignore', 'pipe', stderr] },
  );
  if (error !== undefined) throw error;
  if (!goodStatuses.includes(status)) process.exit(status ?? 1);
  return { status, output: stdout.toString() };
}

function show(commandArguments, goodStatuses) {
  const { output } = hexz(commandArguments, goodStatuses);
  process.stdout.write(`\n$ hexz ${commandArguments.join(' ')}\n${output}`);
}

const say = (text) => process.stdout.write(`\n${text}\n`);

/** Mounts the snapshot with its overlay, changes a few more bytes of its disk, and unmounts. */
function showMount(snapshot, overlay) {
  const mountpoint = join(DIRECTORY, 'mnt');
  mkdirSync(join(root, mountpoint), { recursive: true });
  show(['mount', snapshot, mountpoint, '--rw', '--overlay', overlay, '--daemon']);
  try {
    const names = readdirSync(join(root, mountpoint));
    const sizes = names.map(
      (name) => `${name}  ${statSync(join(root, mountpoint, name)).size} bytes`,
    );
    say([`$ ls ${mountpoint}`, ...sizes].join('\n'));
    say('(8 bytes are written into the disk at offset 100000)');
    const disk = openSync(join(root, mountpoint, 'disk'), 'r+');
    writeSync(disk, 'new text', 100_000);
    closeSync(disk);
  } finally {
    show(['unmount', mountpoint]);
  }
}

/** The screen, until the person leaves it; something to see happens meanwhile. Answers the exit status. */
async function showScreen() {
  const mountpoint = join(DIRECTORY, 'mnt');
  const place = canMount ? [mountpoint] : [];
  const commandArguments = ['inspect', snapshot, ...place, '--rw', '--overlay', overlay];
  say(`$ hexz ${commandArguments.join(' ')}`);
  const parameters = ['dist/cli/main.js', ...commandArguments];
  const screen = spawn(process.execPath, parameters, { cwd: root, stdio: 'inherit' });
  // It is for the screen to say what these do.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  const left = once(screen, 'exit');
  const stop = new AbortController();
  const reading = canMount
    ? readNowAndThen(join(root, mountpoint, 'disk'), stop.signal)
    : undefined;
  const [status] = await left;
  stop.abort();
  await reading;
  return status ?? 1;
}

async function readNowAndThen(path, signal) {
  const piece = Buffer.alloc(96 * 1024);
  for (let offset = 0; !signal.aborted; offset += piece.length) {
    try {
      const disk = await open(path);
      const { bytesRead } = await disk.read(piece, 0, piece.length, offset);
      await disk.close();
      if (bytesRead < piece.length) offset = 0;
    } catch {
      // It is not mounted yet, or not any more.
    }
    await sleep(200, undefined, { signal }).catch(() => {});
  }
}

rmSync(join(root, DIRECTORY), { recursive: true, force: true });
mkdirSync(join(root, DIRECTORY));
const tools = hexz(['fixture', 'build', RECIPE, '-o', DIRECTORY], [0, 1, 6, 8], 'ignore');
const recipe = tools.status === 0 ? RECIPE : RECIPE_WITHOUT_FILES;
if (recipe !== RECIPE)
  say('Without e2fsprogs, the demo has a disk without a file system: apt install e2fsprogs');
show(['fixture', 'build', recipe, '-o', DIRECTORY]);

const name = recipe.replace(/^.*\/|\.yaml$/g, '');
const snapshot = join(DIRECTORY, `${name}.hxz`);
const overlay = join(DIRECTORY, `${name}.overlay`);
show(['info', snapshot]);
const { canMount } = JSON.parse(hexz(['doctor', '--json'], [0, 6]).output);
if (canMount) showMount(snapshot, overlay);
else say('This machine cannot mount with FUSE yet; hexz doctor says what it lacks.');
show(['diff', overlay, '--base', snapshot], [0, 1]);
show(['diff', overlay, '--base', snapshot, '--pages'], [0, 1]);
const child = join(DIRECTORY, 'child.hxz');
show(['commit', snapshot, overlay, child, '--thin', '--keep-overlay', '--message', 'what changed']);
show(['verify', child]);

say(`In this checkout, "hexz" is "node dist/cli/main.js"; the files are in ${DIRECTORY}/.`);

if (process.stdin.isTTY && process.stdout.isTTY) process.exitCode = await showScreen();
else show(['inspect', snapshot, '--overlay', overlay]);
