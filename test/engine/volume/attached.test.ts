import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ActivityRecorder } from '../../../src/engine/activity/recorder.js';
import { ActivitySampler } from '../../../src/engine/activity/sampler.js';
import { type AttachedVolume, attachVolume } from '../../../src/engine/volume/attachedVolume.js';
import { createActivity } from '../../../src/engine/volume/createActivity.js';
import { openOverlay } from '../../../src/engine/volume/openOverlay.js';
import { ServingThreads } from '../../../src/engine/volume/servingThreads.js';
import {
  createVolume,
  type ReadableVolume,
  type Volume,
} from '../../../src/engine/volume/volume.js';
import { openSnapshot } from '../../../src/index.js';
import { codeOf } from '../../support/errors.js';
import { packSnapshot } from '../../support/snapshots.js';
import { expectSameBytes, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const BLOCK_BYTES = 8192;
const newDirectory = temporaryDirectories();
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A volume of some blocks and what threads attach to. */
function served(isWritable = true): { volume: Volume; threads: ServingThreads; disk: Buffer } {
  const directory = newDirectory();
  const path = join(directory, 'base.hxz');
  const disk = someBytes(4 * BLOCK_BYTES + 1000);
  packSnapshot(path, { disk, memory: someBytes(BLOCK_BYTES) }, { blockBytes: BLOCK_BYTES });
  const snapshot = openSnapshot(path);
  const overlay = isWritable
    ? openOverlay(snapshot, { path: join(directory, 'disk.overlay'), access: 'write' })
    : undefined;
  const activity = createActivity(snapshot, overlay);
  const volume = createVolume(snapshot, overlay, new ActivityRecorder(activity));
  closing.push(() => volume.close());
  const threads = new ServingThreads({
    snapshot: path,
    passwords: [],
    parentDirectories: [],
    overlay,
    activity,
  });
  return { volume, threads, disk };
}

function attached(threads: ServingThreads): AttachedVolume {
  const volume = attachVolume(structuredClone(threads.share(2 ** 20)));
  closing.push(() => volume.close());
  return volume;
}

const read = (volume: ReadableVolume, offset: number, length: number): Buffer => {
  const target = Buffer.alloc(length);
  return target.subarray(0, volume.readInto('disk', offset, target));
};

describe('an attached volume', () => {
  test('reads what its owner writes, cuts and grows', () => {
    const { volume, threads, disk } = served();
    const other = attached(threads);
    expect(other.isWritable).toBe(true);
    expect(other.snapshot.cacheBytes).toBe(2 ** 20);
    expect(other.hasStream('memory')).toBe(true);
    expectSameBytes(read(other, 0, disk.length + 1), disk);
    volume.write(5000, Buffer.from('written'));
    expect(read(other, 4999, 9).subarray(1, 8).toString()).toBe('written');
    expect(other.dirtyBytes).toBe(4096);
    volume.truncate(4097);
    expect(other.streamLength('disk')).toBe(4097);
    volume.truncate(6000);
    expectSameBytes(read(other, 0, 9000), read(volume, 0, 9000));
    expect(other.streamLength('memory')).toBe(BLOCK_BYTES);
  });

  test('without an overlay reads the snapshot', () => {
    const { threads, disk } = served(false);
    const other = attached(threads);
    expect(other.isWritable).toBe(false);
    expect(other.dirtyBytes).toBe(0);
    expectSameBytes(read(other, 0, disk.length), disk);
  });
});

describe('the threads that serve a volume', () => {
  test('are recorded each for itself, and shown together', () => {
    const { volume, threads } = served();
    const shared = threads.share(0);
    const sampler = new ActivitySampler(shared.activity);
    const others = [attached(threads), attached(threads)];
    for (const each of [volume, ...others]) read(each, 0, 100);
    expect(sampler.counters().streams.disk).toMatchObject({ reads: 3, readBytes: 300 });
    expect(sampler.cursor('start').sample(10).events).toHaveLength(3);
  });

  test('are not more than are recorded; one that has ended makes room', () => {
    const { threads } = served();
    const first = threads.share(0);
    const count = first.activity.recorders.length - 1;
    const indexes = Array.from({ length: count - 1 }, () => threads.share(0).recorderIndex);
    expect(new Set([0, first.recorderIndex, ...indexes]).size).toBe(count + 1);
    expect(codeOf(() => threads.share(0))).toBe('USAGE');
    threads.end(first);
    expect(threads.share(0).recorderIndex).toBe(first.recorderIndex);
  });
});
