import { once } from 'node:events';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Overlay } from '../src/engine/overlay/overlay.js';
import { baseDiskOf } from '../src/engine/volume/volume.js';
import { openSnapshot } from '../src/index.js';
import { fileSystemSnapshot } from './inputs.js';
import { median, percentile, printTable } from './measure.js';

const PAGE_BYTES = 4096;
/** Every other page is dirty, so that no two make one extent; or so few of them that the bits are far apart, too. */
const STRIDE = 2;
const WIDE_STRIDE = 2684;
const FREEZES = 15;
const WRITES = 20_000;
/** As many pages as 64 MiB has, spread over the disk, are written again and again. */
const BUSY_PAGES = 16 * 1024;
const WRITES_A_TURN = 100;

/**
 * How long the thread that serves is held up by freezing an overlay: the longest time between two turns of its event
 * loop meanwhile; and what a write of a dirty page costs without a frozen instant, and with one, the first time (the
 * page is copied) and later.
 */
export async function freeze(): Promise<void> {
  const rows = [['dirty pages', 'longest pause', 'freeze', 'wanted']];
  for (const [pageCount, stride, where] of [
    [1000, STRIDE, ''],
    [100_000, STRIDE, ''],
    [1_000_000, STRIDE, ''],
    [100_000, WIDE_STRIDE, ' all over 1 TiB'],
  ] as const) {
    const { pauses, totals } = await withOverlay(pageCount, stride, pausesOf);
    const format = (values: readonly number[]) => `${median(values).toFixed(2)} ms`;
    const name = `${pageCount.toLocaleString('en')}${where}`;
    rows.push([name, format(pauses), format(totals), '< 50 ms']);
  }
  process.stdout.write('freeze\n');
  printTable(rows);
  const costs = await withOverlay(WRITES, STRIDE, costsOf);
  process.stdout.write('writes of 4 KiB, microseconds\n');
  printTable([
    ['nothing frozen', 'page copied first', 'copied before'],
    costs.map((cost) => cost.toFixed(2)),
  ]);
  await whileCommitted();
}

/** What the thread that serves can write while another one commits 1 GiB, to pages of which many are dirty. */
async function whileCommitted(): Promise<void> {
  const basePath = fileSystemSnapshot('lz4');
  const directory = mkdtempSync(join(tmpdir(), 'hexz-bench-'));
  const snapshot = openSnapshot(basePath);
  const disk = baseDiskOf(snapshot);
  const overlay = Overlay.open({
    path: join(directory, 'disk.overlay'),
    base: disk,
    access: 'write',
  });
  try {
    const writer = new SteadyWriter(overlay, Math.floor(disk.length / PAGE_BYTES));
    // Dirties pages all over the disk.
    await writer.run(sleep(1000));
    const before = await writer.run(sleep(5000));
    const instant = await overlay.freeze();
    const unread = await writer.run(sleep(5000));
    instant.release();
    const read = await overlay.freeze();
    const output = join(directory, 'out.hxz');
    const worker = new Worker(new URL('./commitWorker.js', import.meta.url), {
      workerData: { basePath, output, shared: read.shared },
    });
    const during = await writer.run(once(worker, 'message'));
    read.release();
    const after = await writer.run(sleep(5000));
    process.stdout.write('writes of 4 KiB at random\n');
    printTable([
      ['', 'pages/s', '99.9 %', 'longest'],
      ...[
        ['nothing frozen', before] as const,
        ['frozen, nobody reads', unread] as const,
        [`committed, ${during.seconds.toFixed(1)} s`, during] as const,
        ['afterwards', after] as const,
      ].map(([name, { perSecond, tail, longest }]) => [
        name,
        Math.round(perSecond).toLocaleString('en'),
        `${tail.toFixed(2)} ms`,
        `${longest.toFixed(1)} ms`,
      ]),
    ]);
  } finally {
    await overlay.close();
    snapshot.close();
    rmSync(directory, { recursive: true });
  }
}

/** Writes pages here and there as fast as it can, and lets others have their turn now and then. */
class SteadyWriter {
  readonly #overlay: Overlay;
  readonly #pageCount: number;
  readonly #page = Buffer.alloc(PAGE_BYTES, 1);
  #count = 0;

  constructor(overlay: Overlay, pageCount: number) {
    this.#overlay = overlay;
    this.#pageCount = pageCount;
  }

  /** Until something has happened. */
  async run(end: Promise<unknown>): Promise<Rate> {
    let isOver = false;
    void end.finally(() => {
      isOver = true;
    });
    const times: number[] = [];
    const begun = performance.now();
    while (!isOver) {
      for (let write = 0; write < WRITES_A_TURN; write++) times.push(this.#write());
      await new Promise((resolve) => setImmediate(resolve));
    }
    const seconds = (performance.now() - begun) / 1000;
    return {
      seconds,
      perSecond: times.length / seconds,
      tail: percentile(times, 0.999),
      longest: times.reduce((longest, time) => Math.max(longest, time), 0),
    };
  }

  #write(): number {
    const place = Math.floor(((this.#count++ * 0.618033988749895) % 1) * BUSY_PAGES);
    const page = Math.floor((place / BUSY_PAGES) * this.#pageCount);
    const begun = performance.now();
    this.#overlay.write(page * PAGE_BYTES, this.#page);
    return performance.now() - begun;
  }
}

interface Rate {
  readonly seconds: number;
  readonly perSecond: number;
  /** Milliseconds that one write of a thousand took, or longer. */
  readonly tail: number;
  readonly longest: number;
}

/** An overlay that another program could have left: a data file of holes, and its list. */
async function withOverlay<T>(
  pageCount: number,
  stride: number,
  action: (overlay: Overlay) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'hexz-bench-'));
  try {
    const path = join(directory, 'disk.overlay');
    const length = pageCount * stride * PAGE_BYTES;
    writeFileSync(path, '');
    truncateSync(path, length);
    const list = new BigUint64Array(pageCount).map((_, entry) => BigInt(entry * stride));
    writeFileSync(join(directory, 'disk.meta'), Buffer.from(list.buffer));
    const base = {
      path: '/base.hxz',
      length,
      identity: () => 'base',
      readInto: (_offset: number, target: Buffer) => target.fill(0).length,
    };
    const overlay = Overlay.open({ path, base, access: 'write' });
    try {
      return await action(overlay);
    } finally {
      await overlay.close();
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function pausesOf(overlay: Overlay): Promise<{ pauses: number[]; totals: number[] }> {
  const pauses: number[] = [];
  const totals: number[] = [];
  for (let round = 0; round < FREEZES; round++) {
    let longest = 0;
    let last = performance.now();
    let isOver = false;
    const turn = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      if (!isOver) setImmediate(turn);
    };
    const begun = last;
    const freezing = overlay.freeze();
    turn();
    const instant = await freezing;
    totals.push(performance.now() - begun);
    isOver = true;
    turn();
    pauses.push(longest);
    instant.release();
  }
  return { pauses, totals };
}

async function costsOf(overlay: Overlay): Promise<number[]> {
  const page = Buffer.alloc(PAGE_BYTES, 1);
  const writeAll = (): number => {
    const begun = performance.now();
    for (let write = 0; write < WRITES; write++) overlay.write(write * STRIDE * PAGE_BYTES, page);
    return ((performance.now() - begun) * 1000) / WRITES;
  };
  writeAll();
  const plain = writeAll();
  const instant = await overlay.freeze();
  const costs = [plain, writeAll(), writeAll()];
  instant.release();
  return costs;
}
