import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlClient } from '../src/engine/control/client.js';
import { SnapshotWriter } from '../test/support/snapshotWriter.js';
import { median, printTable } from './measure.js';
import { peakMebibytesOf } from './mounts.js';

const EXTENTS = 1_000_000;
/** Every other page is dirty, so that no two make one extent. */
const STRIDE = 2;
const PAGE_BYTES = 4096;
const BLOCK_BYTES = 65_536;
const ROUNDS = 7;
const ENGINES = new URL('../../dist/engine/process/start.js', import.meta.url).href;

/**
 * A review of a million dirty extents: how long each request takes, and how long the thread that answers watchers is
 * held meanwhile. That is the longest time that another watcher waits for an answer which takes no time.
 */
export async function review(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'hexz-bench-review-'));
  process.env.XDG_RUNTIME_DIR = join(directory, 'run');
  mkdirSync(process.env.XDG_RUNTIME_DIR, { mode: 0o700 });
  const overlay = join(directory, 'disk.overlay');
  // Of the build: the programs of engine and threads lie beside it.
  const { startEngine } = (await import(
    ENGINES
  )) as typeof import('../src/engine/process/start.js');
  const engine = await startEngine({ snapshot: makeFiles(directory, overlay), overlay, rw: true });
  const client = await ControlClient.connect(engine.socketPath);
  const other = await ControlClient.connect(engine.socketPath);
  try {
    await client.request('lease', { kind: 'bound' });
    const rows = [['', 'time', 'held, median (wanted: < 10 ms)', 'longest']];
    const measure = async (name: string, action: (round: number) => Promise<unknown>) => {
      const times: number[] = [];
      const holds: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const { time, hold } = await held(other, () => action(round));
        times.push(time);
        holds.push(hold);
        // What follows from it is not measured with the next one.
        await saved(overlay, 0);
      }
      const [time, usually, longest] = [median(times), median(holds), Math.max(...holds)];
      rows.push([name, ...[time, usually, longest].map((ms) => `${ms.toFixed(1)} ms`)]);
    };
    const pages = (pageIndex: number) => ({ pageIndex, pageCount: 1 });
    await measure('nothing', () => sleep(500));
    await measure('first hunks, again', () => client.request('review', {}));
    await measure('first hunks, a page was written', async (round) => {
      const bytes = Buffer.alloc(PAGE_BYTES, round).toString('base64');
      await client.request('write', { offset: round * 20_000 * PAGE_BYTES, bytes });
      return client.request('review', {});
    });
    await measure('keep or drop a page', (round) =>
      client.request('decide', {
        change: { action: round % 2 === 0 ? 'keep' : 'drop', pages: pages(200_000) },
      }),
    );
    await measure('keep or drop everything', (round) =>
      client.request('decide', { change: { action: round % 2 === 0 ? 'keep' : 'drop' } }),
    );
    await measure('undo and redo that', (round) =>
      client.request('decide', { change: { action: round % 2 === 0 ? 'undo' : 'redo' } }),
    );
    const keepEveryOther = Array.from({ length: EXTENTS / 2 }, (_, each) => each * 2 * STRIDE);
    await measure('select every other one', () =>
      client.request('select', { selection: `${keepEveryOther.join('\n')}\n` }),
    );
    await measure('save', async (round) => {
      const change = { action: round % 2 === 0 ? 'keep' : 'drop', pages: pages(2) } as const;
      await client.request('decide', { change });
      await saved(overlay, 1500);
    });
    await measure('selection', () => client.stream('selection', {}).onlyResult());
    const output = join(directory, 'out.hxz');
    await measure('plan of a commit', () => client.request('planCommit', { output }));
    for await (const _ of client.stream('diff', {}).batches());
    process.stdout.write(`review: ${EXTENTS.toLocaleString('en')} dirty extents\n`);
    printTable(rows);
    const peak = peakMebibytesOf(engine.pid).toFixed(0);
    process.stdout.write(
      `  peak memory of the engine, a diff of everything included: ${peak} MiB\n`,
    );
    const begun = performance.now();
    await client.request('shutdown', {});
    await client.closed;
    process.stdout.write(`  ended in ${(performance.now() - begun).toFixed(0)} ms\n`);
  } finally {
    await Promise.all([client.close(), other.close()]);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs an action while another watcher asks again and again for what is answered at once. */
async function held(
  other: ControlClient,
  action: () => Promise<unknown>,
): Promise<{ time: number; hold: number }> {
  let isOver = false;
  let hold = 0;
  const asking = (async () => {
    while (!isOver) {
      const begun = performance.now();
      await other.request('dirty', { limit: 1 });
      hold = Math.max(hold, performance.now() - begun);
    }
  })();
  const begun = performance.now();
  await action();
  const time = performance.now() - begun;
  isOver = true;
  await asking;
  return { time, hold };
}

/** Waits until the file of the review has not changed for a while. */
async function saved(overlay: string, atLeastMs: number): Promise<void> {
  await sleep(atLeastMs);
  const path = `${overlay}.hexz-review.json`;
  const stateOf = (): string => {
    const stats = statSync(path, { throwIfNoEntry: false });
    return `${stats?.ino} ${stats?.mtimeMs}`;
  };
  for (let before = ''; before !== stateOf(); ) {
    before = stateOf();
    await sleep(1500);
  }
}

/** A snapshot of zeros, and an overlay that another program could have left: a data file of holes, and its list. */
function makeFiles(directory: string, overlay: string): string {
  const snapshot = join(directory, 'zeros.hxz');
  const length = EXTENTS * STRIDE * PAGE_BYTES;
  const writer = new SnapshotWriter(snapshot);
  for (let offset = 0; offset < length; offset += BLOCK_BYTES) writer.addZero(BLOCK_BYTES);
  writer.finish();
  writeFileSync(overlay, '');
  truncateSync(overlay, length);
  const list = new BigUint64Array(EXTENTS).map((_, entry) => BigInt(entry * STRIDE));
  writeFileSync(join(directory, 'disk.meta'), Buffer.from(list.buffer));
  return snapshot;
}
