import { spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileSystemSnapshot, squashedImage } from './inputs.js';
import { median, printTable } from './measure.js';
import { fio, type Mount, Mounts, megabytesPerSecond, peakMebibytesOf } from './mounts.js';

const ROUNDS = 3;
const RANDOM_SECONDS = 3;
const CACHE_MEBIBYTES = 256;
const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const measures = {
  firstByte: { name: 'mount to first byte', unit: 'ms', wanted: '<= 350 ms' },
  coldRead: { name: 'sequential read, cold', unit: 'MB/s', wanted: '>= 1.5 x' },
  reread: { name: 'the same again', unit: 'MB/s', wanted: '>= 5 x' },
  memory: {
    name: 'peak resident memory, reading',
    unit: 'MiB',
    wanted: `<= ${CACHE_MEBIBYTES + 150} MiB`,
  },
  randomRead: { name: '4 KiB random read, 1 job, cold', unit: 'IOPS', wanted: '>= 2 x' },
  randomRead4: { name: '4 KiB random read, 4 jobs, cold', unit: 'IOPS', wanted: '>= 1.4 x' },
  write: { name: 'sequential write, new overlay', unit: 'MB/s', wanted: '>= 6 x' },
  rewrite: { name: 'the same over dirty pages', unit: 'MB/s', wanted: '>= 15 x' },
  randomWrite: { name: '4 KiB random write', unit: 'IOPS', wanted: '>= 1.2 x' },
  writeback: { name: 'the same with --writeback, and fsync', unit: 'IOPS', wanted: '>= 4 x' },
  coldZstd: { name: 'zstd: sequential read, cold', unit: 'MB/s', wanted: '>= 1.2 x' },
} as const;

type MeasureName = keyof typeof measures;

/** What a mount is of, and how it can be used. */
interface Wish {
  readonly compression: 'lz4' | 'zstd';
  readonly isWritable: boolean;
  readonly hasWriteback: boolean;
}

/** One of those that are compared. */
interface Contender {
  readonly name: string;
  /** What mounts it; undefined where it cannot fulfil the wish. */
  command(mounts: Mounts, wish: Wish): readonly string[] | undefined;
  readonly results: Partial<Record<MeasureName, number[]>>;
}

/** Something that is done with a mount of its own, so that nothing is in the page cache but the mounted file. */
interface Work {
  readonly wish: Partial<Wish>;
  run(mount: Mount): Partial<Record<MeasureName, number>>;
}

const randomly = [`--runtime=${RANDOM_SECONDS}`, '--time_based', '--bs=4k'];
const works: readonly Work[] = [
  {
    wish: {},
    run: ({ disk, process: { pid, exitCode }, firstByteMilliseconds }) => ({
      firstByte: firstByteMilliseconds,
      coldRead: megabytesPerSecond(fio(disk, '--rw=read', '--bs=1M').read),
      // Without this fio would throw away what the kernel has cached.
      reread: megabytesPerSecond(fio(disk, '--rw=read', '--bs=1M', '--invalidate=0').read),
      ...(exitCode === null ? { memory: peakMebibytesOf(pid) } : {}),
    }),
  },
  {
    wish: {},
    run: ({ disk }) => ({ randomRead: fio(disk, '--rw=randread', ...randomly).read.iops }),
  },
  {
    wish: {},
    run: ({ disk }) => ({
      randomRead4: fio(disk, '--rw=randread', '--numjobs=4', ...randomly).read.iops,
    }),
  },
  {
    wish: { isWritable: true },
    run: ({ disk }) => {
      const write = () => fio(disk, '--rw=write', '--bs=1M', '--size=512M').write;
      return { write: megabytesPerSecond(write()), rewrite: megabytesPerSecond(write()) };
    },
  },
  {
    wish: { isWritable: true },
    run: ({ disk }) => ({ randomWrite: fio(disk, '--rw=randwrite', ...randomly).write.iops }),
  },
  {
    wish: { isWritable: true, hasWriteback: true },
    run: ({ disk }) => {
      const { write } = fio(disk, '--rw=randwrite', ...randomly);
      const seconds = write.runtime / 1000 + secondsToSync(disk);
      return { writeback: write.total_ios / seconds };
    },
  },
  {
    wish: { compression: 'zstd' },
    run: ({ disk }) => ({
      coldZstd: megabytesPerSecond(fio(disk, '--rw=read', '--bs=1M').read),
    }),
  },
];

/**
 * Mounts of 1 GiB of files, used by fio: our backends beside the reference and SquashFS, of the same image and with the
 * same cache. They take turns.
 */
export async function mount(): Promise<void> {
  if (spawnSync('fio', ['--version']).error !== undefined) throw new Error('apt install fio');
  for (const compression of ['lz4', 'zstd'] as const) readFileSync(fileSystemSnapshot(compression));
  const contenders = findContenders();
  const load = [loadavg()[0] ?? 0];
  const mounts = new Mounts(mkdtempSync(join(tmpdir(), 'hexz-bench-mount-')));
  const stop = () => {
    mounts.sweep();
    process.exit(1);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const work of works) {
        for (const each of contenders) await measureOnce(mounts, each, work);
      }
    }
  } finally {
    mounts.sweep();
    process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
  }
  load.push(loadavg()[0] ?? 0);
  process.stdout.write(
    `mount: 1 GiB of files in blocks of 64 KiB, lz4 if not said otherwise; medians of ${ROUNDS} rounds, load ${load.map((value) => value.toFixed(1)).join(' to ')}\n`,
  );
  const names = Object.keys(measures) as MeasureName[];
  printTable([
    ['', ...contenders.map(({ name }) => name), 'hexz / reference', 'wanted'],
    ...names.map((name) => rowOf(name, contenders)),
  ]);
}

/** Those that this machine has; says which are missing. */
function findContenders(): Contender[] {
  const { HEXZ_REFERENCE: reference } = process.env;
  const contenders = [
    ours('hexz', 'kernel'),
    ours('fuse-native', 'fuse-native'),
    ...(reference === undefined ? [] : [contender('reference', mountBy([reference]))]),
  ];
  if (reference === undefined) process.stdout.write('  reference: HEXZ_REFERENCE is not set\n');
  const squashed = squashedImage();
  if (squashed === undefined) {
    process.stdout.write('  SquashFS: apt install squashfs-tools squashfuse\n');
    return contenders;
  }
  const readOnly =
    (command: readonly string[]): Contender['command'] =>
    ({ mountpoint }, { isWritable, compression }) =>
      isWritable || compression !== 'lz4' ? undefined : [...command, squashed, mountpoint];
  return [
    ...contenders,
    contender('kernel squashfs', readOnly(['mount', '-t', 'squashfs', '-o', 'loop,ro'])),
    contender('squashfuse', readOnly(['squashfuse', '-f'])),
  ];
}

const contender = (name: string, command: Contender['command']): Contender => ({
  name,
  command,
  results: {},
});

function ours(name: string, backend: string): Contender {
  const mountWith = mountBy([process.execPath, COMMAND]);
  return contender(name, (mounts, wish) => {
    if (wish.hasWriteback && backend !== 'kernel') return undefined;
    const options = wish.hasWriteback ? ['--writeback'] : [];
    return [...(mountWith(mounts, wish) ?? []), '--backend', backend, ...options];
  });
}

/** The command `mount`, of ours and of the reference. What it does without --writeback stands for it with. */
const mountBy =
  (command: readonly string[]): Contender['command'] =>
  (mounts, { compression, isWritable }) => [
    ...command,
    'mount',
    fileSystemSnapshot(compression),
    mounts.mountpoint,
    '--cache-size',
    `${CACHE_MEBIBYTES}M`,
    ...(isWritable ? mounts.newOverlay() : []),
  ];

async function measureOnce(mounts: Mounts, { command, results }: Contender, work: Work) {
  const wish: Wish = {
    compression: 'lz4',
    isWritable: false,
    hasWriteback: false,
    ...work.wish,
  };
  const mountCommand = command(mounts, wish);
  if (mountCommand === undefined) return;
  const mounted = await mounts.begin(mountCommand);
  const values = work.run(mounted);
  await mounts.end(mounted);
  for (const name of Object.keys(values) as MeasureName[]) {
    const value = values[name];
    if (value === undefined) continue;
    results[name] ??= [];
    results[name].push(value);
  }
}

function secondsToSync(path: string): number {
  const started = performance.now();
  const descriptor = openSync(path, 'r+');
  fsyncSync(descriptor);
  closeSync(descriptor);
  return (performance.now() - started) / 1000;
}

function rowOf(name: MeasureName, contenders: readonly Contender[]): string[] {
  const { name: label, unit, wanted } = measures[name];
  const medianOf = (each: Contender | undefined) => median(each?.results[name] ?? []);
  const format = (value: number) => (Number.isNaN(value) ? '-' : `${value.toFixed(0)} ${unit}`);
  const ratio =
    medianOf(contenders[0]) / medianOf(contenders.find((each) => each.name === 'reference'));
  return [
    label,
    ...contenders.map((each) => format(medianOf(each))),
    Number.isNaN(ratio) ? '-' : `${ratio.toFixed(2)} x`,
    wanted,
  ];
}
