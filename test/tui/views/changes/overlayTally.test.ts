import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PageRange } from '../../../../src/repl/language/pages.js';
import { OverlayTally } from '../../../../src/tui/views/changes/overlayTally.js';
import { fakeEngine } from '../../../support/repl/fakeEngine.js';
import { noTally } from '../../../support/tui/changesScreen.js';
import { until } from '../../../support/until.js';

const PAGE = 4096;

/** An overlay of which each dirty page has three bytes that differ; answers hold few extents. */
class Overlay {
  readonly dirty = new Set<number>();
  compared = 0;

  extents(from: number): PageRange[] {
    const pages = [...this.dirty].filter((page) => page >= from).sort((a, b) => a - b);
    const extents: { pageIndex: number; pageCount: number }[] = [];
    for (const page of pages) {
      const last = extents.at(-1);
      if (last !== undefined && last.pageIndex + last.pageCount === page) last.pageCount++;
      else extents.push({ pageIndex: page, pageCount: 1 });
    }
    return extents;
  }

  readonly client = fakeEngine({
    dirty: ({ fromPage = 0 }) => {
      const extents = this.extents(fromPage);
      return {
        extents: extents.slice(0, 5),
        nextPage: extents[5]?.pageIndex ?? null,
        dirtyPages: this.dirty.size,
        diskLength: 0,
      };
    },
    diff: ({ offset = 0, length = 0 }) => {
      const pages = [...this.dirty].filter(
        (page) => page * PAGE >= offset && page * PAGE < offset + length,
      );
      this.compared += pages.length;
      return { ...noTally, differentBytes: pages.length * 2, newBytes: pages.length };
    },
  });
}

const tallyOf = ({ client }: Overlay): OverlayTally =>
  new OverlayTally(client, {
    changedIn: () => {},
    changedNow: () => {},
    fail: (error) => {
      throw error;
    },
  });

async function whole(tally: OverlayTally, diskLength: number): Promise<void> {
  await until('all of it', () => {
    tally.look(diskLength);
    return tally.totals.comparedShare === 1;
  });
}

describe('the sums of an overlay', () => {
  test('are those of all extents, also when some were written since', async () => {
    const pages = fc.integer({ min: 0, max: 9999 });
    const runs = fc.array(fc.tuple(pages, fc.integer({ min: 1, max: 12 })), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(runs, runs, async (first, second) => {
        const overlay = new Overlay();
        const tally = tallyOf(overlay);
        for (const written of [first, second]) {
          for (const [start, count] of written) {
            for (let page = start; page < Math.min(10_000, start + count); page++) {
              overlay.dirty.add(page);
            }
          }
          tally.written(
            written
              .map(([start, count]) => ({ start, end: start + count }))
              .sort((one, other) => one.start - other.start),
          );
          await whole(tally, 10_000 * PAGE);
          expect(tally.totals).toEqual({
            extents: overlay.extents(0).length,
            isListed: true,
            differentBytes: overlay.dirty.size * 3,
            comparedShare: 1,
          });
          const known = tally.cells.reduce((sum, count) => sum + count, 0);
          expect(known).toBe(overlay.dirty.size);
        }
      }),
      { numRuns: 20 },
    );
  });

  test('compare again only what was written', async () => {
    const overlay = new Overlay();
    for (let page = 0; page < 10_000; page += 10) overlay.dirty.add(page);
    const tally = tallyOf(overlay);
    await whole(tally, 10_000 * PAGE);
    const before = overlay.compared;
    tally.written([{ start: 500, end: 501 }]);
    expect(tally.totals.comparedShare).toBeLessThan(1);
    overlay.dirty.add(501);
    await until('the new page', () => {
      tally.look(10_000 * PAGE);
      return tally.totals.differentBytes === 1001 * 3;
    });
    expect(overlay.compared - before).toBeLessThan(5);
  });

  test('go on while another view is shown, once somebody has looked', async () => {
    const overlay = new Overlay();
    for (let page = 0; page < 10_000; page += 10) overlay.dirty.add(page);
    const tally = tallyOf(overlay);
    tally.goOn(10_000 * PAGE);
    expect(overlay.client.requests).toEqual([]);
    tally.look(10_000 * PAGE);
    await until('all of it', () => {
      tally.goOn(10_000 * PAGE);
      return tally.totals.comparedShare === 1;
    });
    expect(tally.totals.differentBytes).toBe(1000 * 3);
  });

  test('are not known before anybody has looked', () => {
    const tally = tallyOf(new Overlay());
    tally.look(10 * PAGE);
    expect(tally.totals).toEqual({
      extents: 0,
      isListed: false,
      differentBytes: 0,
      comparedShare: 0,
    });
    expect([...tally.cells]).toEqual(Array.from({ length: 10 }, () => -1));
  });
});
