import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HexzError } from '../../../../src/engine/errors.js';
import { RunList } from '../../../../src/tui/views/changes/runList.js';
import { itemsBefore, type RunSource } from '../../../../src/tui/views/changes/runWindow.js';

/** A list of numbers that answers like an engine, at most so many at a time. */
function numbers(
  all: () => readonly number[],
  most = Number.POSITIVE_INFINITY,
): RunSource<number> & { requests: number; listed: number } {
  return {
    first: 0,
    step: 16,
    requests: 0,
    listed: 0,
    startOf: (number) => number,
    async fetch(from, limit, signal) {
      if (signal.aborted) throw new HexzError('CANCELLED', 'cancelled');
      this.requests++;
      const rest = all().slice(firstAtOrBehind(all(), from));
      const items = rest.slice(0, Math.min(limit, most));
      this.listed += items.length;
      return { items, next: rest[items.length] ?? null };
    },
  };
}

function firstAtOrBehind(all: readonly number[], from: number): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((all[middle] ?? 0) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

const listOf = (source: RunSource<number>): RunList<number> =>
  new RunList(source, {
    changedIn: () => {},
    changedNow: () => {},
    fail: (error) => {
      throw error;
    },
  });

/** Looks until all that was asked for is there. */
async function settled(list: RunList<number>, height: number) {
  for (let turn = 0; turn < 200; turn++) {
    list.seen(height);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return list.seen(height);
}

const sortedNumbers = fc
  .uniqueArray(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 300 })
  .map((all) => all.sort((one, other) => one - other));

describe('a list of which only a part is known', () => {
  test('shows what is around the selection, wherever it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        sortedNumbers,
        fc.integer({ min: 0, max: 110_000 }),
        fc.integer({ min: 1, max: 40 }),
        async (all, position, height) => {
          const list = listOf(numbers(() => all));
          list.select(position);
          const { items, selectedIndex } = await settled(list, height);
          const expected = all.findLast((number) => number <= position) ?? all[0];
          expect(items[selectedIndex]).toBe(expected);
          expect(items.length).toBe(Math.min(height, all.length));
          const first = all.indexOf(items[0] ?? -1);
          expect(items).toEqual(all.slice(first, first + items.length));
        },
      ),
      { numRuns: 25 },
    );
  });

  test('keeps the selection and its row while the list grows', async () => {
    let all = [100, 200, 300, 400, 500];
    const list = listOf(numbers(() => all));
    await settled(list, 5);
    list.move(2);
    expect(list.selected).toBe(300);
    all = [50, 100, 110, 120, 200, 300, 310, 400, 500];
    list.window.stale({ isUrgent: true });
    const { items, selectedIndex } = await settled(list, 5);
    expect(items[selectedIndex]).toBe(300);
    expect(selectedIndex).toBe(2);
    all = [50, 500];
    list.window.stale({ isUrgent: true });
    await settled(list, 5);
    expect(list.selected).toBe(50);
  });

  test('reaches any place of a million items with few requests, and keeps little', async () => {
    const all = Array.from({ length: 1_000_000 }, (_, index) => index * 7);
    const source = numbers(() => all, 4096);
    const list = listOf(source);
    await settled(list, 40);
    list.select(6_999_999);
    let { items } = await settled(list, 40);
    expect(items.at(-1)).toBe(6_999_993);
    expect(source.requests).toBeLessThan(20);
    for (let page = 0; page < 500; page++) {
      list.page(-1);
      if (page % 10 === 0) await settled(list, 40);
    }
    ({ items } = await settled(list, 40));
    expect(list.selected).toBe(6_999_993 - 7 * 500 * 39);
    expect(list.window.items.length).toBeLessThanOrEqual(12_288);
    expect(source.listed).toBeLessThan(80_000);
  });

  test('shows what a person has decided at once, also behind a refresh that runs', async () => {
    let value = 'first';
    const answers: (() => void)[] = [];
    let nows = 0;
    const source: RunSource<string> = {
      first: 0,
      step: 16,
      startOf: () => 0,
      async fetch() {
        const items = [value];
        await new Promise<void>((resolve) => answers.push(resolve));
        return { items, next: null };
      },
    };
    const list = new RunList(source, {
      changedIn: () => {},
      changedNow: () => {
        nows++;
      },
      fail: () => {},
    });
    const answered = async (): Promise<void> => {
      list.seen(5);
      answers.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    };
    await answered();
    list.window.stale({ isUrgent: true });
    await answered();
    list.window.stale({ isUrgent: true });
    // A refresh runs that began before the next decision, and what it answers is old.
    list.seen(5);
    value = 'second';
    list.window.stale({ isUrgent: true });
    nows = 0;
    await answered();
    await answered();
    expect(list.selected).toBe('second');
    expect(nows).toBe(2);
  });

  test('asks no more at every look after an error', async () => {
    let requests = 0;
    const errors: unknown[] = [];
    const source: RunSource<number> = {
      ...numbers(() => []),
      async fetch() {
        requests++;
        throw new HexzError('UNREADABLE', 'gone');
      },
    };
    const list = new RunList(source, {
      changedIn: () => {},
      changedNow: () => {},
      fail: (error) => errors.push(error),
    });
    for (let look = 0; look < 20; look++) {
      list.seen(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([requests, errors.length]).toEqual([1, 1]);
  });

  test('finds what is before a place, however it lies', async () => {
    await fc.assert(
      fc.asyncProperty(
        sortedNumbers,
        fc.integer({ min: 0, max: 110_000 }),
        fc.integer({ min: 2, max: 20 }),
        async (all, end, most) => {
          const source = numbers(() => all, most);
          const { signal } = new AbortController();
          const { items, from } = await itemsBefore(source, end, signal);
          const before = all.filter((number) => number < end);
          expect(items).toEqual(before.filter((number) => number >= from));
          expect(items.at(-1)).toBe(before.at(-1));
        },
      ),
    );
  });
});
