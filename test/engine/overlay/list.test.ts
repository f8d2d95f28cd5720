import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import { listOf, overlayOpener, readRange } from '../../support/overlay/openOverlays.js';
import { SimulatedFiles } from '../../support/overlay/simulatedFiles.js';
import { contentsOf, OVERLAY_PATH } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const open = overlayOpener();
const base = new MemoryBase(markedBytes(20_000, 0));

/** The two files that the Rust hexz leaves. */
function overlayWith(list: Buffer, data: Buffer): { data: string; list: string } {
  const path = join(newDirectory(), 'disk');
  writeFileSync(path, data);
  writeFileSync(`${path}.meta`, list);
  return { data: path, list: `${path}.meta` };
}

describe('a list whose last entry is torn', () => {
  const data = markedBytes(20_000, 1);

  test.each([1, 2, 3, 4, 5, 6, 7])('after %i bytes is reported', (count) => {
    const list = Buffer.concat([listOf(1, 3), markedBytes(count, 2)]);
    const overlay = open(overlayWith(list, data).data, base, { access: 'read' });
    expect(overlay.warnings).toHaveLength(1);
    expect(overlay.warnings[0]).toContain(`${count} byte`);
    expect([...overlay.extents()]).toEqual([
      { pageIndex: 1, pageCount: 1 },
      { pageIndex: 3, pageCount: 1 },
    ]);
  });

  test.each([1, 2, 3, 4, 5, 6, 7])(
    'after %i bytes never misaligns later entries',
    async (count) => {
      const paths = overlayWith(Buffer.concat([listOf(1, 3), markedBytes(count, 2)]), data);
      const overlay = open(paths.data, base);
      overlay.write(0, Buffer.from('abc'));
      overlay.write(4 * 4096, Buffer.from('abc'));
      await overlay.close();
      expectSameBytes(readFileSync(paths.list), listOf(1, 3, 0, 4));
      const again = open(paths.data, base);
      expect(again.warnings).toEqual([]);
      expect([...again.extents()]).toEqual([
        { pageIndex: 0, pageCount: 2 },
        { pageIndex: 3, pageCount: 2 },
      ]);
    },
  );

  test('and has no other is an empty one', async () => {
    const paths = overlayWith(Buffer.from('abc'), Buffer.alloc(0));
    const overlay = open(paths.data, base);
    expect([overlay.dirtyPageCount, overlay.warnings.length]).toEqual([0, 1]);
    await overlay.close();
    expect(readFileSync(paths.list)).toHaveLength(0);
  });
});

describe('entries', () => {
  test('that name a page again mean nothing and are reported', async () => {
    const { data } = overlayWith(listOf(2, 1, 2, 2, 1), markedBytes(12_288, 1));
    const overlay = open(data, base);
    expect([...overlay.extents()]).toEqual([{ pageIndex: 1, pageCount: 2 }]);
    expect(overlay.dirtyPageCount).toBe(2);
    expect(overlay.warnings).toHaveLength(1);
    expect(overlay.warnings[0]).toMatch(/\b3\b/);
    expectSameBytes(readRange(overlay, 4096, 8192), markedBytes(12_288, 1).subarray(4096));
  });

  test('beyond every disk mean nothing and are reported', async () => {
    const beyond = [2 ** 32, 2n ** 52n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
    const { data } = overlayWith(listOf(0, ...beyond), markedBytes(4096, 1));
    for (const access of ['read', 'write'] as const) {
      const overlay = open(data, base, { access });
      expect([overlay.dirtyPageCount, overlay.length]).toEqual([1, 20_000]);
      expect(overlay.warnings).toHaveLength(1);
      expect(overlay.warnings[0]).toMatch(/\b5\b/);
      await overlay.close();
    }
  });

  test('behind the end of the disk are not dirty pages of it, and zeros when it grows', async () => {
    const { data } = overlayWith(listOf(0, 1000), markedBytes(4096, 1));
    const overlay = open(data, base);
    expect([overlay.dirtyPageCount, overlay.isDirty(1000)]).toEqual([1, false]);
    expect([...overlay.extents()]).toEqual([{ pageIndex: 0, pageCount: 1 }]);
    overlay.write(1000 * 4096 + 100, Buffer.from('abc'));
    expectSameBytes(
      readRange(overlay, 1000 * 4096, 4096),
      Buffer.concat([Buffer.alloc(100), Buffer.from('abc')]),
    );
    expect(readRange(overlay, 999 * 4096, 4096).every((byte) => byte === 0)).toBe(true);
    await overlay.close();
    expect(open(data, base).length).toBe(1000 * 4096 + 103);
  });

  test('of pages that the data file does not hold are zeros', async () => {
    const { data } = overlayWith(listOf(1, 2, 3), markedBytes(6000, 1));
    const expected = Buffer.from(base.bytes);
    expected.fill(0, 4096, 16_384);
    markedBytes(6000, 1).copy(expected, 4096, 4096);
    for (const access of ['read', 'write'] as const) {
      const overlay = open(data, base, { access });
      expectSameBytes(contentsOf(overlay), expected);
      await overlay.close();
    }
  });
});

describe('one forged entry for the last page of the largest disk', () => {
  const lastPage = 2 ** 32 - 1;

  /** Does something that must be quick and take little memory. */
  function expectCheap<T>(action: () => T): T {
    const memory = process.memoryUsage.rss();
    const begin = performance.now();
    const result = action();
    expect(performance.now() - begin).toBeLessThan(100);
    expect(process.memoryUsage.rss() - memory).toBeLessThan(50 * 2 ** 20);
    return result;
  }

  test('costs next to nothing where the disk is small', () => {
    const { data } = overlayWith(listOf(lastPage), Buffer.alloc(0));
    open(data, base, { access: 'read' }); // The first one compiles.
    const overlay = expectCheap(() => open(data, base, { access: 'read' }));
    expect(expectCheap(() => [...overlay.extents()])).toEqual([]);
    expect(expectCheap(() => overlay.dirtyPageCount)).toBe(0);
  });

  test('costs next to nothing where the disk is that large', () => {
    const files = new SimulatedFiles();
    files.put('/disk.meta', listOf(lastPage, 5));
    files.put(OVERLAY_PATH, Buffer.alloc(0));
    const data = files.open(OVERLAY_PATH, 'write');
    data.truncate(2 ** 44);
    data.close();
    const overlay = expectCheap(() =>
      Overlay.open({ path: OVERLAY_PATH, base, access: 'write' }, { files }),
    );
    expect(overlay.length).toBe(2 ** 44);
    expect(expectCheap(() => overlay.dirtyPageCount)).toBe(2);
    expect(expectCheap(() => [...overlay.extents()])).toEqual([
      { pageIndex: 5, pageCount: 1 },
      { pageIndex: lastPage, pageCount: 1 },
    ]);
    expectCheap(() => overlay.write(2 ** 44 - 3, Buffer.from('abc')));
    expectSameBytes(readRange(overlay, 2 ** 44 - 4, 10), Buffer.from('\0abc'));
    // A read between the two.
    const zeros = expectCheap(() => readRange(overlay, 2 ** 43, 2 ** 20));
    expectSameBytes(zeros, Buffer.alloc(2 ** 20));
  });
});

test('a list of a million entries is read whole', () => {
  const list = Buffer.alloc(8_000_000);
  for (let entry = 0; entry < 1_000_000; entry++) {
    list.writeBigUInt64LE(BigInt((entry * 7919) % 2_000_000), entry * 8);
  }
  const { data } = overlayWith(list, Buffer.alloc(0));
  truncateSync(data, 2_000_000 * 4096);
  const overlay = open(data, base, { access: 'read' });
  expect(overlay.dirtyPageCount).toBe(1_000_000);
  expect(overlay.isDirty((999_999 * 7919) % 2_000_000)).toBe(true);
});
