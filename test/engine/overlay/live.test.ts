import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HexzError } from '../../../src/index.js';
import { codeOf, errorOf } from '../../support/errors.js';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import { everythingIn, overlayOpener, readRange } from '../../support/overlay/openOverlays.js';
import { contentsOf } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const open = overlayOpener();
const PAGE_BYTES = 4096;
const base = new MemoryBase(markedBytes(10 * PAGE_BYTES, 0));
const newPath = (): string => join(newDirectory(), 'disk.overlay');
const live = { access: 'read', readsLive: true } as const;

describe('an overlay that is being written', () => {
  test('is read as its last flush left it, and not touched', async () => {
    const path = newPath();
    const writer = open(path, base);
    writer.write(PAGE_BYTES, Buffer.alloc(PAGE_BYTES, 1));
    await writer.sync();
    const flushed = contentsOf(writer);
    writer.write(5 * PAGE_BYTES, Buffer.alloc(PAGE_BYTES, 2));
    writer.write(12 * PAGE_BYTES, Buffer.alloc(PAGE_BYTES, 3));
    const before = everythingIn(dirname(path));
    const reader = open(path, base, live);
    expect([reader.isLive, reader.length, reader.dirtyPageCount]).toEqual([true, base.length, 1]);
    expect(reader.findings).toEqual([]);
    expectSameBytes(contentsOf(reader), flushed);
    await reader.close();
    expect(everythingIn(dirname(path))).toEqual(before);
    writer.write(0, Buffer.from('goes on'));
    await writer.close();
  });

  test('that was cut and grew again shows no byte of the base behind the cut', () => {
    const path = newPath();
    const writer = open(path, base);
    writer.truncate(5000);
    writer.truncate(3 * PAGE_BYTES);
    const reader = open(path, base, live);
    expect([reader.length, reader.shownBaseLength]).toEqual([3 * PAGE_BYTES, 5000]);
    expectSameBytes(contentsOf(reader), contentsOf(writer));
  });

  test('may change under the reader, who gets an error at worst', async () => {
    const path = newPath();
    const writer = open(path, base);
    writer.write(0, Buffer.alloc(8 * PAGE_BYTES, 1));
    await writer.sync();
    const reader = open(path, base, live);
    writer.truncate(PAGE_BYTES);
    expect(codeOf(() => readRange(reader, 0, PAGE_BYTES))).toBe('ok');
    expect(errorOf(() => readRange(reader, 4 * PAGE_BYTES, 100))).toBeInstanceOf(HexzError);
  });

  test('and has no side file yet is refused', () => {
    const path = newPath();
    open(path, base);
    rmSync(`${path}.hexz.json`);
    expect(errorOf(() => open(path, base, live)).code).toBe('OVERLAY_LOCKED');
  });

  test('with a list that was cut is read as far as that goes', async () => {
    const path = newPath();
    const writer = open(path, base);
    writer.write(0, Buffer.alloc(4 * PAGE_BYTES, 1));
    await writer.sync();
    truncateSync(join(dirname(path), 'disk.meta'), 13);
    const reader = open(path, base, live);
    expect(reader.dirtyPageCount).toBe(1);
  });

  test('of another snapshot is refused all the same', () => {
    const path = newPath();
    open(path, base);
    const other = new MemoryBase(base.bytes, 'another');
    expect(errorOf(() => open(path, other, live)).code).toBe('WRONG_BASE');
  });
});

test('one that nobody writes is locked as for any reader', async () => {
  const path = newPath();
  await open(path, base).close();
  const reader = open(path, base, live);
  expect(reader.isLive).toBe(false);
  expect(errorOf(() => open(path, base)).code).toBe('OVERLAY_LOCKED');
});

test('one whose list another overlay writes is refused', async () => {
  const path = newPath();
  await open(path, base).close();
  const other = path.replace('.overlay', '.img');
  writeFileSync(other, '');
  writeFileSync(`${other}.hexz.json`, readFileSync(`${path}.hexz.json`));
  open(path, base);
  expect(errorOf(() => open(other, base, live)).code).toBe('OVERLAY_LOCKED');
});
