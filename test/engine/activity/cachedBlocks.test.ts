import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CachedBlocks, createCachedBlocks } from '../../../src/engine/activity/cachedBlocks.js';
import { ActivityRecorder } from '../../../src/engine/activity/recorder.js';
import { createActivity } from '../../../src/engine/volume/createActivity.js';
import { createVolume } from '../../../src/engine/volume/volume.js';
import { openSnapshot } from '../../../src/index.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

test.each([
  [{ length: 2 ** 30, blockBytes: 65_536 }, 65_536],
  [{ length: 2 ** 30, blockBytes: 65_535 }, 32_768],
  [{ length: 2 ** 30, blockBytes: 65_536, isVariable: true }, 4096],
  [{ length: 2 ** 30, blockBytes: 1 }, 4096],
  [{ length: 2 ** 44, blockBytes: 65_536 }, 2 ** 20],
  [{ length: 0, blockBytes: 65_536 }, 65_536],
])('units of %o have %i bytes', (stream, unitBytes) => {
  expect(createCachedBlocks(stream).unitBytes).toBe(unitBytes);
});

const BLOCK = 8192;

/** A volume of 16 blocks on the disk, 4 of the memory, with a cache for so many bytes. */
function serve(cacheBytes: number) {
  const path = join(newDirectory(), 'served.hxz');
  const writer = new SnapshotWriter(path, { blockSize: BLOCK });
  for (let block = 0; block < 16; block++) writer.addData(someBytes(BLOCK - block));
  writer.beginMemory();
  for (let block = 0; block < 4; block++) writer.addData(someBytes(BLOCK + block));
  writer.finish();
  const snapshot = openSnapshot(path, { cacheBytes });
  const shared = createActivity(snapshot);
  const volume = createVolume(snapshot, undefined, new ActivityRecorder(shared));
  const cached = new CachedBlocks(shared.cached);
  const target = Buffer.alloc(16);
  return {
    volume,
    /** Twice: of a block that is touched for the first time, only what is wanted is decoded, and not kept. */
    read: (stream: 'disk' | 'memory', offset: number) => {
      for (let time = 0; time < 2; time++) volume.readInto(stream, offset, target);
    },
    cachedAt: (stream: 'disk' | 'memory') =>
      [...cached.from(stream, 0)].map(({ offset }) => offset),
    cached,
  };
}

test('blocks are told when they come, when they go, and not at all after the end', async () => {
  const { volume, read, cachedAt, cached } = serve(4 * BLOCK);
  expect(cachedAt('disk')).toEqual([]);
  read('disk', 0);
  read('disk', 10);
  read('memory', 0);
  expect(cachedAt('disk')).toEqual([0]);
  expect(cachedAt('memory')).toEqual([0]);
  expect(cached.has('disk', 0)).toBe(true);
  expect(cached.has('disk', BLOCK)).toBe(false);
  for (let block = 1; block < 8; block++) read('disk', block * BLOCK);
  // What came last is there, what was not asked for again is gone.
  expect(cachedAt('disk')).toHaveLength(4);
  expect(cachedAt('disk').at(-1)).toBe(6 * BLOCK);
  expect(cachedAt('memory')).toEqual([]);
  await volume.close();
  expect(cachedAt('disk')).toEqual([]);
});

test('of blocks that are too large for the cache, the last one is told', async () => {
  const { volume, read, cachedAt } = serve(BLOCK);
  read('disk', 0);
  expect(cachedAt('disk')).toEqual([0]);
  read('memory', 0);
  expect(cachedAt('disk')).toEqual([]);
  expect(cachedAt('memory')).toEqual([0]);
  await volume.close();
});
