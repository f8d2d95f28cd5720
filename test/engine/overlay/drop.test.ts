import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import { overlayOpener, readRange } from '../../support/overlay/openOverlays.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const PAGE = 4096;
const newDirectory = temporaryDirectories();
const openOverlay = overlayOpener();

test('what a dropped page held does not come back where the page is written in part', async () => {
  const base = new MemoryBase(markedBytes(2.5 * PAGE, 0));
  const overlay = openOverlay(join(newDirectory(), 'disk.overlay'), base);
  overlay.write(0, markedBytes(5 * PAGE, 1));
  await overlay.drop([{ pageIndex: 0, pageCount: 5 }]);
  expect(overlay.dirtyPageCount).toBe(0);
  const expected = Buffer.alloc(5 * PAGE);
  base.bytes.copy(expected);
  for (const page of [0, 2, 4]) {
    const bytes = markedBytes(10, page + 2);
    overlay.write(page * PAGE + 100, bytes);
    bytes.copy(expected, page * PAGE + 100);
  }
  expectSameBytes(readRange(overlay, 0, 5 * PAGE), expected);
});

test('what is written while dropped pages behind the base are cleared stays', async () => {
  const base = new MemoryBase(markedBytes(PAGE, 0));
  const path = join(newDirectory(), 'disk.overlay');
  const overlay = openOverlay(path, base);
  const pageCount = 5000;
  overlay.write(0, Buffer.alloc(pageCount * PAGE, 1));
  const expected = Buffer.alloc(pageCount * PAGE);
  base.bytes.copy(expected);
  let isDropped = false;
  const dropping = overlay.drop([{ pageIndex: 0, pageCount }]).then(() => {
    isDropped = true;
  });
  let writes = 0;
  // From the list's replacement on the pages are clean; clearing them takes many turns.
  for (let page = 7; !isDropped; page = (page + 997) % pageCount) {
    await new Promise((resolve) => setImmediate(resolve));
    if (isDropped || overlay.isDirty(page)) continue;
    const bytes = markedBytes(100, page);
    overlay.write(page * PAGE + 50, bytes);
    bytes.copy(expected, page * PAGE + 50);
    writes++;
  }
  await dropping;
  expect(writes).toBeGreaterThan(5);
  expectSameBytes(readRange(overlay, 0, pageCount * PAGE), expected);
  // Behind the base also the file holds nothing else.
  expectSameBytes(readFileSync(path).subarray(PAGE), expected.subarray(PAGE));
});

test('a disk that is cut while dropped pages are cleared does not grow again', async () => {
  const base = new MemoryBase(markedBytes(PAGE, 0));
  const path = join(newDirectory(), 'disk.overlay');
  const overlay = openOverlay(path, base);
  overlay.write(0, Buffer.alloc(3000 * PAGE, 1));
  const dropping = overlay.drop([{ pageIndex: 0, pageCount: 3000 }]);
  while (overlay.dirtyPageCount > 0) await new Promise((resolve) => setImmediate(resolve));
  overlay.truncate(300 * PAGE + 17);
  await dropping;
  expect(overlay.length).toBe(300 * PAGE + 17);
  expect(readFileSync(path).length).toBe(300 * PAGE + 17);
});
