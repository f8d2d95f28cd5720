import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { createActivity } from '../src/engine/volume/createActivity.js';
import { openOverlay } from '../src/engine/volume/openOverlay.js';
import { ServingThreads } from '../src/engine/volume/servingThreads.js';
import { openSnapshot } from '../src/index.js';
import { fileSystemSnapshot } from './inputs.js';
import { median, printTable } from './measure.js';
import type { WriteOrder } from './writerWorker.js';

const ROUNDS = 5;
const BYTES = 256 * 1024 ** 2;
const PAGE_BYTES = 4096;
const MEBIBYTE = 1024 ** 2;

const orders = [
  { name: '1 MiB in order, MB/s', pieceBytes: MEBIBYTE, isScattered: false },
  { name: '4 KiB scattered, 1000/s', pieceBytes: PAGE_BYTES, isScattered: true },
] as const;

/** What one thread that is attached to a volume writes, and two at once: new pages, and pages that are dirty. */
export async function writers(): Promise<void> {
  const rows = [['', 'one, new', 'one, dirty', 'two, new', 'two, dirty']];
  for (const { name, pieceBytes, isScattered } of orders) {
    const cells: string[] = [];
    for (const threadCount of [1, 2]) {
      const rates: number[][] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        const order = { pieceBytes, isScattered, pieceCount: BYTES / pieceBytes / threadCount };
        const seconds = await secondsOf(threadCount, order);
        const work = pieceBytes === MEBIBYTE ? BYTES / 1e6 : BYTES / pieceBytes / 1000;
        seconds.forEach((each, kind) => {
          rates[kind]?.push(work / each);
        });
      }
      cells.push(...rates.map((each) => median(each).toFixed(0)));
    }
    rows.push([name, ...cells]);
  }
  process.stdout.write(`writers: medians of ${ROUNDS}, load ${(loadavg()[0] ?? 0).toFixed(1)}\n`);
  printTable(rows);
}

/** Of the first time that pages are written, and of the second. */
async function secondsOf(
  threadCount: number,
  order: Omit<WriteOrder, 'offset'>,
): Promise<readonly number[]> {
  const directory = mkdtempSync(join(tmpdir(), 'hexz-bench-'));
  const path = fileSystemSnapshot('lz4');
  const snapshot = openSnapshot(path);
  const overlay = openOverlay(snapshot, { path: join(directory, 'disk.overlay'), access: 'write' });
  const activity = createActivity(snapshot, overlay);
  const served = { snapshot: path, passwords: [], parentDirectories: [], overlay, activity };
  const threads = new ServingThreads(served);
  const workers = Array.from(
    { length: threadCount },
    () =>
      new Worker(new URL('./writerWorker.js', import.meta.url), { workerData: threads.share(0) }),
  );
  try {
    await Promise.all(workers.map((worker) => once(worker, 'online')));
    const seconds: number[] = [];
    for (let time = 0; time < 2; time++) {
      const answers = workers.map((worker) => once(worker, 'message'));
      workers.forEach((worker, index) => {
        const offset = index * order.pieceBytes * order.pieceCount;
        worker.postMessage({ ...order, offset } satisfies WriteOrder);
      });
      const all = await Promise.all(answers);
      seconds.push(Math.max(...all.map(([each]) => each as number)));
    }
    return seconds;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
    await overlay.remove();
    snapshot.close();
    rmSync(directory, { recursive: true });
  }
}
