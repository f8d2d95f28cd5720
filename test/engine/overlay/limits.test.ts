import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { codeOf, errorOf } from '../../support/errors.js';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import { overlayOpener, readRange } from '../../support/overlay/openOverlays.js';
import { SimulatedFiles } from '../../support/overlay/simulatedFiles.js';
import { OVERLAY_PATH } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const open = overlayOpener();
const base = new MemoryBase(markedBytes(10_000, 0));
const LARGEST = 2 ** 44;

const openIn = (files: SimulatedFiles): Overlay =>
  Overlay.open({ path: OVERLAY_PATH, base, access: 'write' }, { files, bootId: 'first' });

describe('the largest disk', () => {
  test('can be truncated to, written at its end, and closed', async () => {
    const files = new SimulatedFiles();
    const overlay = openIn(files);
    overlay.truncate(LARGEST);
    overlay.write(LARGEST - 5, markedBytes(5, 1));
    expect(overlay.length).toBe(LARGEST);
    await overlay.close();
    const again = openIn(files);
    expect([again.length, again.warnings]).toEqual([LARGEST, []]);
    const expected = Buffer.concat([Buffer.alloc(5), markedBytes(5, 1)]);
    expectSameBytes(readRange(again, LARGEST - 10, 20), expected);
    again.truncate(100);
    expect(again.length).toBe(100);
  });

  test.each<[string, (overlay: Overlay) => void]>([
    ['a truncation to one byte more', (overlay) => overlay.truncate(LARGEST + 1)],
    ['a truncation to the largest number', (overlay) => overlay.truncate(2 ** 53 - 1)],
    ['a write across its end', (overlay) => overlay.write(LARGEST - 1, Buffer.from('ab'))],
    ['a write behind its end', (overlay) => overlay.write(LARGEST, Buffer.from('a'))],
  ])('%s is DISK_TOO_LARGE and changes nothing', (_name, change) => {
    const files = new SimulatedFiles();
    const overlay = openIn(files);
    const changes = files.journal.length;
    const error = errorOf(() => change(overlay));
    expect([error.code, error.errno]).toEqual(['DISK_TOO_LARGE', 'EFBIG']);
    expect([overlay.length, overlay.dirtyPageCount]).toEqual([10_000, 0]);
    expect(files.journal).toHaveLength(changes);
    overlay.write(0, Buffer.from('abc'));
  });

  test('a base beyond it is refused', () => {
    const huge = { ...base, path: '/huge.hxz', length: LARGEST + 1, identity: () => 'huge' };
    const options = { path: OVERLAY_PATH, access: 'write' } as const;
    const files = new SimulatedFiles();
    const error = errorOf(() =>
      Overlay.open({ ...options, base: { ...huge, readInto: () => 0 } }, { files }),
    );
    expect(error.code).toBe('DISK_TOO_LARGE');
    expect(files.paths).toEqual([]);
  });
});

test('what the file system cannot hold is DISK_TOO_LARGE and changes nothing', async () => {
  const path = join(newDirectory(), 'disk');
  const overlay = open(path, base);
  overlay.write(0, Buffer.from('abc'));
  // Of a file, ext4 holds a little less than 16 TiB, xfs and tmpfs more.
  const code = codeOf(() => overlay.truncate(LARGEST));
  expect(['ok', 'DISK_TOO_LARGE']).toContain(code);
  expect(overlay.length).toBe(code === 'ok' ? LARGEST : 10_000);
  overlay.truncate(9000);
  overlay.write(8999, Buffer.from('xyz'));
  await overlay.close();
  const again = open(path, base);
  expect([again.length, again.warnings]).toEqual([9002, []]);
  expectSameBytes(readRange(again, 8990, 20).subarray(9), Buffer.from('xyz'));
});

describe('reading', () => {
  test('at and behind the end answers nothing', () => {
    const overlay = open(join(newDirectory(), 'disk'), base);
    for (const offset of [10_000, 10_001, 2 ** 44, 2 ** 52]) {
      expect(overlay.readInto(offset, Buffer.alloc(10))).toBe(0);
    }
    expect(overlay.readInto(0, Buffer.alloc(0))).toBe(0);
    expect(overlay.readInto(9999, Buffer.alloc(10))).toBe(1);
  });

  test('leaves the rest of the target alone', () => {
    const overlay = open(join(newDirectory(), 'disk'), base);
    overlay.write(9000, markedBytes(1000, 1));
    const target = Buffer.alloc(100, 0xa5);
    expect(overlay.readInto(9990, target)).toBe(10);
    expect(target.subarray(10).every((byte) => byte === 0xa5)).toBe(true);
  });
});

test('a write of no bytes far behind the end changes nothing', () => {
  const files = new SimulatedFiles();
  const overlay = openIn(files);
  const changes = files.journal.length;
  overlay.write(50_000, Buffer.alloc(0));
  expect(overlay.length).toBe(10_000);
  expect(files.journal).toHaveLength(changes);
});

test('bytes that are changed after they were written do not change the disk', () => {
  const overlay = open(join(newDirectory(), 'disk'), base);
  const bytes = markedBytes(5000, 1);
  overlay.write(10, bytes);
  bytes.fill(0);
  expectSameBytes(readRange(overlay, 10, 5000), markedBytes(5000, 1));
});
