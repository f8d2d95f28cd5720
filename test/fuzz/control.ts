import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { Sandbox } from '../support/sandbox.js';
import { packSnapshot } from '../support/snapshots.js';
import { someBytes } from '../support/streams.js';
import { within } from '../support/until.js';
import { type Move, move } from './requests.js';
import { FuzzedWatcher } from './watchers.js';

const WATCHERS = 6;
const CHUNK = 1000;
const DISK_BYTES = 64 * 1024 * 1024;
/** What a read may wait at most on a machine with a core to spare; where there is none, compare with the quiet mount. */
const WANTED_STALL_MS = 50;
/** Longer is no matter of a busy machine. */
const HANG_MS = 2000;

interface Latencies {
  readonly count: number;
  readonly p50: number;
  readonly p999: number;
  readonly longest: number;
}

/** A module of the build, beside which the program of an engine lies. This one runs in build/test/fuzz. */
const built = (path: string): Promise<unknown> =>
  import(new URL(`../../../dist/${path}`, import.meta.url).href);

/**
 * Watchers that say anything at all to an engine, while a program reads its mount: the engine goes on, answers one that
 * behaves, answers no error that is a bug, and no read waits for any of it.
 *
 * @throws Error that names the seed
 */
export async function fuzzControl(runs: number, seed: number): Promise<void> {
  const sandbox = new Sandbox();
  Object.assign(process.env, sandbox.environment);
  try {
    await run(sandbox, runs, seed);
  } finally {
    await sandbox.sweep();
  }
}

async function run(sandbox: Sandbox, runs: number, seed: number): Promise<void> {
  const { startEngine } = (await built(
    'engine/process/start.js',
  )) as typeof import('../../src/engine/process/start.js');
  const { ControlClient } = (await built(
    'engine/control/client.js',
  )) as typeof import('../../src/engine/control/client.js');
  const disk = Buffer.concat([someBytes(DISK_BYTES / 4), Buffer.alloc((DISK_BYTES * 3) / 4)]);
  const snapshot = packSnapshot(sandbox.path('disk.hxz'), { disk, memory: someBytes(1_000_000) });
  const mountpoints = [sandbox.newDirectory(), sandbox.newDirectory()];
  const [mountpoint, quiet] = mountpoints;
  const engine = await startEngine({ snapshot, mountpoint, rw: true });
  // What a read of it costs, the machine costs.
  await startEngine({ snapshot, mountpoint: quiet, rw: true });
  const client = await ControlClient.connect(engine.socketPath);
  await client.request('lease', { kind: 'bound' });
  const reader = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('./mountReader.js', import.meta.url)),
      String(DISK_BYTES),
      ...mountpoints.map((path) => join(path, 'disk')),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  let output = '';
  reader.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const bugs: string[] = [];
  const watchers = Array.from(
    { length: WATCHERS },
    () => new FuzzedWatcher(engine.socketPath, (what) => bugs.push(what)),
  );
  const started = performance.now();
  let done = 0;
  while (done < runs && bugs.length === 0) {
    const count = Math.min(CHUNK, runs - done);
    const moves = fc.sample(move(), { numRuns: count, seed: seed + done });
    await Promise.all(
      watchers.map((watcher, index) =>
        doAll(
          watcher,
          moves.filter((_, number) => number % WATCHERS === index),
        ),
      ),
    );
    done += count;
    // One that behaves is answered, over the connection that it had from the beginning.
    const { pid } = await within('an answer', client.request('state', {}));
    if (pid !== engine.pid) throw new Error('another engine answers');
    if (done % 10_000 === 0) process.stderr.write(`${done} messages\n`);
  }
  const seconds = (performance.now() - started) / 1000;
  for (const watcher of watchers) watcher.end();
  reader.stdin.end();
  await once(reader, 'close');
  const [mount, control] = JSON.parse(output) as [Latencies, Latencies];
  const peakMebibytes = peakMebibytesOf(engine.pid);
  await client.request('shutdown', { isLazy: true });
  await client.close();
  const [bug] = bugs;
  if (bug !== undefined) throw new Error(`${bug} (--control --seed ${seed})`);
  const sum = (of: 'connections' | 'replies') => watchers.reduce((all, each) => all + each[of], 0);
  process.stdout.write(
    `${done} messages in ${seconds.toFixed(0)} s over ${sum('connections')} connections, ${sum('replies')} replies: ` +
      `the engine goes on, peak memory ${peakMebibytes.toFixed(0)} MiB\n` +
      `reads of the mount meanwhile: ${describe(mount)}\n` +
      `of a mount that nobody watches: ${describe(control)}\n`,
  );
  const isMet = mount.longest <= WANTED_STALL_MS;
  process.stdout.write(`wanted: longest <= ${WANTED_STALL_MS} ms: ${isMet ? 'met' : 'missed'}\n`);
  if (mount.longest > HANG_MS) throw new Error('reads of the mount hang');
}

async function doAll(watcher: FuzzedWatcher, moves: readonly Move[]): Promise<void> {
  for (const next of moves) await watcher.do(next);
}

const describe = ({ count, p50, p999, longest }: Latencies): string =>
  `${count}, median ${p50.toFixed(2)} ms, 99.9 % within ${p999.toFixed(1)} ms, longest ${longest.toFixed(1)} ms`;

function peakMebibytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
