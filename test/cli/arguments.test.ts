import { InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import { collect, parseBytes } from '../../src/cli/arguments.js';

describe('a number of bytes', () => {
  test.each([
    ['0', 0],
    ['4096', 4096],
    ['0x1000', 4096],
    ['0XfF', 255],
    ['64k', 65_536],
    ['64K', 65_536],
    ['64kb', 65_536],
    ['10b', 10],
    ['256M', 2 ** 28],
    ['256MB', 2 ** 28],
    ['1.5G', 1.5 * 2 ** 30],
    ['.5k', 512],
    ['2T', 2 ** 41],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%s is %d', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test.each([
    '',
    ' ',
    '-1',
    '1 k',
    'k',
    '1kk',
    '1e3',
    '0x',
    '0xk',
    '1.',
    'NaN',
    'Infinity',
    '1_000',
    '9007199254740992',
    '9000T',
    '0x20000000000000',
    '１',
  ])('%j is none', (text) => {
    expect(() => parseBytes(text)).toThrow(InvalidArgumentError);
  });
});

test('an option that may be repeated keeps the order', () => {
  expect(['a', 'b', 'a'].reduce<string[]>((list, value) => collect(value, list), [])).toEqual([
    'a',
    'b',
    'a',
  ]);
});
