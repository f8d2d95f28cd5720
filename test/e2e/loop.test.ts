import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stateOf } from '../support/directory.js';
import { contentsOf, expectClean, inFileSystem, runChecked } from '../support/fileSystems.js';
import { mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { packSnapshot } from '../support/snapshots.js';
import { someBytes } from '../support/streams.js';

const hexz = mounts();
const IMAGE_BYTES = 48 * 1024 ** 2;

/** A snapshot of an ext4 file system that holds a tree. */
function packFileSystem(): { snapshot: string; tree: string } {
  const tree = hexz.sandbox.newDirectory('tree');
  for (const [directory, lengths] of [
    ['.', [0, 1, 4095, 4096, 4097]],
    ['a', [100_000, 3_000_001]],
    ['a/b', [5, 777_777]],
    ['c', Array.from({ length: 100 }, (_, number) => number * 37)],
  ] as const) {
    mkdirSync(join(tree, directory), { recursive: true });
    for (const length of lengths) {
      writeFileSync(join(tree, directory, `${length}.bin`), someBytes(length));
    }
  }
  const image = hexz.sandbox.path('image');
  runChecked('mkfs.ext4', '-q', '-d', tree, image, String(IMAGE_BYTES / 1024));
  const snapshot = hexz.sandbox.path('disk.hxz');
  packSnapshot(snapshot, { disk: readFileSync(image) });
  return { snapshot, tree };
}

describe.runIf(requires('FUSE', 'root', 'loop devices', 'e2fsprogs'))('an ext4 file system', () => {
  test('is written through a loop device, unmounted, checked, and mounted again', async () => {
    const { snapshot, tree } = packFileSystem();
    const evidence = stateOf(hexz.sandbox.directory)['disk.hxz'];
    const overlay = hexz.sandbox.path('overlay');
    const args = ['--rw', '--overlay', overlay];

    const first = await hexz.mount(snapshot, args);
    inFileSystem(hexz.sandbox.newDirectory(), first.disk, 'rw', (directory) => {
      expect(contentsOf(directory)).toEqual(contentsOf(tree));
      for (const change of [directory, tree]) {
        rmSync(join(change, 'a/b'), { recursive: true });
        rmSync(join(change, 'c/74.bin'));
      }
      cpSync(join(process.cwd(), 'fixtures', 'golden'), join(tree, 'copied'), { recursive: true });
      cpSync(join(tree, 'copied'), join(directory, 'copied'), { recursive: true });
      writeFileSync(join(tree, '4096.bin'), 'less than before');
      writeFileSync(join(directory, '4096.bin'), 'less than before');
      expect(contentsOf(directory)).toEqual(contentsOf(tree));
    });
    await hexz.unmount(first);
    expect(await first.ended).toEqual({ status: 0, signal: null });
    expect(first.stderr).toBe('');

    const viewed = await hexz.mount(snapshot, ['--overlay', overlay]);
    expectClean(viewed.disk);
    inFileSystem(hexz.sandbox.newDirectory(), viewed.disk, 'ro', (directory) => {
      expect(contentsOf(directory)).toEqual(contentsOf(tree));
    });
    await hexz.unmount(viewed);

    const second = await hexz.mount(snapshot, args);
    inFileSystem(hexz.sandbox.newDirectory(), second.disk, 'rw', (directory) => {
      expect(contentsOf(directory)).toEqual(contentsOf(tree));
      writeFileSync(join(directory, 'more'), 'more');
      writeFileSync(join(tree, 'more'), 'more');
    });
    await hexz.unmount(second);

    const third = await hexz.daemon(snapshot, ['--overlay', overlay]);
    expectClean(third.disk);
    inFileSystem(hexz.sandbox.newDirectory(), third.disk, 'ro', (directory) => {
      expect(contentsOf(directory)).toEqual(contentsOf(tree));
    });
    await hexz.unmount(third);
    expect(stateOf(hexz.sandbox.directory)['disk.hxz']).toEqual(evidence);
    hexz.expectNothingLeft();
  });

  test('on a mount keeps it busy, as the message says', async () => {
    const { snapshot } = packFileSystem();
    const mount = await hexz.mount(snapshot, ['--rw']);
    const device = runChecked('losetup', '--find', '--show', mount.disk).trim();
    const result = await hexz.run(['unmount', mount.mountpoint]);
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toContain(`loop device ${device}`);
    runChecked('losetup', '--detach', device);
    await hexz.unmount(mount);
  });
});
