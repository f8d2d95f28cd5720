import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pty from '@lydell/node-pty';
import { fileSystemSnapshot, sparseTebibyte } from './inputs.js';
import { median, printTable } from './measure.js';

const COLUMNS = 120;
const ROWS = 40;
const STARTS = 5;
const KEYS = 20;
const IDLE_MS = 10_000;
const BUSY_MS = 10_000;
/** Until what comes first is painted, and the compiler knows the code. */
const WARM_UP_MS = 3000;
const LIMIT_MS = 20_000;
const WRITES_PER_SECOND = 5800;
const READS_PER_SECOND = 5800;
/** Every so many pages one is dirty, over the whole disk. */
const EXTENTS = 100_000;
const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const WRITER = fileURLToPath(new URL('./scatteredWriter.js', import.meta.url));
/** As the kernel counts the time of processes. */
const TICKS_PER_SECOND = 100;

const views = ['activity', 'overlay', 'disk', 'memory', 'review', 'log'] as const;

/** What the screen costs and how long a person waits for it, in a terminal of 120x40 cells. */
export async function screen(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'hexz-bench-screen-'));
  process.env.XDG_RUNTIME_DIR = join(directory, 'run');
  mkdirSync(process.env.XDG_RUNTIME_DIR, { mode: 0o700 });
  const load = [loadavg()[0] ?? 0];
  const rows = [['', 'measured', 'wanted']];
  try {
    for (const [name, snapshot] of [
      ['1 GiB', fileSystemSnapshot('lz4')],
      ['1 TiB', sparseTebibyte()],
    ] as const) {
      readFileSync(snapshot).subarray(0, 0);
      rows.push(...(await startsOf(name, snapshot)));
    }
    rows.push(...(await costOf(sparseTebibyte(), directory)));
    rows.push(...(await opensOf(sparseTebibyte(), directory)));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  load.push(loadavg()[0] ?? 0);
  process.stdout.write(
    `screen: ${COLUMNS}x${ROWS}, load ${load.map((value) => value.toFixed(1)).join(' to ')}\n`,
  );
  printTable(rows);
}

async function startsOf(name: string, snapshot: string): Promise<string[][]> {
  const first: number[] = [];
  const live: number[] = [];
  for (let round = 0; round < STARTS; round++) {
    const shown = new Shown([snapshot]);
    first.push(await shown.until('hexz'));
    live.push(await shown.until('● live'));
    await shown.leave();
  }
  return [
    [`${name}: start to first frame`, milliseconds(median(first)), '<= 300 ms'],
    [`${name}: start to live`, milliseconds(median(live)), ''],
  ];
}

/** What the process of the screen takes of a core. */
async function costOf(snapshot: string, directory: string): Promise<string[][]> {
  const mountpoint = join(directory, 'mount');
  mkdirSync(mountpoint);
  const overlay = join(directory, 'busy.overlay');
  const shown = new Shown([snapshot, mountpoint, '--rw', '--overlay', overlay]);
  const disk = join(mountpoint, 'disk');
  const rows: string[][] = [];
  await shown.until('● live');
  await sleep(WARM_UP_MS);
  rows.push(['idle', percent(await shown.shareOfCore(IDLE_MS)), '<= 2 %']);
  const keys: number[] = [];
  for (let key = 0; key < KEYS; key++) {
    keys.push(await shown.press(key % 2 === 0 ? '?' : 'q'));
    await sleep(100);
  }
  rows.push(['key to frame', milliseconds(median(keys)), '<= 50 ms']);
  for (const [how, view, rate] of [
    ['reads', 'activity', READS_PER_SECOND],
    ['writes', 'activity', WRITES_PER_SECOND],
    ['writes', 'overlay', WRITES_PER_SECOND],
    ['writes', 'review', WRITES_PER_SECOND],
  ] as const) {
    await shown.press(String(views.indexOf(view) + 1));
    const user = spawn(process.execPath, [WRITER, disk, how, String(rate)], { stdio: 'inherit' });
    await sleep(WARM_UP_MS);
    const share = await shown.shareOfCore(BUSY_MS);
    await end(user);
    rows.push([`${view}, ${rate} scattered ${how}/s`, percent(share), '<= 25 %']);
  }
  await shown.leave();
  return rows;
}

/** How long each view takes until something of it is there, where much is dirty. */
async function opensOf(snapshot: string, directory: string): Promise<string[][]> {
  const mountpoint = join(directory, 'mount');
  const overlay = join(directory, 'many.overlay');
  const shown = new Shown([snapshot, mountpoint, '--rw', '--overlay', overlay]);
  await shown.until('● live');
  const disk = join(mountpoint, 'disk');
  const user = spawn(process.execPath, [WRITER, disk, 'extents', String(EXTENTS)], {
    stdio: 'inherit',
  });
  await once(user, 'exit');
  await sleep(WARM_UP_MS);
  const rows: string[][] = [];
  // The first is shown already.
  for (const view of [...views.slice(1), 'activity'] as const) {
    const ms = await shown.press(String(views.indexOf(view) + 1));
    rows.push([`${EXTENTS} extents: key to ${view}`, milliseconds(ms), '<= 200 ms']);
    await sleep(1000);
  }
  await shown.leave();
  return rows;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

const milliseconds = (value: number): string => `${value.toFixed(0)} ms`;
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** A screen on a terminal: what it has sent, and since when it runs. */
class Shown {
  readonly #begunAt = performance.now();
  readonly #pty: pty.IPty;
  readonly #ended: Promise<void>;
  #sent = '';
  #told = (): void => {};

  constructor(args: readonly string[]) {
    this.#pty = pty.spawn(process.execPath, [COMMAND, 'inspect', ...args], {
      cols: COLUMNS,
      rows: ROWS,
      env: { ...process.env, TERM: 'xterm-256color' } as Record<string, string>,
    });
    this.#pty.onData((data) => {
      this.#sent += data;
      this.#told();
    });
    this.#ended = new Promise((resolve) => this.#pty.onExit(() => resolve()));
  }

  /** When it has sent a text, in milliseconds since it began. */
  async until(text: string): Promise<number> {
    while (!this.#sent.includes(text)) await this.#more(`"${text}"`);
    return performance.now() - this.#begunAt;
  }

  /** How long a key takes to change what is shown. */
  async press(key: string): Promise<number> {
    this.#sent = '';
    const begun = performance.now();
    this.#pty.write(key);
    await this.#more('a frame');
    return performance.now() - begun;
  }

  async shareOfCore(forMs: number): Promise<number> {
    const [ticks, begun] = [this.#ticks(), performance.now()];
    await sleep(forMs);
    const seconds = (performance.now() - begun) / 1000;
    return (this.#ticks() - ticks) / TICKS_PER_SECOND / seconds;
  }

  async leave(): Promise<void> {
    this.#pty.write('q');
    await Promise.race([this.#ended, sleep(LIMIT_MS)]);
    this.#pty.kill('SIGTERM');
    await this.#ended;
  }

  /** User and system time of all its threads. */
  #ticks(): number {
    const fields = readFileSync(`/proc/${this.#pty.pid}/stat`, 'utf8').split(') ')[1]?.split(' ');
    return Number(fields?.[11]) + Number(fields?.[12]);
  }

  async #more(what: string): Promise<void> {
    const limit = new AbortController();
    const tooLate = sleep(LIMIT_MS, undefined, { signal: limit.signal }).then(
      () => {
        throw new Error(`the screen never showed ${what}, but ${this.#sent}`);
      },
      () => {},
    );
    await Promise.race([
      tooLate,
      new Promise<void>((resolve) => {
        this.#told = resolve;
      }),
    ]);
    limit.abort();
  }
}
