import fc from 'fast-check';
import { expect, test } from 'vitest';
import { noAmounts, StreamGrid } from '../../../../src/tui/views/activity/streamGrid.js';

const CELLS = 20;

test.each([
  [2 ** 30, 65_536, 65_536, 16_384],
  [2 ** 40, 65_536, 2 ** 26, 16_384],
  [100_000, 65_536, 65_536, 2],
  [100_000, 512, 4096, 25],
  [0, 65_536, 65_536, 0],
])('%i bytes in blocks of %i have cells of %i', (length, blockBytes, cellBytes, cellCount) => {
  expect(new StreamGrid('disk', length, blockBytes)).toMatchObject({ cellBytes, cellCount });
});

/** Counts of some cells, as the engine tells them. */
const counts = fc
  .uniqueArray(fc.tuple(fc.nat(CELLS - 1), fc.integer({ min: 1, max: 9 })), {
    selector: ([cell]) => cell,
  })
  .map((pairs) => pairs.toSorted(([a], [b]) => a - b).flat());

const spread = (pairs: readonly number[]): number[] => {
  const spreadOut = new Array<number>(CELLS).fill(0);
  for (let at = 0; at < pairs.length; at += 2) spreadOut[pairs[at] ?? 0] = pairs[at + 1] ?? 0;
  return spreadOut;
};

test('what was dirty and cached is known of every moment', () => {
  const update = fc.record({ dirty: counts, cached: counts });
  fc.assert(
    fc.property(fc.array(update, { minLength: 1, maxLength: 12 }), (updates) => {
      const grid = new StreamGrid('disk', CELLS * 65_536, 65_536);
      updates.forEach((told, index) => {
        const before = index === 0 ? undefined : updates[index - 1];
        const isNews =
          spread(told.dirty).join() !== spread(before?.dirty ?? []).join() ||
          spread(told.cached).join() !== spread(before?.cached ?? []).join();
        const answer = { ...told, dirtyPages: 0, diskLength: 0 };
        expect(grid.update(answer, index * 10)).toBe(isNews);
      });
      for (let index = updates.length - 1; index >= -1; index--) {
        const { dirty, cached } = grid.occupancyAt(index * 10 + 5);
        expect([...dirty]).toEqual(spread(updates[index]?.dirty ?? []));
        expect([...cached]).toEqual(spread(updates[index]?.cached ?? []));
      }
    }),
  );
});

test('cells add up, as far as they are known', () => {
  const grid = new StreamGrid('disk', 3 * 65_536, 65_536);
  grid.take({ firstCell: 1, cellCount: 2, dataBytes: 65_000, zeroBytes: 536, parentBytes: 0 });
  grid.update({ dirty: [2, 5], cached: [0, 1], dirtyPages: 5, diskLength: 0 }, 0);
  const occupancy = grid.occupancyAt(0);
  expect(grid.sum(0, 1, occupancy, noAmounts())).toEqual({ ...noAmounts(), cachedBlocks: 1 });
  expect(grid.sum(0, 9, occupancy, noAmounts())).toEqual({
    dataBytes: 130_000,
    zeroBytes: 1072,
    parentBytes: 0,
    dirtyPages: 5,
    cachedBlocks: 1,
  });
});
