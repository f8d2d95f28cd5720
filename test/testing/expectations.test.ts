import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { ActivityEvent } from '../../src/engine/control/protocol/activity.js';
import {
  expectOverlay,
  expectReads,
  type RecordedActivity,
  useMount,
} from '../../src/testing/index.js';
import { goldenPath } from '../support/fixtures.js';
import { requires } from '../support/requires.js';
import { sandboxedTesting } from '../support/testing.js';

/** The message that an expectation fails with. */
async function messageOf(expectation: Promise<void>): Promise<string> {
  const error: unknown = await expectation.then(
    () => new Error('it holds'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw error;
  expect([error.name, error.message]).toEqual(['AssertionError', expect.any(String)]);
  return error.message;
}

type Given = Pick<ActivityEvent, 'stream' | 'kind' | 'offset' | 'length'>;

/** A mount of which this is recorded. */
function recorded(given: readonly Given[], lostEvents = 0): Parameters<typeof expectReads>[0] {
  const events = given.map((event, number) => ({
    time: number,
    firstBlockIndex: 0,
    blockCount: 1,
    hitBlocks: 0,
    decodedBlocks: 1,
    decodeMicroseconds: 1,
    microseconds: 1,
    newDirtyPages: 0,
    hasFailed: false,
    ...event,
  }));
  const readBytes = given.reduce((sum, { length }) => sum + length, 0);
  const disk = { reads: given.length, readBytes, writes: 0, writtenBytes: 0, errors: 0 };
  const counters: RecordedActivity['counters'] = {
    streams: { disk },
    hitBlocks: 0,
    decodedBlocks: given.length,
    decodeMicroseconds: 1,
  };
  return { activity: { recorded: async () => ({ events, lostEvents, counters }) } };
}

const read = (offset: number, length: number, stream: Given['stream'] = 'disk'): Given => ({
  kind: 'read',
  stream,
  offset,
  length,
});

describe('expectReads', () => {
  const reads = recorded([read(0, 4096), read(65_536, 131_072), read(0x50_0000, 512, 'memory')]);

  test('holds for what was read, to the byte', async () => {
    const expectation = expectReads(reads);
    await expectation.toTouch('disk', 4095, 1);
    await expectation.toTouch('disk', 60_000, 10_000);
    await expectation.toTouch('memory', 0, 0x50_0001);
    await expectation.notToTouch('disk', 4096, 65_536 - 4096);
    await expectation.notToTouch('disk', 0x50_0000, 512);
    await expectation.toDecodeAtMost(3);
    await expectation.toBeAtMostBytes(4096 + 131_072 + 512);
  });

  test('takes writes for no reads', async () => {
    const writes = recorded([{ ...read(0, 4096), kind: 'write' }]);
    await expectReads(writes).notToTouch('disk', 0, 4096);
  });

  test('says what was read instead', async () => {
    expect(await messageOf(expectReads(reads).toTouch('disk', 0x2000, 4096))).toBe(
      `expected a read of the disk at 0x2000-0x3000, but there was none there:
  0x0-0x1000 (4096 bytes)
  0x10000-0x30000 (131072 bytes)`,
    );
    expect(await messageOf(expectReads(recorded([])).toTouch('memory', 0, 1))).toBe(
      'expected a read of the memory at 0x0-0x1, but nothing of it was read',
    );
  });

  test('says what was read all the same', async () => {
    expect(await messageOf(expectReads(reads).notToTouch('disk', 0x800, 0x1_0000))).toBe(
      `expected no read of the disk at 0x800-0x10800, but there were 2:
  0x0-0x1000 (4096 bytes)
  0x10000-0x30000 (131072 bytes)`,
    );
    expect(await messageOf(expectReads(reads).notToTouch('disk', 0, 1))).toBe(
      `expected no read of the disk at 0x0-0x1, but there was one:
  0x0-0x1000 (4096 bytes)`,
    );
  });

  test('says what was too much', async () => {
    expect(await messageOf(expectReads(reads).toDecodeAtMost(1))).toBe(
      'expected at most 1 decoded block, got 3',
    );
    expect(await messageOf(expectReads(recorded([read(0, 4096)])).toBeAtMostBytes(512))).toBe(
      `expected at most 512 bytes to be read, got 4096:
  disk 0x0-0x1000 (4096 bytes)`,
    );
  });

  test('names a few of many', async () => {
    const many = recorded(Array.from({ length: 30 }, (_, number) => read(number * 512, 512)));
    expect(await messageOf(expectReads(many).toBeAtMostBytes(1))).toMatch(
      /\n {2}disk 0xe00-0x1000 \(512 bytes\)\n {2}and 22 more$/,
    );
  });

  test('does not claim what it cannot know', async () => {
    const incomplete = expectReads(recorded([read(0, 512)], 7));
    await incomplete.toTouch('disk', 0, 1);
    expect(await messageOf(incomplete.notToTouch('disk', 4096, 1))).toBe(
      'expected no read of the disk at 0x1000-0x1001, which nobody can tell: 7 requests were too many to be recorded',
    );
    expect(await messageOf(incomplete.toTouch('disk', 4096, 1))).toBe(
      `expected a read of the disk at 0x1000-0x1001, but there was none among those recorded (7 requests were too many to be recorded):
  0x0-0x200 (512 bytes)`,
    );
  });
});

describe.runIf(requires('FUSE'))('expectReads of a mount', () => {
  sandboxedTesting();
  const mount = useMount(goldenPath('a-lz4-64k-disk.hxz'));

  test('knows what a program has just read', async () => {
    await expectReads(mount).toBeAtMostBytes(0);
    await readFile(mount.disk);
    await expectReads(mount).toTouch('disk', 0, 1);
    await expectReads(mount).toTouch('disk', 300_000, 1);
    await mount.activity.mark();
    await expectReads(mount).notToTouch('disk', 0, 300_001);
    await expectReads(mount).toDecodeAtMost(0);
  });
});

type OverlayOf = Parameters<typeof expectOverlay>[0];
type Differences = Awaited<ReturnType<OverlayOf['diff']>>['differences'];
type Tally = Awaited<ReturnType<OverlayOf['diff']>>['tally'];

/** An overlay that holds these pages, and of which this differs. */
function overlay(
  extents: readonly (readonly [pageIndex: number, pageCount: number])[],
  differences: Differences = [],
  changes: Partial<Tally> = {},
): OverlayOf {
  const tally: Tally = {
    stream: 'disk',
    lengthBefore: 40_960,
    lengthAfter: 40_960,
    extents: 0,
    changedPages: 0,
    equalPages: 0,
    newPages: 0,
    differentBytes: differences.reduce((sum, { differentBytes }) => sum + differentBytes, 0),
    newBytes: 0,
    cutRanges: 0,
    cutBytes: 0,
    grownBytes: 0,
    removedBytes: 0,
    ...changes,
  };
  return {
    dirty: async () => ({
      extents: extents.map(([pageIndex, pageCount]) => ({ pageIndex, pageCount })),
      dirtyPages: extents.reduce((sum, [, pageCount]) => sum + pageCount, 0),
      diskLength: tally.lengthAfter ?? 0,
    }),
    diff: async () => ({ differences, tally }),
    // Of a page, the first byte is another one.
    read: async (_stream, offset = 0, length = 0, side = 'merged') => {
      const bytes = Buffer.alloc(length);
      if (side === 'merged' && offset % 4096 === 0) bytes.fill(1, 0, 1);
      return bytes;
    },
  };
}

const changed = (pageIndex: number, differentBytes: number): Differences[number] => ({
  stream: 'disk',
  kind: differentBytes > 0 ? 'changed' : 'equal',
  offset: pageIndex * 4096,
  length: 4096,
  pageIndex,
  pageCount: 1,
  changedPages: 1,
  equalPages: 0,
  newPages: 0,
  differentBytes,
  newBytes: 0,
});

describe('expectOverlay', () => {
  const clean = expectOverlay(overlay([]));
  const dirty = expectOverlay(
    overlay(
      [
        [2, 1],
        [5, 3],
      ],
      [changed(2, 1), changed(5, 4000), changed(6, 0)],
    ),
  );
  const grown = expectOverlay(
    overlay([], [{ ...changed(10, 0), kind: 'grown', length: 9040 }], {
      lengthAfter: 50_000,
      grownBytes: 9040,
    }),
  );

  test('holds', async () => {
    await clean.toBeClean();
    await clean.toHaveDirtyPages(0);
    await clean.toHaveDirtyPages([]);
    await clean.toEqualBase();
    await dirty.toHaveDirtyPages(4);
    await dirty.toHaveDirtyPages([7, 2, 6, 5, 5]);
    await dirty.toHaveChanged(8192, 1);
    await dirty.toEqualBase(8193, 4095);
    await grown.toEqualBase(0, 40_960);
    await dirty.toHaveChangedOnly(8192, 20_000);
  });

  test('says what is not clean', async () => {
    expect(await messageOf(dirty.toBeClean())).toBe(
      `expected a clean overlay, but 4 pages are dirty:
  page 2
  pages 5 to 7`,
    );
    expect(await messageOf(expectOverlay(overlay([[3, 1]])).toBeClean())).toBe(
      `expected a clean overlay, but 1 page is dirty:
  page 3`,
    );
    expect(await messageOf(grown.toBeClean())).toBe(
      `expected a clean overlay, but the disk was changed:
  grown at 0xa000-0xc350
  the disk has 50000 bytes, its base 40960`,
    );
  });

  test('says which pages are dirty', async () => {
    expect(await messageOf(dirty.toHaveDirtyPages(1))).toBe(
      `expected 1 dirty page, got 4:
  page 2
  pages 5 to 7`,
    );
    expect(await messageOf(dirty.toHaveDirtyPages([2, 3, 6]))).toBe(
      `expected other dirty pages:
  page 3 is not dirty
  page 5 is dirty
  page 7 is dirty`,
    );
    expect(await messageOf(dirty.toHaveDirtyPages([2]))).toBe(
      `expected other dirty pages:
  pages 5 to 7 are dirty`,
    );
  });

  test('says what has changed, and what has not', async () => {
    expect(await messageOf(clean.toHaveChanged(0x1000, 16))).toBe(
      'expected a change at 0x1000-0x1010, but it equals the base',
    );
    expect(await messageOf(clean.toHaveChanged())).toBe(
      'expected a change from 0x0 on, but it equals the base',
    );
    expect(await messageOf(dirty.toHaveChangedOnly(0x2000, 0x1000))).toBe(
      `expected no change but at 0x2000-0x3000, and there is more:
  changed at 0x5000-0x6000, 4000 bytes`,
    );
    expect(await messageOf(dirty.toEqualBase(0x2000, 0x4000))).toBe(
      `expected the base's bytes at 0x2000-0x6000, but 4001 bytes differ:
  changed at 0x2000-0x3000, 1 byte
  changed at 0x5000-0x6000, 4000 bytes`,
    );
    const one = expectOverlay(overlay([[1, 1]], [changed(1, 1)]));
    expect(await messageOf(one.toEqualBase())).toBe(
      `expected the base's bytes from 0x0 on, but 1 byte differs:
  changed at 0x1000-0x2000, 1 byte`,
    );
    expect(await messageOf(grown.toEqualBase())).toBe(
      `expected the base's bytes from 0x0 on, but the disk has another length:
  grown at 0xa000-0xc350
  the disk has 50000 bytes, its base 40960`,
    );
  });
});
