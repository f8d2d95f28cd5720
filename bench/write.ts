import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { markedBytes, randomFrom } from '../test/support/overlay/memoryBase.js';
import { fileSystemImage } from './inputs.js';
import { median, printTable } from './measure.js';

const ROUNDS = 5;
const CHANGED_PAGES = 500;
const PAGE_BYTES = 4096;
const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** What is measured: the same command for both, but for flags that one of them lacks. */
interface Task {
  readonly name: string;
  readonly wanted: string;
  readonly output: string;
  readonly parameters: readonly string[];
  readonly own?: { readonly parameters?: readonly string[]; readonly bundled?: boolean };
}

interface Contender {
  readonly name: string;
  readonly program: readonly string[];
  readonly isReference: boolean;
}

interface Run {
  readonly seconds: number;
  readonly peakMebibytes: number;
  readonly bytes: number;
}

/**
 * Packing a 1 GiB file system, and committing 500 scattered pages of it, as whole processes beside the
 * reference, in turns. Everything is in the page cache; hexz also brings its file onto the disk, reads it back and compares.
 */
export async function write(): Promise<void> {
  const image = fileSystemImage();
  readFileSync(image, { flag: 'r' });
  const directory = mkdtempSync(join(tmpdir(), 'hexz-bench-write-'));
  const load = loadavg()[0] ?? 0;
  const { HEXZ_REFERENCE: reference } = process.env;
  const ours: Contender = {
    name: 'hexz',
    program: [process.execPath, COMMAND],
    isReference: false,
  };
  const theirs: Contender[] =
    reference === undefined ? [] : [{ name: 'reference', program: [reference], isReference: true }];
  try {
    const base = join(directory, 'base.hxz');
    await run(ours, ['pack', '--silent', '--disk', image, '-o', base], base);
    const overlay = join(directory, 'changes.overlay');
    scatterPages(overlay);
    const rows: string[][] = [];
    for (const task of tasks(directory, image, base, overlay)) {
      const runs = new Map<Contender, Run[]>();
      for (let round = 0; round < ROUNDS; round++) {
        for (const contender of [ours, ...theirs]) {
          const done = await runTask(contender, task);
          runs.set(contender, [...(runs.get(contender) ?? []), done]);
        }
      }
      rows.push(rowOf(task, runs.get(ours) ?? [], runs.get(theirs[0] ?? ours) ?? []));
    }
    process.stdout.write(
      `write: 1 GiB of files, medians of ${ROUNDS} runs, load ${load.toFixed(1)} to ${(loadavg()[0] ?? 0).toFixed(1)}\n`,
    );
    const heading = ['', 'hexz', 'reference', 'faster', 'wanted', 'size', 'reference', 'peak'];
    printTable([heading, ...rows]);
    if (reference === undefined) process.stdout.write('  reference: HEXZ_REFERENCE is not set\n');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function tasks(directory: string, image: string, base: string, overlay: string): Task[] {
  const output = join(directory, 'out.hxz');
  const pack = ['pack', '--silent', '--disk', image, '-o', output];
  const commit = ['commit', base, overlay, output, '--keep-overlay'];
  return [
    { name: 'pack lz4', wanted: '>= 0.9 x', output, parameters: pack },
    {
      name: 'pack zstd',
      wanted: '>= 1.0 x',
      output,
      parameters: [...pack, '--compression', 'zstd'],
    },
    {
      name: 'pack zstd, bundled encoder',
      wanted: '127 MB/s a core',
      output,
      parameters: [...pack, '--compression', 'zstd'],
      own: { bundled: true },
    },
    { name: 'commit thick, 500 pages', wanted: '>= 2 x', output, parameters: commit },
    { name: 'commit thin, 500 pages', wanted: '>= 8 x', output, parameters: [...commit, '--thin'] },
    {
      name: 'commit thick to zstd',
      wanted: '',
      output,
      parameters: [...commit, '--compression', 'zstd'],
    },
  ];
}

function runTask(contender: Contender, { output, parameters, own }: Task): Promise<Run> {
  rmSync(output, { force: true });
  const isBundled = own?.bundled === true && !contender.isReference;
  return run(contender, parameters, output, isBundled ? { HEXZ_CODECS: 'bundled' } : {});
}

/** One process from start to end; its peak memory is that of the whole process. */
function run(
  { program: [program = '', ...first] }: Contender,
  parameters: readonly string[],
  output: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const started = performance.now();
  const child = spawn('/usr/bin/time', ['-f', '%M', program, ...first, ...parameters], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', () => reject(new Error('apt install time')));
    child.on('close', (status) => {
      if (status !== 0) {
        reject(new Error(`${program} ${parameters.join(' ')}: ${errors}`));
        return;
      }
      resolve({
        seconds: (performance.now() - started) / 1000,
        peakMebibytes: Number(errors.trim().split('\n').at(-1)) / 1024,
        bytes: statSync(output).size,
      });
    });
  });
}

/** An overlay as the Rust hexz keeps it: both can commit it. */
function scatterPages(path: string): void {
  const random = randomFrom(1);
  const data = openSync(path, 'w');
  const pages = new Set<number>();
  while (pages.size < CHANGED_PAGES) pages.add(Math.floor(random() * (1024 ** 3 / PAGE_BYTES)));
  const list = Buffer.alloc(pages.size * 8);
  [...pages].forEach((page, position) => {
    writeSync(data, markedBytes(PAGE_BYTES, page), 0, PAGE_BYTES, page * PAGE_BYTES);
    list.writeBigUInt64LE(BigInt(page), position * 8);
  });
  closeSync(data);
  const listFile = openSync(path.replace(/\.overlay$/, '.meta'), 'w');
  writeSync(listFile, list);
  closeSync(listFile);
}

function rowOf({ name, wanted }: Task, ours: readonly Run[], theirs: readonly Run[]): string[] {
  const seconds = (runs: readonly Run[]) => median(runs.map((each) => each.seconds));
  const size = (runs: readonly Run[]) => `${((runs[0]?.bytes ?? 0) / 1e6).toFixed(1)} MB`;
  const peak = Math.max(...ours.map(({ peakMebibytes }) => peakMebibytes));
  const isCompared = theirs !== ours;
  return [
    name,
    `${seconds(ours).toFixed(2)} s`,
    isCompared ? `${seconds(theirs).toFixed(2)} s` : '-',
    isCompared ? `${(seconds(theirs) / seconds(ours)).toFixed(2)} x` : '-',
    wanted,
    size(ours),
    isCompared ? size(theirs) : '-',
    `${peak.toFixed(0)} MiB`,
  ];
}
