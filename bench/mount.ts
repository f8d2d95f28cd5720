import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { fileSystemSnapshot } from './inputs.js';
import { median, printTable } from './measure.js';

const ROUNDS = 3;
const RANDOM_SECONDS = 3;
const READY_MILLISECONDS = 10_000;
const UNMOUNT_MILLISECONDS = 20_000;
const POLL_MILLISECONDS = 1;
const CACHE_MEBIBYTES = 256;
const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

interface Measure {
  readonly name: string;
  readonly unit: 'MB/s' | 'IOPS' | 'ms' | 'MiB';
  readonly wanted?: string;
}

const measures = {
  firstByte: { name: 'mount to first byte', unit: 'ms', wanted: '<= 400 ms' },
  coldRead: { name: 'sequential read, cold', unit: 'MB/s', wanted: '>= 0.75 x' },
  reread: { name: 'the same again', unit: 'MB/s', wanted: '>= 4 x' },
  randomRead: { name: '4 KiB random read, 1 job, cold', unit: 'IOPS' },
  randomRead4: { name: '4 KiB random read, 4 jobs, cold', unit: 'IOPS' },
  write: { name: 'sequential write', unit: 'MB/s', wanted: '>= 4 x' },
  randomWrite: { name: '4 KiB random write', unit: 'IOPS' },
  memory: {
    name: 'peak resident memory, reading',
    unit: 'MiB',
    wanted: `<= ${CACHE_MEBIBYTES + 150} MiB`,
  },
} as const satisfies Record<string, Measure>;

type MeasureName = keyof typeof measures;

/** One of those that are compared: how it is started, and what was measured. */
interface Contender {
  readonly program: string;
  readonly parameters: readonly string[];
  readonly results: Record<MeasureName, number[]>;
}

/**
 * A mount of 1 GiB of files, used by fio, beside the reference. They take turns, and each measurement has a
 * mount of its own, so that nothing is in the page cache but the snapshot file itself.
 */
export async function mount(): Promise<void> {
  if (spawnSync('fio', ['--version']).error !== undefined) throw new Error('apt install fio');
  const snapshot = fileSystemSnapshot('lz4');
  readFileSync(snapshot);
  const ours = contender(process.execPath, [COMMAND]);
  const { HEXZ_REFERENCE: reference } = process.env;
  const theirs = reference === undefined ? undefined : contender(reference, []);
  const directory = mkdtempSync(join(tmpdir(), 'hexz-bench-mount-'));
  const load = [loadavg()[0] ?? 0];
  const mounts = new Mounts(directory, snapshot);
  const stop = () => {
    mounts.sweep();
    process.exit(1);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const each of [ours, theirs]) {
        if (each !== undefined) await measureOnce(mounts, each);
      }
    }
  } finally {
    mounts.sweep();
    process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
  }
  load.push(loadavg()[0] ?? 0);
  process.stdout.write(
    `mount lz4: 1 GiB of files, medians of ${ROUNDS} rounds, load ${load.map((value) => value.toFixed(1)).join(' to ')}\n`,
  );
  const names = Object.keys(measures) as MeasureName[];
  printTable([
    ['', 'hexz', 'reference', 'hexz / reference', 'wanted'],
    ...names.map((name) => rowOf(measures[name], ours.results[name], theirs?.results[name] ?? [])),
  ]);
  if (theirs === undefined) process.stdout.write('  reference: HEXZ_REFERENCE is not set\n');
}

function contender(program: string, parameters: readonly string[]): Contender {
  const results = Object.fromEntries(Object.keys(measures).map((name) => [name, []]));
  return { program, parameters, results: results as unknown as Contender['results'] };
}

function rowOf({ name, unit, wanted = '' }: Measure, ours: number[], theirs: number[]): string[] {
  const format = (value: number) => `${value.toFixed(0)} ${unit}`;
  if (theirs.length === 0) return [name, format(median(ours)), '-', '-', wanted];
  const ratio = `${(median(ours) / median(theirs)).toFixed(2)} x`;
  return [name, format(median(ours)), format(median(theirs)), ratio, wanted];
}

async function measureOnce(mounts: Mounts, { results, ...command }: Contender): Promise<void> {
  const withMount = async (parameters: readonly string[], action: (mount: Mount) => void) => {
    const mount = await mounts.begin([command.program, ...command.parameters], parameters);
    action(mount);
    if (parameters.length === 0) {
      results.firstByte.push(mount.firstByteMilliseconds);
      results.memory.push(peakMebibytesOf(mount.process.pid));
    }
    await mounts.end(mount);
  };
  const randomly = [`--runtime=${RANDOM_SECONDS}`, '--time_based', '--bs=4k'];
  await withMount([], ({ disk }) => {
    results.coldRead.push(megabytesPerSecond(fio(disk, '--rw=read', '--bs=1M').read));
    // Without this fio would throw away what the kernel has cached.
    const again = fio(disk, '--rw=read', '--bs=1M', '--invalidate=0');
    results.reread.push(megabytesPerSecond(again.read));
  });
  await withMount([], ({ disk }) => {
    results.randomRead.push(fio(disk, '--rw=randread', ...randomly).read.iops);
  });
  await withMount([], ({ disk }) => {
    results.randomRead4.push(fio(disk, '--rw=randread', '--numjobs=4', ...randomly).read.iops);
  });
  await withMount(mounts.newOverlay(), ({ disk }) => {
    const written = fio(disk, '--rw=write', '--bs=1M', '--size=512M');
    results.write.push(megabytesPerSecond(written.write));
  });
  await withMount(mounts.newOverlay(), ({ disk }) => {
    results.randomWrite.push(fio(disk, '--rw=randwrite', ...randomly).write.iops);
  });
}

interface FioCounts {
  readonly iops: number;
  /** Bytes a second. */
  readonly bw_bytes: number;
}

export function fio(disk: string, ...parameters: string[]): { read: FioCounts; write: FioCounts } {
  const text = execFileSync(
    'fio',
    [
      '--name=bench',
      `--filename=${disk}`,
      '--ioengine=psync',
      '--fallocate=none',
      '--group_reporting',
      '--output-format=json',
      ...parameters,
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const { jobs } = JSON.parse(text) as { jobs: { read: FioCounts; write: FioCounts }[] };
  const [job] = jobs;
  if (job === undefined) throw new Error('fio measured nothing');
  return job;
}

export const megabytesPerSecond = ({ bw_bytes }: FioCounts): number => bw_bytes / 1e6;

export function peakMebibytesOf(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

interface Mount {
  readonly process: ChildProcess;
  readonly mountpoint: string;
  readonly disk: string;
  readonly firstByteMilliseconds: number;
}

/** Mounts and unmounts one snapshot again and again, and sweeps everything away whatever happens. */
export class Mounts {
  readonly #directory: string;
  readonly #snapshot: string;
  readonly #mountpoint: string;
  #process: ChildProcess | undefined;
  #overlays = 0;

  constructor(directory: string, snapshot: string) {
    this.#directory = directory;
    this.#snapshot = snapshot;
    this.#mountpoint = join(directory, 'mount');
    mkdirSync(this.#mountpoint);
  }

  /** Options of a writable mount that begins with an empty overlay. */
  newOverlay(): string[] {
    return ['--rw', '--overlay', join(this.#directory, `${this.#overlays++}.overlay`)];
  }

  async begin(command: readonly string[], parameters: readonly string[]): Promise<Mount> {
    const [program = '', ...first] = command;
    const all = [...first, 'mount', this.#snapshot, this.#mountpoint, ...parameters];
    const started = performance.now();
    const child = spawn(program, all, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#process = child;
    const disk = join(this.#mountpoint, 'disk');
    while (!this.#isMounted()) {
      if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
      if (performance.now() - started > READY_MILLISECONDS) throw new Error(`${program} hangs`);
      await sleep(POLL_MILLISECONDS);
    }
    const file = await open(disk);
    await file.read(Buffer.alloc(1), 0, 1, 0);
    const firstByteMilliseconds = performance.now() - started;
    await file.close();
    return { process: child, mountpoint: this.#mountpoint, disk, firstByteMilliseconds };
  }

  async end({ process: child, mountpoint }: Mount): Promise<void> {
    const ended = child.exitCode === null ? once(child, 'exit') : undefined;
    const deadline = performance.now() + UNMOUNT_MILLISECONDS;
    while (!unmountWith(mountpoint, [])) {
      if (performance.now() > deadline) throw new Error('the mount stays busy');
      await sleep(20);
    }
    await ended;
    this.#process = undefined;
  }

  sweep(): void {
    if (this.#isMounted()) unmountWith(this.#mountpoint, ['-z']);
    this.#process?.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #isMounted(): boolean {
    return readFileSync('/proc/mounts', 'utf8').includes(` ${this.#mountpoint} `);
  }
}

const unmountWith = (mountpoint: string, options: readonly string[]): boolean =>
  spawnSync('fusermount3', ['-u', ...options, mountpoint], { stdio: 'ignore' }).status === 0;
