import { expect, test } from 'vitest';
import { Theme } from '../../../src/tui/drawing/theme.js';
import { TextPane } from '../../../src/tui/views/textPane.js';
import { plain } from '../../support/tui/openScreen.js';

const SIZE = { rows: 6, columns: 32 };

function drawn(text: string): string[] {
  const pane = new TextPane(new Theme({ isColoured: false }), 'answer');
  pane.add(text);
  return pane
    .draw(SIZE)
    .slice(1, -1)
    .map((row) => plain(row).slice(1, -1).trimEnd())
    .filter((row) => row !== '');
}

test('what has no room beside its key goes on below itself, not below the key', () => {
  expect(drawn('  D  take it out of the live overlay; asks first')).toEqual([
    '  D  take it out of the live',
    '     overlay; asks first',
  ]);
});

test('a value goes on below itself, also where it is one long word', () => {
  expect(drawn(`sha256: ${'0123456789'.repeat(4)}`)).toEqual([
    'sha256: 0123456789012345678901',
    '        234567890123456789',
  ]);
});

test('columns that have no room stand below those that have', () => {
  expect(drawn('0x0000_1000  data  64.00 KiB  cached')).toEqual([
    '0x0000_1000  data  64.00 KiB',
    '             cached',
  ]);
});

test('where the label takes more than half, the rest begins at the left', () => {
  expect(drawn('a label that is long  and what it says of it')).toEqual([
    'a label that is long  and what',
    'it says of it',
  ]);
});
