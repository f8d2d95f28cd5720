import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Overlay } from '../src/engine/overlay/overlay.js';
import { median, printTable } from './measure.js';

const PAGE_BYTES = 4096;
/** Every other page is dirty, so that no two make one extent; or so few of them that the bits are far apart, too. */
const STRIDE = 2;
const WIDE_STRIDE = 2684;
const FREEZES = 15;
const WRITES = 20_000;

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
