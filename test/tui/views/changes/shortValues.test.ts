import { describe, expect, test } from 'vitest';
import { shortBytes } from '../../../../src/repl/rendering/values.js';
import { ageText } from '../../../../src/tui/views/changes/shortValues.js';

describe('values in few columns', () => {
  test('are bytes without a needless fraction', () => {
    expect([0, 17, 49_152, 1536].map(shortBytes)).toEqual(['0 B', '17 B', '48 KiB', '1.50 KiB']);
  });

  test.each([
    [1000, 1999, '0 s', 1],
    [1999, 2000, '1 s', 1000],
    [1000, 10_999, '9 s', 1],
    [1000, 11_000, '10 s', 4000],
    [1000, 59_500, '55 s', 500],
    [1000, 61_000, '1 min', 59_000],
    [0, 90_250, '1 min', 29_750],
    [0, 3_600_000, '1 h', 3_600_000],
    [0, 86_400_000 * 3, '3 d', 86_400_000],
    [5000, 4000, '0 s', 1000],
  ])('are ages: of %d at %d', (since, now, text, changesIn) => {
    expect(ageText(since, now)).toEqual({ text, changesIn });
  });
});
