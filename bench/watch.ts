import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { HexzError } from '../src/engine/errors.js';
import { findEngine } from '../src/engine/process/start.js';
import { within } from '../test/support/until.js';
import { fileSystemSnapshot } from './inputs.js';
import { median, printTable } from './measure.js';
import { fio, Mounts, megabytesPerSecond } from './mounts.js';

const ROUNDS = 7;
const RANDOM_SECONDS = 3;
const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const WATCHER = fileURLToPath(new URL('./watcher.js', import.meta.url));

const measures = {
  'sequential read, cold, MB/s': (disk: string) =>
    megabytesPerSecond(fio(disk, '--rw=read', '--bs=1M').read),
  '4 KiB random read, cold, IOPS': (disk: string) =>
    fio(disk, '--rw=randread', `--runtime=${RANDOM_SECONDS}`, '--time_based', '--bs=4k').read.iops,
} as const;

/**
 * What it costs a mount to be watched by three programs 30 times a second, one of which does not read what it is sent.
 * With and without take turns, each on a new mount; the cost is the median of the ratios of one round.
 */
export async function watch(): Promise<void> {
  const snapshot = fileSystemSnapshot('lz4');
  readFileSync(snapshot);
  const mounts = new Mounts(mkdtempSync(join(tmpdir(), 'hexz-bench-watch-')));
  const stop = () => {
    mounts.sweep();
    process.exit(1);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const load = [loadavg()[0] ?? 0];
  const rows = [['', 'alone', 'watched', 'cost', 'wanted']];
  try {
    for (const [name, measure] of Object.entries(measures)) {
      const results = { alone: [] as number[], watched: [] as number[] };
      for (let round = 0; round < 2 * ROUNDS; round++) {
        // Nobody is always the first.
        const isWatched = (round + (round >> 1)) % 2 === 1;
        const mount = await mounts.begin([
          process.execPath,
          COMMAND,
          'mount',
          snapshot,
          mounts.mountpoint,
        ]);
        const socketPath = await within('an engine', socketOf(mount.mountpoint));
        const watchers = isWatched ? await startWatchers(socketPath) : [];
        results[isWatched ? 'watched' : 'alone'].push(measure(mount.disk));
        for (const watcher of watchers) watcher.kill('SIGKILL');
        await mounts.end(mount);
      }
      rows.push(rowOf(name, results));
    }
  } finally {
    mounts.sweep();
    process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
  }
  load.push(loadavg()[0] ?? 0);
  process.stdout.write(
    `watch lz4: medians of ${ROUNDS} rounds, load ${load.map((value) => value.toFixed(1)).join(' to ')}\n`,
  );
  printTable(rows);
}

function rowOf(
  name: string,
  { alone, watched }: { readonly alone: number[]; readonly watched: number[] },
): string[] {
  const ratios = watched.map((value, round) => value / (alone[round] ?? Number.NaN));
  const cost = `${((1 - median(ratios)) * 100).toFixed(1)} %`;
  return [name, median(alone).toFixed(0), median(watched).toFixed(0), cost, '<= 5 %'];
}

/** An engine is listed a moment after its mount is there. */
async function socketOf(mountpoint: string): Promise<string> {
  for (;;) {
    try {
      return findEngine(mountpoint).socketPath;
    } catch (error) {
      if (!(error instanceof HexzError) || error.code !== 'NOT_MOUNTED') throw error;
      await sleep(5);
    }
  }
}

async function startWatchers(socketPath: string): Promise<readonly ChildProcess[]> {
  return Promise.all(
    ['reads', 'reads', 'stalls'].map(async (how) => {
      const watcher = spawn(process.execPath, [WATCHER, socketPath, how], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(watcher.stdout, 'data');
      return watcher;
    }),
  );
}
