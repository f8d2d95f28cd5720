import { open, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { stateOf } from '../support/directory.js';
import { mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { packNoise } from '../support/snapshots.js';

const hexz = mounts();
const PAGE_BYTES = 4096;

describe.runIf(requires('FUSE'))('an overlay that is mounted read-write', () => {
  test('is compared as its last flush left it, and called live', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, 300_001);
    const directory = hexz.sandbox.newDirectory('overlays');
    const overlay = `${directory}/changes.overlay`;
    const mount = await hexz.mount(snapshot, ['--rw', '--overlay', overlay]);
    const disk = await open(mount.disk, 'r+');
    try {
      await disk.write(Buffer.alloc(PAGE_BYTES, 7), 0, PAGE_BYTES, 2 * PAGE_BYTES);
      await disk.datasync();
      const before = stateOf(directory);
      const live = await hexz.run(['diff', overlay, '--json']);
      expect(live).toMatchObject({ status: 1, stderr: '' });
      expect(stateOf(directory)).toEqual(before);
      const documents = live.stdout
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
      expect(documents).toMatchObject([
        { type: 'extent', kind: 'changed', pageIndex: 2, pageCount: 1 },
        { type: 'summary', live: true, streams: { disk: { extents: 1, changedPages: 1 } } },
      ]);
    } finally {
      await disk.close();
    }
    await hexz.unmount(mount);
    const after = await hexz.run(['diff', overlay]);
    expect(after).toMatchObject({ status: 1, stderr: '' });
    expect(after.stdout.toString()).not.toContain('live');
  });

  test('goes on while it is compared again and again', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, 300_001);
    const overlay = `${hexz.sandbox.newDirectory('overlays')}/changes.overlay`;
    const mount = await hexz.mount(snapshot, ['--rw', '--overlay', overlay]);
    const comparisons = Array.from({ length: 6 }, () => hexz.run(['diff', overlay, '--hex']));
    for (let round = 0; round < 20; round++) {
      await writeFile(mount.disk, Buffer.alloc(10_000 + round * 1000, round), { flag: 'w' });
    }
    for (const { status, stderr } of await Promise.all(comparisons)) {
      // Cut under the reader, it may fail, but in words.
      expect([0, 1, 3, 7]).toContain(status);
      expect(stderr).not.toContain('a bug in hexz');
    }
    await hexz.unmount(mount);
    expect(await hexz.run(['overlay', 'verify', overlay, '--base', snapshot])).toMatchObject({
      status: 0,
    });
  });
});
