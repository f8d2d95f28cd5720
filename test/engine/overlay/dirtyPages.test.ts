import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DirtyPages } from '../../../src/engine/overlay/dirtyPages.js';

const GROUP_PAGES = 32_768;
/** Pages near the edges of words and groups, and anywhere. */
const page = fc.oneof(
  fc.nat(200),
  fc.integer({ min: GROUP_PAGES - 40, max: GROUP_PAGES + 40 }),
  fc.integer({ min: 3 * GROUP_PAGES, max: 5 * GROUP_PAGES }),
);

test('cells count the pages in them that are dirty', () => {
  fc.assert(
    fc.property(
      fc.array(page, { maxLength: 60 }),
      fc.integer({ min: 0, max: 17 }).map((power) => 2 ** power),
      page,
      page,
      (dirty, cellPages, start, end) => {
        const pages = new DirtyPages();
        for (const each of dirty) pages.add(each);
        const expected = new Map<number, number>();
        for (const each of new Set(dirty.toSorted((a, b) => a - b))) {
          if (each < start || each >= end) continue;
          const cell = Math.floor(each / cellPages);
          expected.set(cell, (expected.get(cell) ?? 0) + 1);
        }
        const counts = [...pages.cellCounts(cellPages, start, end)];
        expect(counts.map(({ cell, pageCount }) => [cell, pageCount])).toEqual([...expected]);
      },
    ),
  );
});
