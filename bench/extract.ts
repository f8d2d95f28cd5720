import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Compression } from '../src/engine/format/types.js';
import { fileSystemSnapshot } from './inputs.js';
import { median, print } from './measure.js';

const ROUNDS = 7;
const READY_MS = 5000;
const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/**
 * `hexz extract -o /dev/null` as a whole process, beside the reference's fastest way to read everything:
 * its NBD server, already running, with nbdcopy. The two take turns.
 */
export async function extract(): Promise<void> {
  for (const compression of ['lz4', 'zstd'] as const) await compare(compression);
}

async function compare(compression: Compression): Promise<void> {
  const path = fileSystemSnapshot(compression);
  const reference = process.env.HEXZ_REFERENCE;
  const ours: number[] = [];
  const theirs: number[] = [];
  const server = reference === undefined ? undefined : await startServer(reference, path);
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      const arguments_ = [COMMAND, 'extract', path, '--stream', 'disk', '-o', '/dev/null'];
      const elapsed = timeCommand(process.execPath, arguments_);
      if (round > 0) ours.push(elapsed);
      if (server === undefined) continue;
      const copied = timeCommand('nbdcopy', [`nbd://127.0.0.1:${server.port}`, 'null:']);
      if (round > 0) theirs.push(copied);
    }
  } finally {
    server?.process.kill();
  }
  process.stdout.write(`extract ${compression}: 1 GiB to /dev/null, whole process\n`);
  const rows: (readonly [string, string])[] = [['hexz extract', describe(ours)]];
  if (server === undefined) {
    rows.push(['reference', 'not measured: HEXZ_REFERENCE is not set']);
  } else {
    rows.push(['reference NBD + nbdcopy', describe(theirs)]);
    rows.push([
      'speed against the reference (wanted: >= 0.8)',
      (median(theirs) / median(ours)).toFixed(2),
    ]);
  }
  print(rows);
}

const describe = (seconds: readonly number[]): string =>
  `${median(seconds).toFixed(3)} s median (${Math.min(...seconds).toFixed(3)} to ${Math.max(...seconds).toFixed(3)})`;

function timeCommand(command: string, arguments_: readonly string[]): number {
  const start = performance.now();
  const { status, error } = spawnSync(command, arguments_, {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ended with ${status}`);
  return (performance.now() - start) / 1000;
}

async function startServer(
  binary: string,
  snapshot: string,
): Promise<{ process: ChildProcess; port: number }> {
  const port = await freePort();
  const server = spawn(binary, ['serve', snapshot, '--nbd', '--port', String(port)], {
    stdio: 'ignore',
  });
  const deadline = performance.now() + READY_MS;
  while (!(await answers(port))) {
    if (performance.now() > deadline) {
      server.kill();
      throw new Error('the NBD server of the reference did not start');
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { process: server, port };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('no port'));
      else server.close(() => resolve(address.port));
    });
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('data', () => socket.destroy());
  });
}
