import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { ActivityEvent } from '../../../src/engine/activity/eventRing.js';
import { ActivityRecorder } from '../../../src/engine/activity/recorder.js';
import { type ActivitySample, ActivitySampler } from '../../../src/engine/activity/sampler.js';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { createActivity } from '../../../src/engine/volume/createActivity.js';
import { openOverlay } from '../../../src/engine/volume/openOverlay.js';
import { baseDiskOf, createVolume, type Volume } from '../../../src/engine/volume/volume.js';
import { openSnapshot, type Snapshot } from '../../../src/index.js';
import { codeOf, codeOfAsync } from '../../support/errors.js';
import { SimulatedFiles } from '../../support/overlay/simulatedFiles.js';
import { damageBlock, packSnapshot } from '../../support/snapshots.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { expectSameBytes, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const BLOCK_BYTES = 8192;
const PAGE_BYTES = 4096;
const newDirectory = temporaryDirectories();
const opened: Volume[] = [];
afterEach(async () => {
  await Promise.allSettled(opened.splice(0).map((volume) => volume.close()));
});

interface Recorded {
  readonly volume: Volume;
  /** What is new since it was last asked. */
  sample(): ActivitySample;
}

function record(snapshot: Snapshot, overlay?: Overlay): Recorded {
  const shared = createActivity(snapshot, overlay);
  const volume = createVolume(snapshot, overlay, new ActivityRecorder(shared));
  opened.push(volume);
  const cursor = new ActivitySampler(shared).cursor('start');
  return { volume, sample: () => cursor.sample(1000) };
}

/** The one event of an action. */
function eventOf({ sample }: Recorded, action: () => unknown): ActivityEvent {
  sample();
  action();
  const { events } = sample();
  expect(events).toHaveLength(1);
  return events[0] as ActivityEvent;
}

const read = ({ volume }: Recorded, offset: number, length: number): Buffer => {
  const target = Buffer.alloc(length);
  return target.subarray(0, volume.readInto('disk', offset, target));
};

/** Blocks of noise, but for block 1, which is zero; and two blocks of memory. */
function packed(): { path: string; disk: Buffer } {
  const path = join(newDirectory(), 'base.hxz');
  const disk = someBytes(4 * BLOCK_BYTES + 1000);
  disk.fill(0, BLOCK_BYTES, 2 * BLOCK_BYTES);
  packSnapshot(path, { disk, memory: someBytes(2 * BLOCK_BYTES) }, { blockBytes: BLOCK_BYTES });
  return { path, disk };
}

/** Of an event: first block, how many, hits, decodes. */
const blocksOf = (event: ActivityEvent) => [
  event.firstBlockIndex,
  event.blockCount,
  event.hitBlocks,
  event.decodedBlocks,
];

describe('reads of a snapshot', () => {
  test('tell the blocks that they touched, and which of them were decoded', () => {
    const { path, disk } = packed();
    const recorded = record(openSnapshot(path));
    const first = eventOf(recorded, () => {
      expectSameBytes(read(recorded, 100, 50), disk.subarray(100, 150));
    });
    expect(first).toMatchObject({ kind: 'read', stream: 'disk', offset: 100, length: 50 });
    expect(first).toMatchObject({ newDirtyPages: 0, hasFailed: false });
    expect(blocksOf(first)).toEqual([0, 1, 0, 1]);
    expect(first.decodeMicroseconds).toBeGreaterThan(0);
    expect(first.microseconds).toBeGreaterThanOrEqual(first.decodeMicroseconds);
    // The first time only what was wanted was decoded, and not kept.
    expect(blocksOf(eventOf(recorded, () => read(recorded, 200, 50)))).toEqual([0, 1, 0, 1]);
    const again = eventOf(recorded, () => read(recorded, 200, 50));
    expect(blocksOf(again)).toEqual([0, 1, 1, 0]);
    expect(again.decodeMicroseconds).toBe(0);
    const over = eventOf(recorded, () => read(recorded, BLOCK_BYTES - 1, BLOCK_BYTES + 2));
    expect(blocksOf(over)).toEqual([0, 3, 1, 1]);
    const zeros = eventOf(recorded, () => read(recorded, BLOCK_BYTES, BLOCK_BYTES));
    expect(blocksOf(zeros)).toEqual([1, 1, 0, 0]);
  });

  test('that take a whole block decode it every time', () => {
    const recorded = record(openSnapshot(packed().path));
    for (let round = 0; round < 2; round++) {
      const event = eventOf(recorded, () => read(recorded, 2 * BLOCK_BYTES, BLOCK_BYTES));
      expect(blocksOf(event)).toEqual([2, 1, 0, 1]);
    }
  });

  test('without a cache decode every time', () => {
    const recorded = record(openSnapshot(packed().path, { cacheBytes: 0 }));
    expect(blocksOf(eventOf(recorded, () => read(recorded, 0, 10)))).toEqual([0, 1, 0, 1]);
    const other = eventOf(recorded, () => read(recorded, 2 * BLOCK_BYTES, 10));
    expect(blocksOf(other)).toEqual([2, 1, 0, 1]);
    expect(blocksOf(eventOf(recorded, () => read(recorded, 0, 10)))).toEqual([0, 1, 0, 1]);
  });

  test('tell how much there was', () => {
    const { path, disk } = packed();
    const recorded = record(openSnapshot(path));
    const end = eventOf(recorded, () => read(recorded, disk.length - 10, 4096));
    expect(end).toMatchObject({ offset: disk.length - 10, length: 10, firstBlockIndex: 4 });
    const behind = eventOf(recorded, () => read(recorded, disk.length, 4096));
    expect(behind).toMatchObject({ length: 0, firstBlockIndex: null, blockCount: 0 });
  });

  test('number blocks of memory on from those of the disk', () => {
    const recorded = record(openSnapshot(packed().path));
    const event = eventOf(recorded, () =>
      recorded.volume.readInto('memory', BLOCK_BYTES + 1, Buffer.alloc(10)),
    );
    expect(event).toMatchObject({ stream: 'memory', offset: BLOCK_BYTES + 1 });
    expect(blocksOf(event)).toEqual([6, 1, 0, 1]);
    const { counters } = recorded.sample();
    expect(counters.streams).toMatchObject({
      disk: { reads: 0 },
      memory: { reads: 1, readBytes: 10 },
    });
  });

  test('count blocks of parents as work, and their own as touched', () => {
    const { path } = packed();
    const childPath = join(newDirectory(), 'child.hxz');
    const writer = new SnapshotWriter(childPath, { parentPaths: [path] });
    writer.addData(someBytes(2 * BLOCK_BYTES));
    writer.addParent(2 * BLOCK_BYTES);
    writer.finish();
    const recorded = record(openSnapshot(childPath));
    const event = eventOf(recorded, () => read(recorded, 2 * BLOCK_BYTES + 1, 2 * BLOCK_BYTES - 2));
    expect(blocksOf(event)).toEqual([1, 1, 0, 2]);
    const again = eventOf(recorded, () => read(recorded, 3 * BLOCK_BYTES, 10));
    expect(blocksOf(again)).toEqual([1, 1, 1, 0]);
  });

  test('that fail say so, and touch no cell', () => {
    const { path } = packed();
    damageBlock(path, 2);
    const recorded = record(openSnapshot(path));
    expect(codeOf(() => read(recorded, 2 * BLOCK_BYTES - 1, 20))).toBe('CRC');
    const { events, counters, touched, readLatency } = recorded.sample();
    expect(events).toMatchObject([
      { kind: 'read', offset: 2 * BLOCK_BYTES - 1, length: 20, hasFailed: true },
    ]);
    expect(blocksOf(events[0] as ActivityEvent)).toEqual([1, 2, 0, 0]);
    expect(counters.streams.disk).toMatchObject({ reads: 0, readBytes: 0, errors: 1 });
    expect(touched.disk?.read).toEqual([]);
    expect(readLatency).not.toBeNull();
    const after = eventOf(recorded, () => read(recorded, 0, 20));
    expect(blocksOf(after)).toEqual([0, 1, 0, 1]);
  });

  test('touch cells of a block', () => {
    const recorded = record(openSnapshot(packed().path));
    read(recorded, 0, 1);
    read(recorded, 2 * BLOCK_BYTES - 1, 2);
    const { touched } = recorded.sample();
    expect(touched.disk).toEqual({ cellBytes: BLOCK_BYTES, read: [0, 3], written: [] });
    expect(touched.memory).toEqual({ cellBytes: BLOCK_BYTES, read: [], written: [] });
  });
});

describe('over an overlay', () => {
  function writable(): Recorded & { readonly disk: Buffer } {
    const { path, disk } = packed();
    const snapshot = openSnapshot(path);
    const overlay = openOverlay(snapshot, { path: `${path}.overlay`, access: 'write' });
    return { ...record(snapshot, overlay), disk };
  }

  test('writes tell pages that turned dirty, and the blocks that filled them up', () => {
    const recorded = writable();
    const { volume } = recorded;
    const page = someBytes(PAGE_BYTES);
    const whole = eventOf(recorded, () => volume.write(PAGE_BYTES, page));
    expect(whole).toMatchObject({ kind: 'write', stream: 'disk', offset: 4096, length: 4096 });
    expect(whole).toMatchObject({ newDirtyPages: 1, hasFailed: false });
    expect(blocksOf(whole)).toEqual([null, 0, 0, 0]);
    const again = eventOf(recorded, () => volume.write(PAGE_BYTES + 1, page.subarray(0, 10)));
    expect(again).toMatchObject({ newDirtyPages: 0, blockCount: 0 });
    const partial = eventOf(recorded, () => volume.write(2 * BLOCK_BYTES - 5, page));
    expect(partial).toMatchObject({ newDirtyPages: 2 });
    expect(blocksOf(partial)).toEqual([1, 2, 0, 1]);
    expect(volume.dirtyBytes).toBe(3 * PAGE_BYTES);
    const { counters } = recorded.sample();
    expect(counters.streams.disk).toMatchObject({ writes: 3, writtenBytes: 8202, reads: 0 });
  });

  test('reads touch the blocks that show, each once', () => {
    const recorded = writable();
    const { volume } = recorded;
    // The middle of block 3; a page on either side shows the base.
    volume.write(3 * BLOCK_BYTES - PAGE_BYTES, someBytes(PAGE_BYTES));
    volume.write(2 * BLOCK_BYTES + 100, someBytes(1));
    const dirty = eventOf(recorded, () => read(recorded, 3 * BLOCK_BYTES - PAGE_BYTES, PAGE_BYTES));
    expect(blocksOf(dirty)).toEqual([null, 0, 0, 0]);
    const mixed = eventOf(recorded, () => read(recorded, 0, 4 * BLOCK_BYTES));
    expect(mixed.firstBlockIndex).toBe(0);
    expect(mixed.blockCount).toBe(3);
  });

  test('a block that shows in several pieces counts once', () => {
    const path = join(newDirectory(), 'base.hxz');
    packSnapshot(path, { disk: someBytes(65_536) }, { blockBytes: 65_536 });
    const snapshot = openSnapshot(path);
    const overlay = openOverlay(snapshot, { path: `${path}.overlay`, access: 'write' });
    const recorded = record(snapshot, overlay);
    recorded.volume.write(2 * PAGE_BYTES, someBytes(PAGE_BYTES));
    const event = eventOf(recorded, () => read(recorded, 0, 5 * PAGE_BYTES));
    // Decoded as far as the first piece goes, and then whole.
    expect(blocksOf(event)).toEqual([0, 1, 0, 2]);
  });

  test('truncations and syncs are events', async () => {
    const recorded = writable();
    const { volume } = recorded;
    volume.truncate(5000);
    await volume.sync();
    volume.truncate(2 ** 40);
    expect(codeOf(() => volume.truncate(2 ** 50))).toBe('DISK_TOO_LARGE');
    const { events, counters } = recorded.sample();
    expect(events).toMatchObject([
      { kind: 'truncate', offset: 0, length: 5000, hasFailed: false },
      { kind: 'sync', offset: 0, length: 0, hasFailed: false },
      { kind: 'truncate', length: 2 ** 40, hasFailed: false },
      { kind: 'truncate', length: 2 ** 50, hasFailed: true },
    ]);
    expect(counters.streams.disk).toMatchObject({ reads: 0, writes: 0, errors: 1 });
    expect(volume.streamLength('disk')).toBe(2 ** 40);
  });

  test('a disk that has grown is touched where it was not before', () => {
    const recorded = writable();
    const { volume, disk } = recorded;
    const offset = 1000 * BLOCK_BYTES + 17;
    expect(offset).toBeGreaterThan(disk.length);
    volume.write(offset, someBytes(10));
    read(recorded, offset, 10);
    const { touched, events } = recorded.sample();
    expect(touched.disk).toMatchObject({ written: [1000, 1], read: [1000, 1] });
    expect(events).toMatchObject([{ newDirtyPages: 1 }, { kind: 'read', blockCount: 0 }]);
  });

  test('a disk that cannot be written refuses, and that is an event', async () => {
    const recorded = record(openSnapshot(packed().path));
    const { volume } = recorded;
    expect(codeOf(() => volume.write(7, someBytes(10)))).toBe('READ_ONLY');
    expect(codeOf(() => volume.truncate(7))).toBe('READ_ONLY');
    await volume.sync();
    const { events, touched } = recorded.sample();
    expect(events).toMatchObject([
      { kind: 'write', offset: 7, length: 10, newDirtyPages: 0, hasFailed: true },
      { kind: 'truncate', length: 7, hasFailed: true },
      { kind: 'sync', hasFailed: false },
    ]);
    expect(touched.disk?.written).toEqual([]);
  });

  test('a sync that fails says so, whatever was served meanwhile', async () => {
    const snapshot = openSnapshot(packed().path);
    const files = new SimulatedFiles();
    const base = baseDiskOf(snapshot);
    const overlay = Overlay.open({ path: '/disk.overlay', base, access: 'write' }, { files });
    const recorded = record(snapshot, overlay);
    recorded.volume.write(0, someBytes(PAGE_BYTES));
    files.failNext({ operations: ['sync'], after: 0, code: 'EIO' });
    const syncing = codeOfAsync(() => recorded.volume.sync());
    read(recorded, 2 * BLOCK_BYTES, 10);
    expect(await syncing).toBe('OVERLAY_UNUSABLE');
    const { events } = recorded.sample();
    expect(events).toMatchObject([
      { kind: 'write' },
      { kind: 'sync', blockCount: 0, decodedBlocks: 0, hasFailed: true },
      { kind: 'read', blockCount: 1, decodedBlocks: 1 },
    ]);
  });
});

test('of a disk that an overlay has made longer the cells are those of the whole', () => {
  const { path } = packed();
  const snapshot = openSnapshot(path);
  const overlay = openOverlay(snapshot, { path: `${path}.overlay`, access: 'write' });
  opened.push(createVolume(snapshot, overlay));
  overlay.truncate(2 ** 40);
  const { disk, memory } = createActivity(snapshot, overlay).streams;
  expect((disk?.cellBytes ?? 0) * (disk?.cellCount ?? 0)).toBeGreaterThanOrEqual(2 ** 40);
  expect(memory).toMatchObject({ cellBytes: BLOCK_BYTES, cellCount: 2 });
});
