import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { blake3 } from '../../../src/engine/codec/blake3.js';
import {
  type Difference,
  type DiffTally,
  diffSnapshots,
  type Granularity,
  HexzError,
  isSameContent,
  openSnapshot,
  type Snapshot,
  type StreamName,
} from '../../../src/index.js';
import { codeOf } from '../../support/errors.js';
import {
  goldenFixture,
  goldenFixtures,
  goldenPath,
  malformedFixtures,
  malformedPath,
} from '../../support/fixtures.js';
import { chains, writeChain } from '../../support/layers.js';
import { markedBytes } from '../../support/overlay/memoryBase.js';
import { damage } from '../../support/patch.js';
import { damageBlock, packSnapshot } from '../../support/snapshots.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { readStream } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const PAGE_BYTES = 4096;
const BLOCK_BYTES = 65_536;

const opened: Snapshot[] = [];
afterEach(() => {
  for (const snapshot of opened.splice(0)) snapshot.close();
});

function open(path: string, passwords: readonly string[] = []): Snapshot {
  const snapshot = openSnapshot(path, { passwords });
  opened.push(snapshot);
  return snapshot;
}

interface Diff {
  readonly differences: Difference[];
  readonly tallies: readonly DiffTally[];
}

function diffOf(before: Snapshot, after: Snapshot, granularity: Granularity = 'extent'): Diff {
  const steps = diffSnapshots(before, after, { granularity });
  const differences: Difference[] = [];
  for (;;) {
    const next = steps.next();
    if (next.done === true) return { differences, tallies: next.value };
    if (next.value.difference !== undefined) differences.push(next.value.difference);
  }
}

/** The pages of two streams that differ, byte by byte: page and how many of its bytes. */
function changedPages(before: Buffer, after: Buffer): [number, number][] {
  const common = Math.min(before.length, after.length);
  const pages: [number, number][] = [];
  for (let start = 0; start < common; start += PAGE_BYTES) {
    const end = Math.min(common, start + PAGE_BYTES);
    if (before.subarray(start, end).equals(after.subarray(start, end))) continue;
    let count = 0;
    for (let offset = start; offset < end; offset++)
      count += Number(before[offset] !== after[offset]);
    pages.push([start / PAGE_BYTES, count]);
  }
  return pages;
}

function expectDiff(before: Snapshot, after: Snapshot): void {
  const byPage = diffOf(before, after, 'page');
  const byExtent = diffOf(before, after);
  for (const stream of ['disk', 'memory'] as const) {
    const [old, now] = [readStream(before, stream), readStream(after, stream)];
    const of = (list: readonly Difference[]) => list.filter((each) => each.stream === stream);
    const changed = of(byPage.differences).filter(({ kind }) => kind === 'changed');
    const expected = changedPages(old, now);
    expect(changed.map((each) => [each.pageIndex, each.differentBytes])).toEqual(expected);
    const ends = of(byExtent.differences).filter(({ kind }) => kind !== 'changed');
    const common = Math.min(old.length, now.length);
    expect(ends.map(({ kind, offset, length }) => [kind, offset, length])).toEqual([
      ...(now.length > common ? [['grown', common, now.length - common]] : []),
      ...(old.length > common ? [['removed', common, old.length - common]] : []),
    ]);
    const pagesOfExtents = of(byExtent.differences)
      .filter(({ kind }) => kind === 'changed')
      .flatMap(({ pageIndex, pageCount, length, offset }) => {
        expect([offset, Math.ceil(length / PAGE_BYTES)]).toEqual([
          pageIndex * PAGE_BYTES,
          pageCount,
        ]);
        return Array.from({ length: pageCount }, (_, page) => pageIndex + page);
      });
    expect(pagesOfExtents).toEqual(expected.map(([page]) => page));
    const tally = byExtent.tallies.find((each) => each.stream === stream);
    const has = before.hasStream(stream) || after.hasStream(stream);
    expect(tally !== undefined).toBe(has);
    if (tally === undefined) continue;
    expect(tally).toMatchObject({
      lengthBefore: before.hasStream(stream) ? old.length : undefined,
      lengthAfter: after.hasStream(stream) ? now.length : undefined,
      extents: of(byExtent.differences).length - ends.length,
      changedPages: expected.length,
      differentBytes: expected.reduce((sum, [, count]) => sum + count, 0),
      grownBytes: now.length - common,
      removedBytes: old.length - common,
    });
    expect(isSameContent(tally)).toBe(old.equals(now));
  }
}

test('agrees with a comparison of all bytes, for chains of any kind', () => {
  fc.assert(
    fc.property(chains, chains, fc.nat(), (one, other, which) => {
      const paths = [one, other].map((chain) => writeChain(newDirectory(), chain));
      const [before, after] = paths.map((path) => openSnapshot(path)) as [Snapshot, Snapshot];
      expectDiff(before, after);
      const chain = after.chain();
      // A file of the same chain: most of it is one stored block on both sides.
      const ancestor = chain[which % chain.length] as Snapshot;
      const again = openSnapshot(ancestor.path);
      expectDiff(after, again);
      expectDiff(again, after);
      for (const snapshot of [before, after, again]) snapshot.close();
    }),
    { numRuns: 120, interruptAfterTimeLimit: 20_000 },
  );
}, 40_000);

test('agrees for edits of one disk in blocks of any size', () => {
  const edits = fc.array(
    fc.record({ offset: fc.nat(299_000), length: fc.constantFrom(1, 1, 50, 5000, 70_000) }),
    { maxLength: 4 },
  );
  const sizes = fc.constantFrom(4096, 5000, 65_536, 65_536, 1_000_000);
  const lengths = fc.constantFrom(300_000, 300_000, 299_001, 262_144);
  const disk = markedBytes(300_000, 1);
  disk.fill(0, 70_000, 150_000);
  fc.assert(
    fc.property(edits, sizes, sizes, lengths, lengths, (list, size, otherSize, oldEnd, newEnd) => {
      const directory = newDirectory();
      const edited = Buffer.from(disk);
      for (const { offset, length } of list) {
        edited.fill(7, offset, Math.min(edited.length, offset + length));
      }
      const paths = [
        packSnapshot(
          join(directory, 'a'),
          { disk: disk.subarray(0, oldEnd) },
          { blockBytes: size },
        ),
        packSnapshot(
          join(directory, 'b'),
          { disk: edited.subarray(0, newEnd), memory: edited.subarray(0, 10_000) },
          { blockBytes: otherSize },
        ),
      ];
      const [before, after] = paths.map((path) => openSnapshot(path)) as [Snapshot, Snapshot];
      expectDiff(before, after);
      for (const snapshot of [before, after]) snapshot.close();
    }),
    { numRuns: 60, interruptAfterTimeLimit: 20_000 },
  );
}, 40_000);

const huge = 's-lz4-over-4g';
const some = [
  ...['a-lz4-64k-disk', 'a-thin-l2', 'a-zstd-64k-both', 'a-lz4-cdc', 'a-lz4-cdc-edit'],
  ...['a-zstd-dict-encrypted', 'a4-lz4-both', 'a4-thin', 's-thin-over-a4', 'b-chain-0'],
  ...['b-chain-1', 'b-chain-2', 'b-zstd-file', 's-deep-7', 's-thin-memory', 'a-lz4-zeros'],
];

describe('golden snapshots of every generation', () => {
  const openGolden = (id: string): Snapshot => {
    const { file, password } = goldenFixture(id);
    return open(goldenPath(file), password === null ? [] : [password]);
  };

  test.each(some)('%s against all others', (id) => {
    const before = openGolden(id);
    for (const other of some) expectDiff(before, openGolden(other));
  });

  test.each(goldenFixtures.filter((fixture) => fixture.id !== huge).map((fixture) => fixture.id))(
    '%s is the same as itself, and nothing is decoded',
    (id) => {
      const { differences, tallies } = diffOf(openGolden(id), openGolden(id));
      expect(differences).toEqual([]);
      expect(tallies.every(isSameContent)).toBe(true);
      expect(tallies.map(({ comparedBytes }) => comparedBytes)).toEqual(tallies.map(() => 0));
    },
  );

  test('what lies beyond 4 GiB', () => {
    const before = openGolden(huge);
    const after = openGolden('a-lz4-64k-disk');
    const { tallies } = diffOf(after, before);
    const grown = before.streamLength('disk') - after.streamLength('disk');
    expect(tallies[0]).toMatchObject({ stream: 'disk', grownBytes: grown });
  });
});

/** A disk, and a second snapshot of it in which a byte of block 3 is another one. */
function twoDisks(directory: string, options: { thin: boolean }): [string, string] {
  const disk = markedBytes(8 * BLOCK_BYTES, 1);
  const changed = Buffer.from(disk);
  changed[3 * BLOCK_BYTES + 5] = 0;
  const before = packSnapshot(join(directory, 'before.hxz'), { disk });
  const after = join(directory, 'after.hxz');
  if (!options.thin) return [before, packSnapshot(after, { disk: changed })];
  const writer = new SnapshotWriter(after, { parentPaths: ['before.hxz'] });
  for (let block = 0; block < 8; block++) {
    if (block === 3) writer.addData(changed.subarray(3 * BLOCK_BYTES, 4 * BLOCK_BYTES));
    else writer.addParent(BLOCK_BYTES);
  }
  writer.finish();
  return [before, after];
}

describe('what the index shows to be the same is not decoded', () => {
  test.each([true, false])('thin: %s', (thin) => {
    const [before, after] = twoDisks(newDirectory(), { thin });
    for (const block of [0, 1, 2, 4, 5, 6, 7]) damageBlock(before, block);
    if (!thin) for (const block of [0, 7]) damageBlock(after, block);
    const { differences, tallies } = diffOf(open(before), open(after));
    expect(differences).toHaveLength(1);
    expect(differences[0]).toMatchObject({ offset: 3 * BLOCK_BYTES, differentBytes: 1 });
    expect(tallies[0]?.comparedBytes).toBe(BLOCK_BYTES);
  });

  test('but what differs has to be readable', () => {
    const [before, after] = twoDisks(newDirectory(), { thin: true });
    damageBlock(before, 3);
    const error = codeOf(() => diffOf(open(before), open(after)));
    expect(error).toBe('CRC');
  });

  test('a block of zeros, by its hash', () => {
    const directory = newDirectory();
    const zeros = Buffer.alloc(BLOCK_BYTES);
    const stored = new SnapshotWriter(join(directory, 'stored.hxz'));
    const entry = stored.addData(zeros);
    stored.finish();
    const zero = new SnapshotWriter(join(directory, 'zero.hxz'));
    zero.addZero(BLOCK_BYTES);
    zero.finish();
    if (entry.kind === 'data') damage(join(directory, 'stored.hxz'), entry);
    const sides = ['stored.hxz', 'zero.hxz'].map((name) => open(join(directory, name)));
    const [one, other] = sides as [Snapshot, Snapshot];
    for (const [before, after] of [
      [one, other],
      [other, one],
    ] as const) {
      expect(diffOf(before, after).tallies[0]).toMatchObject({
        differentBytes: 0,
        comparedBytes: 0,
      });
    }
  });

  test('a reference by hash, in generation B', () => {
    const [before, after] = ['b-chain-0', 'b-chain-1'].map((id) =>
      open(goldenPath(goldenFixture(id).file)),
    ) as [Snapshot, Snapshot];
    const common = Math.min(before.streamLength('disk'), after.streamLength('disk'));
    expect(diffOf(before, after).tallies[0]?.comparedBytes).toBeLessThan(common);
  });
});

test('an equal hash for a block of another length proves nothing', () => {
  const directory = newDirectory();
  const plain = markedBytes(BLOCK_BYTES, 1);
  const [before, after] = [plain, Buffer.alloc(BLOCK_BYTES - 1, 1)].map((contents) => {
    const path = join(directory, `${contents.length}.hxz`);
    const writer = new SnapshotWriter(path);
    const entry = writer.addData(contents);
    // The second block says that it is the first block of the other file.
    if (entry.kind === 'data') writer.addShared({ ...entry, hash: blake3(plain) });
    writer.finish();
    return open(path);
  }) as [Snapshot, Snapshot];
  expectDiff(before, after);
});

test('the parent of a thin snapshot that is not the right one is an error, not a difference', () => {
  const directory = newDirectory();
  const [right, wrong] = [markedBytes(1000, 1), markedBytes(1000, 2)];
  const base = new SnapshotWriter(join(directory, 'base.hxz'));
  base.addData(wrong);
  base.finish();
  const writer = new SnapshotWriter(join(directory, 'thin.hxz'), { parentPaths: ['base.hxz'] });
  writer.addParent(1000, blake3(right));
  writer.finish();
  const names = ['base.hxz', 'thin.hxz'];
  const [before, after] = names.map((name) => open(join(directory, name))) as [Snapshot, Snapshot];
  expect(codeOf(() => diffOf(before, after))).toBe('PARENT_MISMATCH');
});

test.each(malformedFixtures)('$id is compared, or refused in words', ({ file, password }) => {
  const passwords = password === null ? [] : [password];
  const sound = open(goldenPath('a-lz4-64k-disk.hxz'));
  let snapshot: Snapshot;
  try {
    snapshot = open(malformedPath(file), passwords);
  } catch (error) {
    // What opening refuses is tested where snapshots are opened.
    expect(error).toBeInstanceOf(HexzError);
    return;
  }
  for (const [before, after] of [
    [sound, snapshot],
    [snapshot, sound],
    [snapshot, open(malformedPath(file), passwords)],
  ] as const) {
    expect(codeOf(() => diffOf(before, after))).not.toBe('INTERNAL');
  }
});

test('a step comes at least for every MiB, with how far it is', () => {
  const directory = newDirectory();
  const paths = [1, 2].map((seed) =>
    packSnapshot(join(directory, `${seed}`), { disk: markedBytes(10_000_000, seed) }),
  );
  const [before, after] = paths.map((path) => open(path)) as [Snapshot, Snapshot];
  let doneBytes = 0;
  let steps = 0;
  for (const { tally } of diffSnapshots(before, after)) {
    expect(tally.doneBytes).toBeGreaterThanOrEqual(doneBytes);
    expect(tally.doneBytes - doneBytes).toBeLessThanOrEqual(2 * 1024 * 1024);
    doneBytes = tally.doneBytes;
    steps++;
  }
  expect(steps).toBeGreaterThanOrEqual(9);
});

test('streams are told apart', () => {
  const directory = newDirectory();
  const disk = markedBytes(10_000, 1);
  const streams: Partial<Record<StreamName, Buffer>>[] = [{ disk }, { memory: disk }];
  const paths = streams.map((each, at) => packSnapshot(join(directory, `${at}`), each));
  const [before, after] = paths.map((path) => open(path)) as [Snapshot, Snapshot];
  const { differences } = diffOf(before, after);
  expect(differences.map(({ stream, kind, length }) => [stream, kind, length])).toEqual([
    ['disk', 'removed', 10_000],
    ['memory', 'grown', 10_000],
  ]);
});
