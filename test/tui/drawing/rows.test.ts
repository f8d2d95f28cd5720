import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, test } from 'vitest';
import { printable } from '../../../src/repl/rendering/values.js';
import { Line } from '../../../src/tui/drawing/line.js';
import { beside, framed } from '../../../src/tui/drawing/panel.js';
import { sparkline } from '../../../src/tui/drawing/sparkline.js';
import { cut, fit as inCells, shorten, shortenStart, wrap } from '../../../src/tui/drawing/text.js';
import { Theme } from '../../../src/tui/drawing/theme.js';

const plain = new Theme({ isColoured: false });
const coloured = new Theme({ isColoured: true });
const text = fc.string({ unit: 'grapheme' }).map(printable);
const width = fc.nat(40);

describe('a row', () => {
  test('is as wide as it was said to be, whatever is put into it', () => {
    fc.assert(
      fc.property(width, fc.array(text), fc.boolean(), (columns, texts, isSelected) => {
        const line = new Line(coloured, columns, { isSelected });
        texts.forEach((each, index) => {
          line.add(each, index % 2 === 0 ? 'dirty' : 'plain', index % 3 === 0).to(index * 3);
        });
        line.right('end');
        expect(stringWidth(line.end())).toBe(columns);
      }),
    );
  });

  test('shows without colours the same text as with them', () => {
    const row = (theme: Theme) =>
      new Line(theme, 12).add('a', 'hot').add('b', 'dirty').right('c').end();
    expect(row(coloured)).toBe('\u001b[1ma\u001b[0m\u001b[33mb\u001b[0m         c');
    expect(stripVTControlCharacters(row(coloured))).toBe(stripVTControlCharacters(row(plain)));
    expect(row(plain)).not.toContain('33m');
  });

  test('of which part is marked inverts that part', () => {
    expect(new Line(plain, 3).add('a').add('b', 'plain', true).end()).toBe('a\u001b[7mb\u001b[0m ');
  });
});

describe('a text', () => {
  test('that is cut, shortened or fitted never takes more cells than there are', () => {
    fc.assert(
      fc.property(text, width, (given, columns) => {
        expect(stringWidth(cut(given, columns))).toBeLessThanOrEqual(columns);
        expect(stringWidth(shorten(given, columns))).toBeLessThanOrEqual(columns);
        expect(stringWidth(shortenStart(given, columns))).toBeLessThanOrEqual(columns);
        expect(stringWidth(inCells(given, columns))).toBe(columns);
      }),
    );
  });

  test('that is broken into lines loses nothing but blanks', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 2, max: 30 }), (given, columns) => {
        const lines = wrap(given, columns);
        expect(lines.join('').replaceAll(' ', '')).toBe(given.replaceAll(' ', ''));
        for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
      }),
    );
  });

  test('keeps its indent, and breaks at words', () => {
    expect(wrap('  one two three', 9)).toEqual(['  one two', 'three']);
    expect(shortenStart('/var/tmp/mount', 8)).toBe('…p/mount');
  });
});

describe('a frame', () => {
  test('has the size it was given, and puts panels beside each other', () => {
    const rows = [new Line(plain, 6).add('inside').end()];
    const size = { rows: 3, columns: 8 };
    const panel = framed(rows, plain, size, 'a title', { hasFocus: true });
    expect(beside(panel, panel).map(stripVTControlCharacters)).toEqual([
      '┌ a t… ┐┌ a t… ┐',
      '│inside││inside│',
      '└──────┘└──────┘',
    ]);
  });

  test('is right for every size', () => {
    fc.assert(
      fc.property(fc.nat(6), width, text, text, (rows, columns, title, note) => {
        const panel = framed([], coloured, { rows, columns }, title, { note });
        expect(panel).toHaveLength(rows);
        for (const row of panel) expect(stringWidth(row)).toBe(columns);
      }),
    );
  });
});

test('bars are as high as their values, and the last ones are shown', () => {
  expect(sparkline([9, 0, 1, 4, 8], 4)).toBe('▁▂▅█');
  expect(sparkline([5], 3)).toBe('▁▁█');
  expect(sparkline([], 2)).toBe('▁▁');
});
