import { open } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { openSnapshot } from '../../src/index.js';
import { expectOverlay, useMount } from '../../src/testing/index.js';
import { recipePath } from '../support/recipes.js';
import { requires } from '../support/requires.js';
import { readStream } from '../support/streams.js';
import { sandboxedTesting } from '../support/testing.js';

describe.runIf(requires('FUSE'))('the overlay of a mount', () => {
  sandboxedTesting();
  const mount = useMount(recipePath('noise'), { rw: true });

  async function patch(offset: number, bytes: Buffer): Promise<void> {
    const file = await open(mount.disk, 'r+');
    await file.write(bytes, 0, bytes.length, offset);
    await file.close();
  }

  test('is clean at first', async () => {
    await expectOverlay(mount).toBeClean();
    await expectOverlay(mount).toEqualBase();
    expect(await mount.dirty()).toEqual({ extents: [], dirtyPages: 0, diskLength: 300_001 });
  });

  test('holds what was just written', async () => {
    await patch(4090, Buffer.alloc(10));
    await patch(40_960, Buffer.alloc(3 * 4096));
    await expectOverlay(mount).toHaveDirtyPages(5);
    await expectOverlay(mount).toHaveDirtyPages([0, 1, 10, 11, 12]);
    await expectOverlay(mount).toHaveChanged(4090, 10);
    await expectOverlay(mount).toEqualBase(0, 4090);
    await expectOverlay(mount).toEqualBase(4100, 40_960 - 4100);
    await expect(expectOverlay(mount).toEqualBase(40_960, 4096)).rejects.toThrow(
      'changed at 0xa000-0xb000',
    );
    await expect(expectOverlay(mount).toHaveChangedOnly(0, 8192)).rejects.toThrow(
      'changed at 0xa000-0xb000',
    );
    await expect(expectOverlay(mount).toBeClean()).rejects.toThrow('pages 10 to 12');
  });

  test('is dirty, and equals its base, where it was written with what it held', async () => {
    await patch(8192, await mount.read('disk', 8192, 4096));
    await expectOverlay(mount).toHaveDirtyPages([2]);
    await expectOverlay(mount).toEqualBase();
    await expect(expectOverlay(mount).toHaveChanged()).rejects.toThrow('equals the base');
  });

  test('knows that the disk has grown', async () => {
    await patch(300_001, Buffer.from('more'));
    await expectOverlay(mount).toHaveChanged(300_001, 4);
    await expect(expectOverlay(mount).toEqualBase()).rejects.toThrow(
      'the disk has 300005 bytes, its base 300001',
    );
  });

  test('is read with the base below it', async () => {
    const before = await mount.read('disk');
    await patch(5, Buffer.from('new'));
    const after = Buffer.from(before);
    after.write('new', 5);
    expect((await mount.read('disk')).equals(after)).toBe(true);
    expect((await mount.read('disk', 0, undefined, 'base')).equals(before)).toBe(true);
    expect((await mount.diff()).differences).toMatchObject([{ pageIndex: 0, kind: 'changed' }]);
  });

  test('is committed while the mount goes on', async () => {
    await patch(70_000, Buffer.alloc(9000, 4));
    const { output } = await mount.commit();
    expect(output.startsWith(mount.directory)).toBe(true);
    await patch(0, Buffer.alloc(1, 1));
    const snapshot = openSnapshot(output);
    const bytes = readStream(snapshot, 'disk');
    snapshot.close();
    const expected = await mount.read('disk', 0, undefined, 'base');
    expected.fill(4, 70_000, 79_000);
    expect(bytes.equals(expected)).toBe(true);
    expect((await mount.commit({ thin: true })).output).not.toBe(output);
  });
});
