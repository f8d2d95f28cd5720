import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DirtyPages, type Extent } from '../../../src/engine/overlay/dirtyPages.js';
import { Selection } from '../../../src/engine/overlay/selection.js';
import type { ReviewChange } from '../../../src/engine/review/types.js';
import { errorOf } from '../../support/errors.js';
import { DirtyDisk } from '../../support/review/dirtyDisk.js';
import { NaiveReview } from '../../support/review/naiveReview.js';
import { ReviewAtOnce } from '../../support/review/reviewAtOnce.js';

const DISK_PAGES = 40;
const run = (pageIndex: number, pageCount: number): Extent => ({ pageIndex, pageCount });
const hunksOf = (review: ReviewAtOnce) => review.hunks(0, 1000).hunks;

function reviewOf(...dirtyRuns: readonly Extent[]): { dirty: DirtyDisk; review: ReviewAtOnce } {
  const dirty = new DirtyDisk(DISK_PAGES * 4096 - 1000);
  dirty.add(...dirtyRuns);
  return { dirty, review: new ReviewAtOnce(dirty) };
}

const keep = (pageIndex: number, pageCount: number): ReviewChange => ({
  action: 'keep',
  pages: run(pageIndex, pageCount),
});
const drop = (pageIndex: number, pageCount: number): ReviewChange => ({
  action: 'drop',
  pages: run(pageIndex, pageCount),
});

describe('a hunk', () => {
  test('is a run of dirty pages, cut where decisions differ and where it is split', () => {
    const { review } = reviewOf(run(2, 10), run(20, 1));
    review.change(keep(4, 3));
    review.change({ action: 'split', pageIndex: 9 });
    const decided = { isViewed: false, hasChangedSince: false };
    expect(hunksOf(review)).toEqual([
      { ...run(2, 2), decision: 'open', ...decided },
      { ...run(4, 3), decision: 'keep', ...decided },
      { ...run(7, 2), decision: 'open', ...decided },
      { ...run(9, 3), decision: 'open', ...decided },
      { ...run(20, 1), decision: 'open', ...decided },
    ]);
    review.change({ action: 'join', pages: run(7, 5) });
    review.change({ action: 'clear' });
    expect(hunksOf(review).map(({ pageIndex }) => pageIndex)).toEqual([2, 20]);
  });

  test('can only be split inside', () => {
    const { review } = reviewOf(run(2, 2), run(5, 1), run(39, 1));
    for (const pageIndex of [0, 1, 2, 4, 5, 6, 40, 2 ** 40]) {
      const error = errorOf(() => review.change({ action: 'split', pageIndex }));
      expect([pageIndex, error.code]).toEqual([pageIndex, 'USAGE']);
    }
    expect(review.counts()).toMatchObject({ revision: 1, canUndo: false });
  });

  test('that is written again keeps its decision and says so', () => {
    const { review } = reviewOf(run(2, 3), run(10, 1));
    review.change(drop(2, 3));
    review.written([run(4, 1)]);
    expect(hunksOf(review)[0]).toEqual({
      ...run(2, 3),
      decision: 'drop',
      isViewed: false,
      hasChangedSince: true,
    });
    expect([...review.dropped()]).toEqual([]);
    review.change({ action: 'viewed', pages: run(2, 3), isViewed: true });
    expect(hunksOf(review)[0]).toMatchObject({ isViewed: true, hasChangedSince: false });
    expect([...review.dropped()]).toEqual([run(2, 3)]);
  });

  test('that is undone to what was seen before it was written says so', () => {
    const { review } = reviewOf(run(2, 3));
    review.change(keep(2, 3));
    review.written([run(2, 1)]);
    review.change(keep(2, 3));
    expect(hunksOf(review)[0]).toMatchObject({ decision: 'keep', hasChangedSince: false });
    review.change({ action: 'undo' });
    expect(hunksOf(review)[0]).toMatchObject({ decision: 'keep', hasChangedSince: true });
    review.change({ action: 'redo' });
    expect(hunksOf(review)[0]).toMatchObject({ decision: 'keep', hasChangedSince: false });
  });

  test('that becomes dirty between decided ones is open', () => {
    const { dirty, review } = reviewOf(run(2, 2), run(6, 2));
    review.change(drop(0, 20));
    dirty.add(run(4, 2), run(8, 1));
    review.written([run(8, 1), run(4, 2)]);
    expect(hunksOf(review).map(({ pageIndex, decision }) => [pageIndex, decision])).toEqual([
      [2, 'drop'],
      [4, 'open'],
      [6, 'drop'],
      [8, 'open'],
    ]);
    expect([...review.committed()]).toEqual([run(4, 2), run(8, 1)]);
  });

  test('that is dirty no more takes what was said of it along', () => {
    const { dirty, review } = reviewOf(run(2, 4));
    review.change(drop(2, 4));
    dirty.remove(run(3, 1));
    review.removed([run(3, 1)]);
    dirty.add(run(3, 1));
    review.written([run(3, 1)]);
    expect(hunksOf(review).map(({ decision }) => decision)).toEqual(['drop', 'open', 'drop']);
    expect(errorOf(() => review.change({ action: 'undo' })).code).toBe('USAGE');
  });
});

describe('who has looked at a revision', () => {
  test('is refused where somebody else has decided since', () => {
    const { review } = reviewOf(run(2, 4), run(10, 1));
    const seen = review.revision;
    review.change(keep(2, 4), seen);
    const error = errorOf(() => review.change(drop(10, 1), seen));
    expect([error.code, error.exitStatus]).toEqual(['REVIEW_CHANGED', 7]);
    expect(errorOf(() => review.change(drop(10, 1), review.revision + 1)).code).toBe(error.code);
    expect(errorOf(() => review.select(Selection.parse('2', 'text'), seen)).code).toBe(error.code);
    review.change(drop(10, 1), review.revision);
    expect(hunksOf(review).map(({ decision }) => decision)).toEqual(['keep', 'drop']);
  });

  test('has not seen what the guest has written since', () => {
    const { review } = reviewOf(run(2, 4), run(10, 1));
    const seen = review.revision;
    review.written([run(3, 1)]);
    expect(review.revision).toBeGreaterThan(seen);
    review.change(keep(2, 4), seen);
    review.change(keep(10, 1));
    expect(hunksOf(review).map(({ hasChangedSince }) => hasChangedSince)).toEqual([true, false]);
  });

  test('is not told of changes that were none', () => {
    const { review } = reviewOf(run(2, 4));
    review.change(keep(2, 4));
    const { revision } = review;
    review.change(keep(3, 1));
    review.change({ action: 'keepOpen' });
    review.change({ action: 'join', pages: run(0, 40) });
    review.change({ action: 'viewed', isViewed: false });
    review.change(drop(20, 3));
    review.written([]);
    expect(review.revision).toBe(revision);
  });
});

test('counts tell hunks, pages and bytes, as far as the disk goes', () => {
  const { review } = reviewOf(run(2, 4), run(10, 1), run(38, 2));
  review.change(keep(2, 4));
  review.change(drop(38, 2));
  review.change({ action: 'viewed', pages: run(38, 1), isViewed: true });
  review.written([run(2, 1)]);
  expect(review.counts()).toEqual({
    revision: 5,
    hunks: 4,
    keep: 1,
    drop: 2,
    open: 1,
    viewed: 1,
    changed: 1,
    keepPages: 4,
    dropPages: 2,
    openPages: 1,
    keepBytes: 4 * 4096,
    dropBytes: 2 * 4096 - 1000,
    openBytes: 4096,
    canUndo: true,
    canRedo: false,
  });
});

describe('a selection', () => {
  test('decides about everything that is dirty, and is one step', () => {
    const { review } = reviewOf(run(2, 4), run(10, 2), run(38, 2));
    review.select(Selection.parse('3-4\n10-20\n0x27000+3096\n', 'text'));
    expect(hunksOf(review).map(({ pageIndex, decision }) => [pageIndex, decision])).toEqual([
      [2, 'drop'],
      [3, 'keep'],
      [5, 'drop'],
      [10, 'keep'],
      [38, 'drop'],
      [39, 'keep'],
    ]);
    review.change({ action: 'undo' });
    expect(review.isEmpty).toBe(true);
  });

  test('of parts of dirty pages is refused', () => {
    const { review } = reviewOf(run(2, 4));
    expect(errorOf(() => review.select(Selection.parse('0x3000+512', 'text'))).code).toBe('USAGE');
    review.select(Selection.parse('0x9000+512', 'text'));
    expect(review.counts()).toMatchObject({ drop: 1, keep: 0 });
  });

  test('of what a commit takes is everything that is not dropped', () => {
    const { review } = reviewOf(run(2, 4), run(10, 1));
    review.change(keep(2, 1));
    review.change(drop(4, 1));
    const selection = Selection.ofPages(review.committed());
    expect([...selection.partsIn(0, Number.POSITIVE_INFINITY)]).toEqual([
      { startOffset: 2 * 4096, endOffset: 4 * 4096 },
      { startOffset: 5 * 4096, endOffset: 6 * 4096 },
      { startOffset: 10 * 4096, endOffset: 11 * 4096 },
    ]);
  });
});

const pages = fc
  .record({ pageIndex: fc.nat(DISK_PAGES + 4), pageCount: fc.integer({ min: 1, max: 12 }) })
  .map(({ pageIndex, pageCount }) => run(pageIndex, pageCount));
const maybePages = fc.option(pages, { nil: undefined });
const changes: fc.Arbitrary<ReviewChange> = fc.oneof(
  fc.record({ action: fc.constantFrom('keep', 'drop', 'clear'), pages: maybePages }),
  fc.record({ action: fc.constant('viewed'), pages: maybePages, isViewed: fc.boolean() }),
  fc.record({ action: fc.constant('split'), pageIndex: fc.nat(DISK_PAGES + 4) }),
  fc.record({ action: fc.constant('join'), pages }),
  fc.record({ action: fc.constantFrom('undo', 'redo', 'keepOpen') }),
);
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('change'), change: changes }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('late change'),
        change: changes,
        revisionsAgo: fc.nat(3),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('write'), runs: fc.array(pages) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove'), pages }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('select'), runs: fc.array(pages) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reload') }) },
  ),
  { maxLength: 60, size: 'max' },
);

test('a review is like one that remembers everything of every page', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 5 }), (list, limit) => {
      const dirty = new DirtyDisk(DISK_PAGES * 4096 - 1);
      let review = new ReviewAtOnce(dirty);
      const naive = new NaiveReview(DISK_PAGES);
      for (const step of list) {
        if (step.kind === 'write') {
          dirty.add(...step.runs);
          review.written(step.runs);
          naive.write(step.runs);
        } else if (step.kind === 'remove') {
          dirty.remove(step.pages);
          review.removed([step.pages]);
          naive.remove(step.pages);
        } else if (step.kind === 'reload') {
          review = new ReviewAtOnce(dirty, review.save());
          naive.reload();
        } else if (step.kind === 'select') {
          review.select(Selection.ofPages(step.runs));
          naive.select(step.runs);
        } else {
          const revision =
            step.kind === 'change' ? undefined : Math.max(0, review.revision - step.revisionsAgo);
          expect(outcome(() => review.change(step.change, revision))).toBe(
            naive.change(step.change, step.kind === 'change' ? 0 : step.revisionsAgo),
          );
        }
        const hunks = hunksOf(review);
        expect(hunks).toEqual(naive.hunks());
        const paged = [];
        for (let page: number | null = 0; page !== null; ) {
          const part = review.hunks(page, limit);
          paged.push(...part.hunks);
          page = part.nextPage;
        }
        expect(paged).toEqual(hunks);
        const counts = review.counts();
        for (const decision of ['keep', 'drop', 'open'] as const) {
          const those = hunks.filter((hunk) => hunk.decision === decision);
          expect(counts[decision]).toBe(those.length);
          expect(counts[`${decision}Pages`]).toBe(
            those.reduce((sum, { pageCount }) => sum + pageCount, 0),
          );
        }
        expect(counts).toMatchObject({ canUndo: naive.canUndo, canRedo: naive.canRedo });
        expect(pagesOf(review.committed())).toEqual(
          hunks.filter(({ decision }) => decision !== 'drop').flatMap((hunk) => pagesOf([hunk])),
        );
      }
    }),
    { numRuns: 500 },
  );
});

function pagesOf(runs: Iterable<Extent>): number[] {
  return [...runs].flatMap(({ pageIndex, pageCount }) =>
    Array.from({ length: pageCount }, (_, page) => pageIndex + page),
  );
}

function outcome(action: () => void): string {
  try {
    action();
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('a million hunks', () => {
  const COUNT = 1_000_000;

  function million(): ReviewAtOnce {
    const pages = new DirtyPages();
    for (let index = 0; index < COUNT; index++) pages.add(index * 3);
    return new ReviewAtOnce({
      diskLength: COUNT * 3 * 4096,
      version: 0,
      has: (page) => pages.has(page),
      runEnd: (page, end, isDirty) => pages.runEnd(page, end, isDirty),
    });
  }

  test('are listed, decided, undone and counted', () => {
    const review = million();
    review.change({ action: 'keepOpen' });
    for (let index = 0; index < 500; index++) review.change(drop(index * 3000, 30));
    review.written([run(0, 1)]);
    expect(review.counts()).toMatchObject({
      hunks: COUNT,
      drop: 5000,
      keep: 995_000,
      changed: 1,
    });
    let listed = 0;
    let page: number | null = 0;
    while (page !== null) {
      const part = review.hunks(page, 4096);
      listed += part.hunks.length;
      page = part.nextPage;
    }
    expect(listed).toBe(COUNT);
    for (let index = 0; index < 501; index++) review.change({ action: 'undo' });
    expect(review.counts()).toMatchObject({ open: COUNT, canUndo: false, canRedo: true });
    expect(review.isEmpty).toBe(true);
  });

  test('can be decided as often as one likes: the oldest states are forgotten', () => {
    const review = million();
    for (let index = 0; index < 8; index++) {
      review.change({ action: index % 2 === 0 ? 'keep' : 'drop' });
    }
    let undone = 0;
    while (review.counts().canUndo) {
      review.change({ action: 'undo' });
      undone++;
    }
    expect(undone).toBeGreaterThan(0);
    expect(undone).toBeLessThan(8);
  });
});

test('a hunk over a long stretch of the disk is one, and changed once', () => {
  const dirty = new DirtyDisk(60_000 * 4096);
  dirty.add(run(100, 50_000));
  const review = new ReviewAtOnce(dirty);
  review.change({ action: 'keep' });
  review.written([run(100, 1), run(50_099, 1)]);
  expect(review.counts()).toMatchObject({ hunks: 1, keep: 1, changed: 1, keepPages: 50_000 });
  review.change({ action: 'split', pageIndex: 16_384 });
  expect(review.counts()).toMatchObject({ hunks: 2, keep: 2, changed: 2 });
});

describe('a page that changes while it is looked at', () => {
  /** Another thread makes a page dirty or clean, right after it was asked whether it is. */
  class ChangingDisk extends DirtyDisk {
    changing: number | undefined;

    override has(pageIndex: number): boolean {
      const isDirty = super.has(pageIndex);
      if (pageIndex === this.changing) {
        this.changing = undefined;
        const page = { pageIndex, pageCount: 1 };
        if (isDirty) this.remove(page);
        else this.add(page);
      }
      return isDirty;
    }
  }

  const changingDisk = (): ChangingDisk => {
    const dirty = new ChangingDisk(64 * 4096);
    dirty.add({ pageIndex: 0, pageCount: 1 }, { pageIndex: 10, pageCount: 1 });
    return dirty;
  };

  test.each([
    ['is dirty no more', 0],
    ['becomes dirty', 1],
  ])('and %s makes no hunk of clean pages', (_, changing) => {
    const dirty = changingDisk();
    dirty.changing = changing;
    const { hunks } = new ReviewAtOnce(dirty).hunks(0, 10);
    expect(hunks.map(({ pageIndex, pageCount }) => [pageIndex, pageCount])).toContainEqual([10, 1]);
    for (const { pageCount } of hunks) expect(pageCount).toBeLessThanOrEqual(2);
  });

  test.each([0, 1])('makes nobody decide about clean pages: %d', (changing) => {
    const dirty = changingDisk();
    const review = new ReviewAtOnce(dirty);
    dirty.changing = changing;
    review.change({ action: 'drop' });
    dirty.add({ pageIndex: 5, pageCount: 1 });
    const [found] = review.hunks(5, 1).hunks;
    expect(found).toMatchObject({ pageIndex: 5, decision: 'open' });
  });
});

test('counts are those of the list, wherever on a large disk something changes', () => {
  const PAGES = 40_000;
  // Long runs, with ends near each other, so that many hunks reach over many pages.
  const pageIndex = fc.oneof(
    fc.nat(PAGES - 1),
    fc
      .tuple(fc.constantFrom(8192, 16_384, 24_576), fc.integer({ min: -2, max: 2 }))
      .map(([near, by]) => near + by),
  );
  const pages = fc
    .tuple(pageIndex, pageIndex)
    .map(([one, other]) => run(Math.min(one, other), Math.abs(one - other) + 1));
  const step = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), pages }),
    fc.record({ kind: fc.constant('clean' as const), pages }),
    fc.record({ kind: fc.constant('forget' as const) }),
    fc.record({
      kind: fc.constant('change' as const),
      change: fc.oneof(
        fc.record({
          action: fc.constantFrom('keep' as const, 'drop' as const, 'clear' as const),
          pages,
        }),
        fc.record({ action: fc.constant('viewed' as const), pages, isViewed: fc.boolean() }),
        fc.record({ action: fc.constant('split' as const), pageIndex }),
        fc.record({ action: fc.constant('join' as const), pages }),
        fc.record({
          action: fc.constantFrom('undo' as const, 'redo' as const, 'keepOpen' as const),
        }),
      ),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 3, maxLength: 25 }), (steps) => {
      const dirty = new DirtyPages();
      let version = 0;
      const diskLength = PAGES * 4096 - 1000;
      const review = new ReviewAtOnce({
        diskLength,
        get version() {
          return version;
        },
        has: (page) => dirty.has(page),
        runEnd: (page, end, isDirty) => dirty.runEnd(page, end, isDirty),
      });
      const each = ({ pageIndex, pageCount }: Extent, action: (page: number) => void) => {
        const end = Math.min(PAGES, pageIndex + pageCount);
        for (let page = pageIndex; page < end; page++) action(page);
      };
      for (const next of steps) {
        if (next.kind === 'write') {
          each(next.pages, (page) => dirty.add(page));
          review.written([next.pages]);
        } else if (next.kind === 'clean') {
          each(next.pages, (page) => dirty.remove(page));
          version += 2;
          review.removed([next.pages]);
        } else if (next.kind === 'forget') review.writtenUnknown();
        else outcome(() => review.change(next.change));
        const { hunks } = review.hunks(0, 100_000);
        const counts = review.counts();
        const sum = (of: (hunk: (typeof hunks)[number]) => number) =>
          hunks.reduce((total, hunk) => total + of(hunk), 0);
        const bytesOf = ({ pageIndex: first, pageCount }: Extent) =>
          Math.min(diskLength, (first + pageCount) * 4096) - first * 4096;
        expect(counts).toMatchObject({
          hunks: hunks.length,
          viewed: sum(({ isViewed }) => Number(isViewed)),
          changed: sum(({ hasChangedSince }) => Number(hasChangedSince)),
        });
        for (const decision of ['keep', 'drop', 'open'] as const) {
          const isIt = (hunk: (typeof hunks)[number]) => Number(hunk.decision === decision);
          expect(counts).toMatchObject({
            [decision]: sum(isIt),
            [`${decision}Pages`]: sum((hunk) => isIt(hunk) * hunk.pageCount),
            [`${decision}Bytes`]: sum((hunk) => isIt(hunk) * bytesOf(hunk)),
          });
        }
      }
    }),
    { numRuns: 300 },
  );
});
