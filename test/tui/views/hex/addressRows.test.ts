import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AddressRows } from '../../../../src/tui/views/hex/addressRows.js';
import { Viewport } from '../../../../src/tui/views/hex/viewport.js';

const GIB = 2 ** 30;
const withHole = new AddressRows(16, 4 * GIB, [{ startOffset: 0x1008, endOffset: 3 * GIB + 8 }]);

describe('rows', () => {
  test('a gap is one row, from the first whole row of it to the last', () => {
    expect(withHole.from(0xff0, 5)).toEqual([0xff0, 0x1000, 0x1010, 3 * GIB, 3 * GIB + 16]);
    expect(withHole.startOf(2 * GIB)).toBe(0x1010);
    expect(withHole.previous(3 * GIB)).toBe(0x1010);
    expect(withHole.gapAt(0x1008)).toBeUndefined();
  });

  test('end with the last byte', () => {
    const rows = new AddressRows(16, 33, []);
    expect(rows.from(0, 9)).toEqual([0, 16, 32]);
    expect(rows.step(0, 9)).toBe(32);
    expect(rows.step(32, -9)).toBe(0);
  });

  test('are the same forward and backward', () => {
    const gaps = fc
      .uniqueArray(fc.integer({ min: 0, max: 4000 }), { minLength: 0, maxLength: 8 })
      .map((edges) => edges.sort((left, right) => left - right))
      .map((edges) =>
        Array.from({ length: Math.floor(edges.length / 2) }, (_, index) => ({
          startOffset: edges[2 * index] ?? 0,
          endOffset: edges[2 * index + 1] ?? 0,
        })),
      );
    fc.assert(
      fc.property(
        gaps,
        fc.constantFrom(8, 16, 32),
        fc.integer({ min: 1, max: 5000 }),
        (all, bytes, end) => {
          const rows = new AddressRows(bytes, end, all);
          const forward = rows.from(0, 1000);
          const backward: number[] = [];
          for (let at = forward.at(-1); at !== undefined; at = rows.previous(at)) backward.push(at);
          expect(backward.reverse()).toEqual(forward);
          expect(forward.every((row) => rows.startOf(row) === row)).toBe(true);
        },
      ),
    );
  });
});

describe('the viewport', () => {
  const rows = new AddressRows(16, 1024, []);
  const placed = (): Viewport => {
    const viewport = new Viewport();
    viewport.place(rows, 4);
    return viewport;
  };

  test('scrolls by a row at its edges', () => {
    const viewport = placed();
    for (let step = 0; step < 4; step++) viewport.moveRows(1);
    expect(viewport.place(rows, 4)).toEqual([16, 32, 48, 64]);
    for (let step = 0; step < 4; step++) viewport.moveRows(-1);
    expect(viewport.place(rows, 4)).toEqual([0, 16, 32, 48]);
  });

  test('shows what is before the end, not what is behind it', () => {
    const viewport = placed();
    viewport.moveTo(5000);
    expect(viewport.place(rows, 4)).toEqual([960, 976, 992, 1008]);
    expect(viewport.cursorOffset).toBe(1023);
  });

  test('puts a far place at a third of its height', () => {
    const viewport = placed();
    viewport.moveTo(512);
    expect(viewport.place(rows, 4)).toEqual([496, 512, 528, 544]);
  });

  test('keeps the cursor in sight while the wheel turns', () => {
    const viewport = placed();
    viewport.moveBytes(5);
    viewport.scroll(3);
    expect([viewport.place(rows, 4)[0], viewport.cursorOffset]).toEqual([48, 53]);
    viewport.scroll(-3);
    expect([viewport.place(rows, 4)[0], viewport.cursorOffset]).toEqual([0, 53]);
  });

  test('steps over a gap, and stops at it', () => {
    const viewport = new Viewport();
    viewport.moveTo(0x100f);
    viewport.place(withHole, 4);
    viewport.moveBytes(1);
    expect(viewport.cursorOffset).toBe(0x1010);
    viewport.moveBytes(1);
    expect(viewport.cursorOffset).toBe(3 * GIB);
    viewport.moveBytes(-1);
    viewport.moveBytes(-1);
    expect(viewport.cursorOffset).toBe(0x100f);
  });

  test('shows the cursor, whatever moves it and however high it is', () => {
    const move = fc.oneof(
      fc.record({ kind: fc.constant('rows' as const), by: fc.integer({ min: -99, max: 99 }) }),
      fc.record({ kind: fc.constant('pages' as const), by: fc.integer({ min: -3, max: 3 }) }),
      fc.record({ kind: fc.constant('bytes' as const), by: fc.integer({ min: -40, max: 40 }) }),
      fc.record({ kind: fc.constant('scroll' as const), by: fc.integer({ min: -9, max: 9 }) }),
      fc.record({ kind: fc.constant('to' as const), by: fc.integer({ min: 0, max: 4 * GIB }) }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(move, fc.integer({ min: 1, max: 30 }))), (moves) => {
        const viewport = new Viewport();
        for (const [{ kind, by }, height] of moves) {
          if (kind === 'rows') viewport.moveRows(by);
          else if (kind === 'pages') viewport.movePages(by);
          else if (kind === 'bytes') viewport.moveBytes(by);
          else if (kind === 'scroll') viewport.scroll(by);
          else viewport.moveTo(by);
          const shown = viewport.place(withHole, height);
          expect(shown).toContain(withHole.startOf(viewport.cursorOffset));
          expect(shown.length).toBeLessThanOrEqual(height);
        }
      }),
    );
  });
});
