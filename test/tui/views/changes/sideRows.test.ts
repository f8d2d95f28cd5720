import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rowSource } from '../../../../src/tui/views/changes/sideRows.js';
import { engines } from '../../../support/engines.js';
import { builtRecipe } from '../../../support/recipes.js';
import { writeAt } from '../../../support/tui/changesScreen.js';

const all = engines();
const PAGE = 4096;
const RUN = { pageIndex: 40, pageCount: 6 };

describe('rows of both sides', () => {
  test('are the same in pieces as in one, from any row on', async () => {
    const { snapshot } = await builtRecipe('repeated');
    const { client } = await all.leased({ snapshot, rw: true });
    // Written all over, here and there, and not at all.
    await writeAt(client, 40 * PAGE, Buffer.alloc(2 * PAGE + 100, 0xee));
    for (const offset of [42 * PAGE + 3000, 43 * PAGE, 43 * PAGE + 77, 45 * PAGE + 4090]) {
      await writeAt(client, offset, Buffer.from([1, 2, 3, 4, 5, 6]));
    }
    await writeAt(client, 44 * PAGE, Buffer.alloc(1));
    const source = rowSource(client, () => RUN, 16);
    const { signal } = new AbortController();
    const whole = await source.fetch(source.first, 10_000, signal);
    expect(whole.next).toBeNull();
    expect(whole.items.length).toBeGreaterThan(500);

    const rows = fc.integer({ min: 0, max: (RUN.pageCount * PAGE) / 16 });
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 300 }), async (row, limit) => {
        const from = source.first + row * 16;
        const found = [];
        for (let next: number | null = from; next !== null; ) {
          const piece: Awaited<ReturnType<typeof source.fetch>> = await source.fetch(
            next,
            limit,
            signal,
          );
          found.push(...piece.items);
          next = piece.next;
        }
        expect(found).toEqual(whole.items.filter(({ offset }) => offset >= from));
      }),
      { numRuns: 30 },
    );
  });
});
