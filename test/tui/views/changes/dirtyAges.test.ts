import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DirtyAges } from '../../../../src/tui/views/changes/dirtyAges.js';

const PAGES = 40;

const step = fc.record({
  start: fc.integer({ min: 0, max: PAGES - 1 }),
  count: fc.integer({ min: 1, max: 10 }),
  isRemoved: fc.boolean(),
});

describe('since when pages are dirty', () => {
  test('is told as it would be page by page', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), step, (steps, { start, count }) => {
        const ages = new DirtyAges(0);
        const times = new Map<number, number>();
        steps.forEach(({ start, count, isRemoved }, index) => {
          const time = index * 5000;
          if (isRemoved) ages.remove(start, start + count);
          else ages.add(start, start + count, time);
          for (let page = start; page < start + count; page++) {
            if (isRemoved) times.delete(page);
            else if (!times.has(page)) times.set(page, time);
          }
        });
        const pages = Array.from({ length: count }, (_, index) => times.get(start + index));
        const known = pages.filter((time) => time !== undefined);
        const oldest = known.length < count ? undefined : Math.min(...known);
        expect(ages.of(start, start + count)).toBe(oldest);
      }),
    );
  });

  test('counts as one what was written within a second', () => {
    const ages = new DirtyAges(0);
    ages.add(1, 2, 1000);
    ages.add(2, 3, 1500);
    expect(ages.of(2, 3)).toBe(1000);
    ages.add(3, 4, 9000);
    expect(ages.of(3, 4)).toBe(9000);
    expect(ages.of(1, 4)).toBe(1000);
  });

  test('forgets the oldest of more than it can keep', () => {
    const ages = new DirtyAges(0);
    for (let run = 0; run < 40_000; run++) ages.add(run * 2, run * 2 + 1, run * 2000);
    expect(ages.of(0, 1)).toBeUndefined();
    expect(ages.of(79_998, 79_999)).toBe(39_999 * 2000);
    // Of what it has forgotten it still knows that it is no younger.
    const oldest = Array.from({ length: 40_000 }, (_, run) => ages.of(run * 2, run * 2 + 1)).find(
      (time) => time !== undefined,
    );
    expect(ages.knownSince).toBeGreaterThan(0);
    expect(ages.knownSince).toBeLessThan(oldest ?? 0);
  });
});
