// Makes the pictures of the screen in docs/: runs hexz inspect on the demo snapshot in a terminal, has other processes
// use its mount meanwhile, and writes what the terminal shows as SVG. Needs FUSE; `npm run picture` builds before.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pty from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { toSvg } from './screenToSvg.mjs';

const COLUMNS = 104;
const ROWS = 31;
/** It is seen in the picture, and therefore says nothing about the machine. */
const MOUNTPOINT = '/tmp/demo';
const WORK_MS = 30_000;
const LIMIT_MS = 20_000;
const KIB = 1024;
const DISK_BYTES = 16 * KIB * KIB;

const root = join(import.meta.dirname, '..');
const hexz = join(root, 'dist/cli/main.js');
const scratch = mkdtempSync(join(tmpdir(), 'hexz-picture-'));

async function run(program, programArguments) {
  const child = spawn(program, programArguments, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`${program} ended with status ${status}`);
}

/** Copies a piece with dd, which does not leave it in the kernel's cache: the next read comes to hexz again. */
const read = (file, offset, length) =>
  run('dd', [
    `if=${join(MOUNTPOINT, file)}`,
    'of=/dev/null',
    'bs=64k',
    'iflag=nocache,skip_bytes,count_bytes',
    `skip=${offset}`,
    `count=${length}`,
    'status=none',
  ]);

const write = (offset, length) =>
  run('dd', [
    'if=/dev/urandom',
    `of=${join(MOUNTPOINT, 'disk')}`,
    'bs=4k',
    'iflag=count_bytes',
    'oflag=seek_bytes',
    `seek=${offset}`,
    `count=${length}`,
    'conv=notrunc,fsync',
    'status=none',
  ]);

/** What a busy machine does with its disk: one part is read through, others again and again, a few are written. */
async function work(milliseconds) {
  const end = performance.now() + milliseconds;
  for (let round = 0; performance.now() < end; round++) {
    await read('disk', (round * 80 * KIB) % (DISK_BYTES / 2), (1 + (round % 3)) * 64 * KIB);
    if (round % 3 === 0) await read('disk', 10 * KIB * KIB + (round % 7) * 96 * KIB, 32 * KIB);
    if (round % 5 === 0) await write(12 * KIB * KIB + ((round * 12) % 768) * KIB, 12 * KIB);
    await sleep(round % 40 < 25 ? 60 : 220);
  }
}

class Screen {
  #screen = new xterm.Terminal({ cols: COLUMNS, rows: ROWS, allowProposedApi: true });

  constructor(programArguments) {
    const { NO_COLOR: _, ...inherited } = process.env;
    this.pty = pty.spawn(process.execPath, programArguments, {
      cols: COLUMNS,
      rows: ROWS,
      cwd: scratch,
      env: { ...inherited, TERM: 'xterm-256color', XDG_STATE_HOME: scratch },
    });
    this.ended = new Promise((resolve) => this.pty.onExit(({ exitCode }) => resolve(exitCode)));
    this.pty.onData((data) => this.#screen.write(data));
  }

  /** The cells of each row; the last one of the terminal is always empty. */
  cells() {
    const buffer = this.#screen.buffer.active;
    return Array.from({ length: ROWS - 1 }, (_, row) => {
      const line = buffer.getLine(buffer.baseY + row);
      return Array.from({ length: COLUMNS }, (_, column) => line.getCell(column));
    });
  }

  text() {
    return this.cells()
      .map((row) => row.map((cell) => cell.getChars() || ' ').join(''))
      .join('\n');
  }

  async shows(expected) {
    for (const end = performance.now() + LIMIT_MS; !expected.test(this.text()); ) {
      if (performance.now() > end) throw new Error(`${expected} was not shown:\n${this.text()}`);
      await sleep(50);
    }
  }

  async type(...keys) {
    for (const key of keys) {
      this.pty.write(key);
      await sleep(200);
    }
  }

  save(name, title) {
    writeFileSync(join(root, 'docs', name), toSvg(this.cells(), title));
    process.stdout.write(`docs/${name}\n`);
  }
}

let screen;
mkdirSync(MOUNTPOINT);
try {
  const recipe = join(root, 'fixtures/recipes/demo.yaml');
  await run(process.execPath, [hexz, 'fixture', 'build', recipe, '-o', scratch]);
  const parameters = ['demo.hxz', MOUNTPOINT, '--rw', '--overlay', 'demo.overlay'];
  screen = new Screen([hexz, 'inspect', ...parameters]);
  await screen.shows(/● live/);
  await work(WORK_MS);
  screen.save('screen.svg', 'hexz inspect: what is read and written, as it happens');
  await screen.type('5');
  await screen.shows(/open/);
  await screen.type('k', '\u001b[B', 'k', '\u001b[B', 'd', '\u001b[B');
  await sleep(1000);
  screen.save('review.svg', 'hexz inspect: changes are reviewed and committed');
  await screen.type('q');
  const status = await screen.ended;
  if (status !== 0) throw new Error(`hexz inspect ended with status ${status}`);
  screen = undefined;
} finally {
  screen?.pty.kill('SIGTERM');
  await screen?.ended;
  rmSync(scratch, { recursive: true, force: true });
  rmdirSync(MOUNTPOINT);
}
