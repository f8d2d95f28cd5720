import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { compressedQcow2, fileSystemImage, fileSystemSnapshot } from './inputs.js';
import { median, printTable } from './measure.js';

const ROUNDS = 5;
const RANDOM_SECONDS = 3;
const READY_MILLISECONDS = 10_000;
const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const measures = {
  'nbdcopy of 1 GiB, 1 connection, s': (url: string) => copySeconds(url, 1),
  'nbdcopy of 1 GiB, 4 connections, s': (url: string) => copySeconds(url, 4),
  '4 KiB random reads, queue depth 16, IOPS': randomReads,
} as const;

/** A server that is compared. */
interface Contender {
  readonly name: string;
  /** Its command, for a port on 127.0.0.1. */
  command(port: number): readonly string[];
}

/** An NBD server of 1 GiB of files beside others. They take turns; each measurement has a server of its own. */
export async function nbd(): Promise<void> {
  for (const tool of ['nbdcopy', 'fio', 'qemu-nbd', 'nbdkit']) {
    if (spawnSync(tool, ['--version']).error === undefined) continue;
    throw new Error('apt install libnbd-bin fio qemu-utils nbdkit');
  }
  const contenders = findContenders();
  const directory = mkdtempSync(join(tmpdir(), 'hexz-bench-nbd-'));
  const load = [loadavg()[0] ?? 0];
  const rows = [['', ...contenders.map(({ name }) => name)]];
  try {
    for (const [name, measure] of Object.entries(measures)) {
      const results = contenders.map(() => [] as number[]);
      for (let round = 0; round < ROUNDS; round++) {
        for (const [index, contender] of contenders.entries()) {
          const server = await Server.start(contender, directory);
          try {
            results[index]?.push(measure(server.url));
          } finally {
            await server.end();
          }
        }
      }
      const digits = name.endsWith('s') && !name.endsWith('IOPS') ? 2 : 0;
      rows.push([name, ...results.map((values) => median(values).toFixed(digits))]);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  load.push(loadavg()[0] ?? 0);
  process.stdout.write(
    `nbd: 1 GiB of files, medians of ${ROUNDS} rounds, load ${load.map((value) => value.toFixed(1)).join(' to ')}\n`,
  );
  printTable(rows);
}

function findContenders(): Contender[] {
  const snapshot = fileSystemSnapshot('lz4');
  const image = fileSystemImage();
  const qcow2 = compressedQcow2();
  for (const path of [snapshot, image, qcow2]) readFileSync(path);
  const { HEXZ_REFERENCE: reference } = process.env;
  if (reference === undefined) process.stdout.write('  reference: HEXZ_REFERENCE is not set\n');
  const serve = (command: readonly string[]) => (port: number) => [
    ...command,
    'serve',
    snapshot,
    '--nbd',
    '--port',
    String(port),
  ];
  return [
    { name: 'hexz', command: serve([process.execPath, COMMAND]) },
    ...(reference === undefined ? [] : [{ name: 'reference', command: serve([reference]) }]),
    {
      name: 'qemu-nbd, zstd qcow2',
      command: (port) => [
        'qemu-nbd',
        '-r',
        '-t',
        '-e',
        '16',
        '-b',
        '127.0.0.1',
        '-p',
        String(port),
        qcow2,
      ],
    },
    {
      name: 'nbdkit, raw file',
      command: (port) => [
        'nbdkit',
        '-f',
        '-r',
        '-i',
        '127.0.0.1',
        '-p',
        String(port),
        'file',
        image,
      ],
    },
  ];
}

class Server {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#process = child;
    this.url = `nbd://127.0.0.1:${port}`;
  }

  static async start({ command }: Contender, cwd: string): Promise<Server> {
    const port = await freePort();
    const [program = '', ...parameters] = command(port);
    const child = spawn(program, parameters, { cwd, stdio: 'ignore' });
    const deadline = performance.now() + READY_MILLISECONDS;
    while (!(await answers(port))) {
      if (performance.now() > deadline) throw new Error(`${program} does not listen`);
      await sleep(20);
    }
    return new Server(child, port);
  }

  async end(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill();
    await ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function copySeconds(url: string, connections: number): number {
  const startedAt = performance.now();
  execFileSync('nbdcopy', [`--connections=${connections}`, url, 'null:'], { stdio: 'ignore' });
  return (performance.now() - startedAt) / 1000;
}

function randomReads(url: string): number {
  const parameters = ['--rw=randread', '--bs=4k', '--iodepth=16', '--time_based'];
  const output = execFileSync(
    'fio',
    [
      '--name=bench',
      '--ioengine=nbd',
      `--uri=${url}`,
      `--runtime=${RANDOM_SECONDS}`,
      '--size=1g',
      '--output-format=json',
      ...parameters,
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  // It says to whom it connects, first.
  const { jobs } = JSON.parse(output.slice(output.indexOf('{'))) as {
    jobs: { read: { iops: number } }[];
  };
  return jobs[0]?.read.iops ?? Number.NaN;
}
