import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type Difference,
  type DiffTally,
  diffOverlay,
  type Granularity,
  isSameContent,
  type Overlay,
  openOverlay,
  openSnapshot,
  type Snapshot,
} from '../../../src/index.js';
import { codeOf } from '../../support/errors.js';
import { goldenOverlays, goldenPath, sha256 } from '../../support/fixtures.js';
import { markedBytes } from '../../support/overlay/memoryBase.js';
import { contentsOf } from '../../support/overlay/steps.js';
import { damageBlock, packSnapshot } from '../../support/snapshots.js';
import { readStream } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const PAGE_BYTES = 4096;
const granularities = ['extent', 'run', 'page'] as const;

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function snapshotAt(path: string): Snapshot {
  const snapshot = openSnapshot(path);
  ends.push(() => snapshot.close());
  return snapshot;
}

function newOverlay(snapshot: Snapshot): Overlay {
  const path = join(newDirectory(), 'disk.overlay');
  const overlay = openOverlay(snapshot, { path, access: 'write' });
  ends.push(() => overlay.close());
  return overlay;
}

function diffOf(
  snapshot: Snapshot,
  overlay: Overlay,
  granularity: Granularity = 'extent',
): { readonly differences: Difference[]; readonly tally: DiffTally } {
  const steps = diffOverlay(snapshot, overlay, { granularity });
  const differences: Difference[] = [];
  for (;;) {
    const next = steps.next();
    if (next.done === true) return { differences, tally: next.value };
    if (next.value.difference !== undefined) differences.push(next.value.difference);
  }
}

/** What the differences between two disks are, told byte by byte. */
class Model {
  readonly #before: Buffer;
  readonly #after: Buffer;
  readonly #dirty: ReadonlySet<number>;

  constructor(before: Buffer, after: Buffer, dirty: ReadonlySet<number>) {
    this.#before = before;
    this.#after = after;
    this.#dirty = dirty;
  }

  page(pageIndex: number) {
    const start = pageIndex * PAGE_BYTES;
    const end = Math.min(start + PAGE_BYTES, this.#after.length);
    let differentBytes = 0;
    let newBytes = 0;
    for (let offset = start; offset < end; offset++) {
      if (offset >= this.#before.length) newBytes++;
      else if (this.#before[offset] !== this.#after[offset]) differentBytes++;
    }
    const kind = differentBytes > 0 ? 'changed' : newBytes > 0 ? 'new' : 'equal';
    return { kind, pageIndex, offset: start, length: end - start, differentBytes, newBytes };
  }

  pages() {
    return [...this.#dirty]
      .filter((pageIndex) => pageIndex * PAGE_BYTES < this.#after.length)
      .sort((a, b) => a - b)
      .map((pageIndex) => this.page(pageIndex));
  }

  /** Offsets of bytes that differ though no dirty page holds them. */
  cutOffsets(): number[] {
    const offsets: number[] = [];
    for (let offset = 0; offset < Math.min(this.#before.length, this.#after.length); offset++) {
      const isDirty = this.#dirty.has(Math.floor(offset / PAGE_BYTES));
      if (!isDirty && this.#before[offset] !== this.#after[offset]) offsets.push(offset);
    }
    return offsets;
  }

  expect(differences: readonly Difference[], tally: DiffTally, granularity: Granularity): void {
    const [before, after] = [this.#before.length, this.#after.length];
    const ofPages = differences.filter(({ kind }) => ['changed', 'equal', 'new'].includes(kind));
    expect(ofPages).toEqual(this.#grouped(granularity));
    const offsets = differences.map(({ offset }) => offset);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    const ends = differences.filter(({ kind }) => kind === 'grown' || kind === 'removed');
    expect(ends.map(({ kind, offset, length }) => [kind, offset, length])).toEqual([
      ...(after > before ? [['grown', before, after - before]] : []),
      ...(after < before ? [['removed', after, before - after]] : []),
    ]);
    const cuts = differences.filter(({ kind }) => kind === 'cut');
    const cutOffsets = this.cutOffsets();
    for (const { offset, length, differentBytes } of cuts) {
      const inside = cutOffsets.filter((each) => each >= offset && each < offset + length);
      expect(differentBytes).toBe(inside.length);
      expect(inside.length).toBeGreaterThan(0);
      expect(this.#after.subarray(offset, offset + length).every((byte) => byte === 0)).toBe(true);
    }
    const differentBytes = differences.reduce((sum, each) => sum + each.differentBytes, 0);
    const inPages = this.pages().reduce((sum, page) => sum + page.differentBytes, 0);
    expect(differentBytes).toBe(inPages + cutOffsets.length);
    const count = (wanted: string) => this.pages().filter(({ kind }) => kind === wanted).length;
    expect(tally).toMatchObject({
      lengthBefore: before,
      lengthAfter: after,
      extents: this.#grouped('extent').length,
      changedPages: count('changed'),
      equalPages: count('equal'),
      newPages: count('new'),
      differentBytes,
      newBytes: this.pages().reduce((sum, page) => sum + page.newBytes, 0),
      cutRanges: cuts.length,
      cutBytes: cuts.reduce((sum, { length }) => sum + length, 0),
      grownBytes: Math.max(0, after - before),
      removedBytes: Math.max(0, before - after),
    });
    expect(isSameContent(tally)).toBe(this.#before.equals(this.#after));
  }

  #grouped(granularity: Granularity): unknown[] {
    const groups: ReturnType<Model['page']>[][] = [];
    for (const page of this.pages()) {
      const last = groups.at(-1)?.at(-1);
      const joins =
        last !== undefined &&
        last.pageIndex + 1 === page.pageIndex &&
        (granularity === 'extent' || (granularity === 'run' && last.kind === page.kind));
      if (joins) groups.at(-1)?.push(page);
      else groups.push([page]);
    }
    return groups.map((pages) => {
      const sum = (of: (page: ReturnType<Model['page']>) => number) =>
        pages.reduce((total, page) => total + of(page), 0);
      const count = (kind: string) => sum((page) => Number(page.kind === kind));
      const kinds = ['changed', 'new', 'equal'].filter((kind) => count(kind) > 0);
      return {
        stream: 'disk',
        kind: kinds[0],
        offset: pages[0]?.offset,
        length: sum(({ length }) => length),
        pageIndex: pages[0]?.pageIndex,
        pageCount: pages.length,
        changedPages: count('changed'),
        equalPages: count('equal'),
        newPages: count('new'),
        differentBytes: sum((page) => page.differentBytes),
        newBytes: sum((page) => page.newBytes),
      };
    });
  }
}

const offsets = fc.oneof(
  fc.nat(90_000),
  fc.nat(21).map((page) => page * PAGE_BYTES),
);
const operations = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom('write', 'write', 'zeros', 'restore'),
      offset: offsets,
      length: fc.oneof(fc.constantFrom(1, 4096, 8192), fc.integer({ min: 1, max: 20_000 })),
    }),
    fc.record({ kind: fc.constant('truncate'), offset: offsets, length: fc.constant(0) }),
  ),
  { maxLength: 8 },
);

/** A disk with stretches of zeros in it, some of which are blocks of zeros. */
function baseDisk(length: number, zeroPages: readonly number[]): Buffer {
  const disk = markedBytes(length, length);
  for (const page of zeroPages) {
    const start = Math.min(length, page * PAGE_BYTES);
    disk.fill(0, start, Math.min(length, start + 2 * PAGE_BYTES));
  }
  return disk;
}

test('agrees with a comparison of all bytes, whatever was written and cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.integer({ min: 1, max: 60_000 }),
        fc.constantFrom(1, PAGE_BYTES, 12 * PAGE_BYTES),
      ),
      fc.array(fc.nat(14), { maxLength: 4 }),
      operations,
      async (baseLength, zeroPages, list) => {
        const before = baseDisk(baseLength, zeroPages);
        const path = join(newDirectory(), 'base.hxz');
        packSnapshot(path, { disk: before }, { blockBytes: 5000 });
        const snapshot = openSnapshot(path);
        const overlay = openOverlay(snapshot, { path: `${path}.overlay`, access: 'write' });
        let after: Buffer = Buffer.from(before);
        const dirty = new Set<number>();
        list.forEach(({ kind, offset, length }, seed) => {
          if (kind === 'truncate') {
            overlay.truncate(offset);
            const resized = Buffer.alloc(offset);
            after.copy(resized);
            after = resized;
            return;
          }
          const bytes = kind === 'write' ? markedBytes(length, seed) : Buffer.alloc(length);
          if (kind === 'restore') before.subarray(offset).copy(bytes);
          overlay.write(offset, bytes);
          const grown = Buffer.alloc(Math.max(after.length, offset + length));
          after.copy(grown);
          bytes.copy(grown, offset);
          after = grown;
          const last = Math.floor((offset + length - 1) / PAGE_BYTES);
          for (let page = Math.floor(offset / PAGE_BYTES); page <= last; page++) dirty.add(page);
        });
        const model = new Model(before, after, dirty);
        for (const granularity of granularities) {
          const { differences, tally } = diffOf(snapshot, overlay, granularity);
          model.expect(differences, tally, granularity);
        }
        await overlay.close();
        snapshot.close();
      },
    ),
    { numRuns: 150, interruptAfterTimeLimit: 20_000 },
  );
}, 40_000);

test.each(goldenOverlays)('agrees on $id, which the Rust hexz wrote', async (golden) => {
  const snapshot = snapshotAt(goldenPath(golden.base));
  const overlay = openOverlay(snapshot, { path: goldenPath(golden.data), access: 'read' });
  ends.push(() => overlay.close());
  const before = readStream(snapshot, 'disk');
  const after = contentsOf(overlay);
  // The Rust hexz makes a disk grow to whole pages.
  expect(sha256(after.subarray(0, golden.applied_disk.size))).toBe(golden.applied_disk.sha256);
  const model = new Model(before, after, new Set(golden.meta_blocks));
  for (const granularity of granularities) {
    const { differences, tally } = diffOf(snapshot, overlay, granularity);
    model.expect(differences, tally, granularity);
  }
});

describe('an extent', () => {
  test('longer than what is compared at once is one difference', () => {
    const path = join(newDirectory(), 'base.hxz');
    const disk = markedBytes(5_000_000, 1);
    packSnapshot(path, { disk });
    const snapshot = snapshotAt(path);
    const overlay = newOverlay(snapshot);
    const changed = Buffer.from(disk);
    for (let offset = 300_000; offset < 4_900_000; offset += 99_991) changed[offset] = 0;
    overlay.write(8192, changed.subarray(8192));
    const { differences } = diffOf(snapshot, overlay);
    expect(differences).toHaveLength(1);
    expect(differences[0]).toMatchObject({
      kind: 'changed',
      offset: 8192,
      length: 5_000_000 - 8192,
      differentBytes: 47,
    });
    const pages = Math.ceil(5_000_000 / PAGE_BYTES) - 2;
    expect((differences[0]?.changedPages ?? 0) + (differences[0]?.equalPages ?? 0)).toBe(pages);
  });

  test('reads of the base only what lies near it', () => {
    const path = join(newDirectory(), 'base.hxz');
    packSnapshot(path, { disk: markedBytes(10 * 65_536, 1) });
    const snapshot = snapshotAt(path);
    const overlay = newOverlay(snapshot);
    for (const block of [0, 2, 9]) overlay.write(block * 65_536, Buffer.alloc(PAGE_BYTES, 9));
    for (const block of [1, 4, 8]) damageBlock(path, block);
    expect(diffOf(snapshot, overlay).tally).toMatchObject({ extents: 3, changedPages: 3 });
  });

  test('in a block that cannot be read is an error', () => {
    const path = join(newDirectory(), 'base.hxz');
    packSnapshot(path, { disk: markedBytes(10 * 65_536, 1) });
    const snapshot = snapshotAt(path);
    const overlay = newOverlay(snapshot);
    overlay.write(65_536, Buffer.alloc(PAGE_BYTES, 9));
    damageBlock(path, 1);
    expect(codeOf(() => diffOf(snapshotAt(path), overlay))).toBe('CRC');
  });
});

test('a disk that is written between two steps is told as it is then, or an error', () => {
  const path = join(newDirectory(), 'base.hxz');
  packSnapshot(path, { disk: markedBytes(100 * PAGE_BYTES, 1) });
  const snapshot = snapshotAt(path);
  const overlay = newOverlay(snapshot);
  for (let page = 0; page < 100; page += 20) overlay.write(page * PAGE_BYTES, Buffer.from('x'));
  const steps = diffOverlay(snapshot, overlay);
  const seen: number[] = [];
  const until = (end: number) => {
    while (seen.length < end) {
      const next = steps.next();
      if (next.done === true) return;
      if (next.value.difference !== undefined) seen.push(next.value.difference.pageIndex);
    }
  };
  until(1);
  overlay.write(90 * PAGE_BYTES, Buffer.from('y'));
  until(2);
  expect(codeOf(() => overlay.truncate(70 * PAGE_BYTES))).toBe('ok');
  expect(['ok', 'UNREADABLE']).toContain(codeOf(() => until(100)));
  expect(seen.slice(0, 3)).toEqual([0, 20, 40]);
});
