import { readFile } from 'node:fs/promises';
import { expectOverlay, expectReads, mountFixture, useMount } from 'hexz/testing';
import { describe, expect, test } from 'vitest';
import { countUp } from './counter.js';

const fixture = new URL('./fixtures/counter.yaml', import.meta.url);

describe('a counter on a fresh disk', () => {
  const mount = useMount(fixture, { rw: true });

  test('counts up', async () => {
    expect(await countUp(mount.disk)).toBe(1);
    expect(await countUp(mount.disk)).toBe(2);
    expect((await readFile(mount.disk)).readUInt32LE(512)).toBe(2);
    await expectOverlay(mount).toHaveDirtyPages([0]);
    await expectOverlay(mount).toHaveChangedOnly(512, 4);
  });

  test('begins anew in every test', async () => {
    await expectOverlay(mount).toBeClean();
    expect(await countUp(mount.disk)).toBe(1);
  });

  test('leaves the data alone', async () => {
    await countUp(mount.disk);
    await expectReads(mount).toTouch('disk', 0, 1024);
    await expectReads(mount).notToTouch('disk', 1024 ** 2, 1024 ** 2);
    await expectReads(mount).toDecodeAtMost(4);
  });

  test('as a script of the REPL says it', async () => {
    const [read] = await mount.repl('read disk 0 8');
    expect(read?.result).toMatchObject({ pieces: [{ bytes: '434f554e54455231' }] });
    await mount.repl('find disk COUNTER1', 'sh test -r "$HEXZ_MOUNT/disk"');
  });
});

describe('a counter that was used before', () => {
  const mount = useMount(fixture, { overlay: true, rw: true, per: 'suite' });

  test('goes on', async () => {
    expect(await countUp(mount.disk)).toBe(42);
  });

  test('and on', async () => {
    expect(await countUp(mount.disk)).toBe(43);
    expect(await mount.read('disk', 512, 4, 'base')).toEqual(Buffer.alloc(4));
  });
});

test('a disk that cannot be written stays as it is', async () => {
  const mount = await mountFixture(fixture);
  try {
    await expect(countUp(mount.disk)).rejects.toMatchObject({ code: 'EROFS' });
    const disk = await readFile(mount.disk);
    expect(disk.readUInt32LE(512)).toBe(0);
  } finally {
    await mount.end();
  }
});
