import { readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { type OverlayPaths, overlayPaths } from '../../../src/engine/overlay/paths.js';
import { Selection } from '../../../src/engine/overlay/selection.js';
import { readReview, stateOf, writeReview } from '../../../src/engine/review/reviewFile.js';
import { commit } from '../../../src/engine/write/commit.js';
import { openSnapshot } from '../../../src/index.js';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import { DirtyDisk } from '../../support/review/dirtyDisk.js';
import { ReviewAtOnce } from '../../support/review/reviewAtOnce.js';
import { packSnapshot } from '../../support/snapshots.js';
import { readStream } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { changeDisk } from '../../support/write/changedOverlay.js';

const newDirectory = temporaryDirectories();
const DISK_PAGES = 64;
const BASE = 'identity of the base';

function newPaths(): OverlayPaths {
  const paths = overlayPaths(join(newDirectory(), 'changes.overlay'));
  writeFileSync(paths.data, 'data');
  return paths;
}

function dirtyDisk(): DirtyDisk {
  const dirty = new DirtyDisk(DISK_PAGES * 4096);
  dirty.add({ pageIndex: 2, pageCount: 20 }, { pageIndex: 30, pageCount: 1 });
  return dirty;
}

function reviewed(): ReviewAtOnce {
  const review = new ReviewAtOnce(dirtyDisk());
  review.change({ action: 'keep', pages: { pageIndex: 2, pageCount: 8 } });
  review.change({ action: 'drop', pages: { pageIndex: 30, pageCount: 1 } });
  review.change({ action: 'viewed', pages: { pageIndex: 8, pageCount: 6 }, isViewed: true });
  review.change({ action: 'split', pageIndex: 18 });
  review.written([{ pageIndex: 3, pageCount: 1 }]);
  return review;
}

const save = (paths: OverlayPaths, review: ReviewAtOnce): Promise<void> =>
  writeReview(paths, BASE, review.save(), stateOf(paths.data));

const hunksOf = (review: ReviewAtOnce) => review.hunks(0, 1000).hunks;

describe('a saved review', () => {
  test('is read back', async () => {
    const paths = newPaths();
    const review = reviewed();
    await save(paths, review);
    await save(paths, review);
    const found = readReview(paths, BASE, true);
    expect(found).toMatchObject({ isStale: false, warning: undefined });
    expect(hunksOf(new ReviewAtOnce(dirtyDisk(), found.review))).toEqual(hunksOf(review));
    expect(readdirSync(join(paths.data, '..')).sort()).toEqual([
      'changes.overlay',
      'changes.overlay.hexz-review.json',
    ]);
    expect(JSON.parse(readFileSync(paths.review, 'utf8'))).toMatchObject({
      version: 1,
      baseIdentity: BASE,
      keep: '2-9',
      drop: '30',
      viewed: '8-13',
      changedSince: '3',
      splits: '18',
    });
  });

  test('says nothing of pages that are not dirty any more, and of new ones', async () => {
    const paths = newPaths();
    await save(paths, reviewed());
    const dirty = new DirtyDisk(DISK_PAGES * 4096);
    dirty.add({ pageIndex: 9, pageCount: 2 }, { pageIndex: 29, pageCount: 1 });
    const review = new ReviewAtOnce(dirty, readReview(paths, BASE, true).review);
    const known = { pageCount: 1, hasChangedSince: false };
    expect(hunksOf(review)).toEqual([
      { ...known, pageIndex: 9, decision: 'keep', isViewed: true },
      { ...known, pageIndex: 10, decision: 'open', isViewed: true },
      { ...known, pageIndex: 29, decision: 'open', isViewed: false },
    ]);
  });

  test('tells whether others have written since', async () => {
    const paths = newPaths();
    await save(paths, reviewed());
    utimesSync(paths.data, 1, 1);
    const { review, isStale } = readReview(paths, BASE, true);
    expect(isStale).toBe(true);
    const later = new ReviewAtOnce(dirtyDisk(), review);
    later.writtenUnknown();
    for (const { decision, isViewed, hasChangedSince } of hunksOf(later)) {
      expect(hasChangedSince).toBe(decision !== 'open' || isViewed);
    }
  });

  test('is that of any review', async () => {
    const run = fc.record({
      pageIndex: fc.nat(DISK_PAGES - 1),
      pageCount: fc.integer({ min: 1, max: 9 }),
    });
    const paths = newPaths();
    await fc.assert(
      fc.asyncProperty(
        fc.array(run),
        fc.array(run),
        fc.array(run),
        fc.array(run),
        async (...lists) => {
          const [dirtyRuns, keep, drop, viewed] = lists;
          const dirty = new DirtyDisk(DISK_PAGES * 4096);
          dirty.add(...dirtyRuns);
          const review = new ReviewAtOnce(dirty);
          for (const pages of keep) review.change({ action: 'keep', pages });
          review.written(viewed);
          for (const pages of drop) review.change({ action: 'drop', pages });
          for (const pages of viewed) review.change({ action: 'viewed', pages, isViewed: true });
          await save(paths, review);
          const again = new ReviewAtOnce(dirty, readReview(paths, BASE, true).review);
          expect(hunksOf(again)).toEqual(hunksOf(review));
          const text = readFileSync(paths.review, 'utf8');
          await save(paths, again);
          expect(readFileSync(paths.review, 'utf8')).toBe(text);
        },
      ),
      { numRuns: 50 },
    );
  });
});

test('an overlay without a review has none', () => {
  expect(readReview(newPaths(), BASE, true)).toEqual({
    review: undefined,
    isStale: false,
    warning: undefined,
  });
});

describe('a review that cannot be used', () => {
  const right = {
    version: 1,
    baseIdentity: BASE,
    dataState: '4@0',
    keep: '',
    drop: '',
    viewed: '',
    changedSince: '',
    splits: '',
  };

  test.each([
    ['of another version', JSON.stringify({ ...right, version: 2 })],
    ['of another base', JSON.stringify({ ...right, baseIdentity: 'other' })],
    ['with an unknown member', JSON.stringify({ ...right, more: 1 })],
    ['without a member', JSON.stringify({ ...right, keep: undefined })],
    ['with a number for a text', JSON.stringify({ ...right, keep: 5 })],
    ['with runs that overlap', JSON.stringify({ ...right, keep: '3-5 5' })],
    ['with runs that are not in order', JSON.stringify({ ...right, keep: '7 3' })],
    ['with a run that ends before it begins', JSON.stringify({ ...right, keep: '7-6' })],
    ['with a page behind every disk', JSON.stringify({ ...right, keep: '4294967296' })],
    ['with a very long number', JSON.stringify({ ...right, keep: '9'.repeat(1000) })],
    ['with words', JSON.stringify({ ...right, keep: '3 all' })],
    ['that is cut', JSON.stringify(right).slice(0, 50)],
    ['that is empty', ''],
    ['of zeros', '\0'.repeat(4096)],
    ['of brackets', '['.repeat(100_000)],
  ])('%s is set aside with a warning', (_, text) => {
    const paths = newPaths();
    writeFileSync(paths.review, text);
    const kept = readReview(paths, BASE, false);
    expect(kept.review).toBeUndefined();
    expect(kept.warning).toContain(paths.review);
    expect(readFileSync(paths.review, 'utf8')).toBe(text);

    const { review, warning } = readReview(paths, BASE, true);
    expect(review).toBeUndefined();
    const [aside = ''] = readdirSync(join(paths.data, '..')).filter((name) =>
      name.includes('.aside-'),
    );
    expect(warning).toContain(aside);
    expect(readFileSync(join(paths.data, '..', aside), 'utf8')).toBe(text);
    expect(readReview(paths, BASE, true).warning).toBeUndefined();
  });

  test('is not a link that is followed', () => {
    const paths = newPaths();
    symlinkSync(paths.data, paths.review);
    expect(readReview(paths, BASE, true).warning).toContain('cannot be read');
    expect(readFileSync(paths.data, 'utf8')).toBe('data');
  });
});

describe('the review of an overlay', () => {
  const base = new MemoryBase(markedBytes(8 * 4096, 0));
  const open = (path: string) => Overlay.open({ path, base, access: 'write' });

  test('goes with it', async () => {
    const paths = overlayPaths(join(newDirectory(), 'changes.overlay'));
    const overlay = open(paths.data);
    overlay.write(0, Buffer.from('x'));
    await save(paths, reviewed());
    await overlay.remove();
    expect(readdirSync(join(paths.data, '..'))).toEqual([]);
  });

  test('that was deleted by hand says nothing of a new one', async () => {
    const paths = overlayPaths(join(newDirectory(), 'changes.overlay'));
    writeFileSync(paths.data, '');
    await save(paths, reviewed());
    rmSync(paths.data);
    const overlay = open(paths.data);
    await overlay.close();
    expect(readReview(paths, BASE, true).review).toBeUndefined();
  });
});

test('what a review gives to commit is all that it does not drop', async () => {
  const directory = newDirectory();
  const basePath = join(directory, 'base.hxz');
  const overlayPath = join(directory, 'changes.overlay');
  const disk = markedBytes(DISK_PAGES * 4096, 1);
  packSnapshot(basePath, { disk });
  const runs = [
    { pageIndex: 2, pageCount: 8 },
    { pageIndex: 20, pageCount: 1 },
    { pageIndex: 60, pageCount: 4 },
  ];
  const changed = await changeDisk(
    basePath,
    overlayPath,
    runs.map(({ pageIndex, pageCount }) => ({
      kind: 'write',
      offset: pageIndex * 4096,
      bytes: markedBytes(pageCount * 4096, 2 + pageIndex),
    })),
  );
  const dirty = new DirtyDisk(disk.length);
  dirty.add(...runs);
  const review = new ReviewAtOnce(dirty);
  review.change({ action: 'keep', pages: { pageIndex: 2, pageCount: 4 } });
  review.change({ action: 'drop', pages: { pageIndex: 4, pageCount: 3 } });
  review.change({ action: 'drop', pages: { pageIndex: 63, pageCount: 1 } });
  const output = join(directory, 'out.hxz');
  const baseSnapshot = openSnapshot(basePath);
  await commit(baseSnapshot, {
    overlay: overlayPath,
    output,
    keepsOverlay: true,
    selection: Selection.ofPages(review.committed()),
  }).finally(() => baseSnapshot.close());
  const expected = Buffer.from(changed);
  for (const page of [4, 5, 6, 63])
    disk.copy(expected, page * 4096, page * 4096, (page + 1) * 4096);
  const snapshot = openSnapshot(output);
  try {
    expect(readStream(snapshot, 'disk').equals(expected)).toBe(true);
  } finally {
    snapshot.close();
  }
});
