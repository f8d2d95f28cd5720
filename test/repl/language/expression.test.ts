import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExpressionError, evaluate } from '../../../src/repl/language/expression.js';

const scope = {
  cursorOffset: () => 0x1000,
  bookmark: (name: string) => (name === 'here' ? 0x438 : undefined),
  endOffset: async () => 10_000,
  blockBytes: async () => 65_536,
};

test.each([
  ['0', 0],
  ['4096', 4096],
  ['0x1000', 4096],
  ['0x0003_2000', 0x32000],
  ['1_000', 1000],
  ['4K', 4096],
  ['2MiB', 2 * 1024 ** 2],
  ['1.5G', 1.5 * 1024 ** 3],
  ['3p', 12_288],
  ['page(3)', 12_288],
  ['block(2)+1', 131_073],
  ['.', 4096],
  ['+16', 4112],
  ['-16', 4080],
  ['-16+4', 4084],
  ['-2*8', 4080],
  ['.+16', 4112],
  ['end', 10_000],
  ['end-512', 9488],
  ['$here', 0x438],
  ['$here-8', 0x430],
  ['1+2*3', 7],
  ['(1+2)*3', 9],
  ['10-2-3', 5],
  [' 1 + ( 2 ) ', 3],
  ['page(block(1)*0+2)', 8192],
])('%s is %i', async (text, value) => {
  expect(await evaluate(text, scope)).toBe(value);
});

test.each([
  ['', 0, 'a number is missing here'],
  ['0x', 0, '0x is no number such as 4096, 0x1000, 4K or 1p'],
  ['1+', 2, 'a number is missing here'],
  ['1 2', 2, 'an operator (+ - *) is missing here'],
  ['(1', 0, '( is not closed'],
  ['4*(1+2', 2, '( is not closed'],
  ['1)', 1, 'an operator (+ - *) is missing here'],
  ['7+$there', 2, 'there is no bookmark there'],
  ['3x', 0, '3x is no number such as 4096, 0x1000, 4K or 1p'],
  ['1-2', 0, 'it is -1, and must not be negative'],
  ['-0x2000', 0, 'it is -4096, and must not be negative'],
  ['9007199254740993', 0, 'the number is too large'],
  ['1+9007199254740991', 1, 'the number is too large'],
  ['9000000000000000p', 0, 'the number is too large'],
  [`${'('.repeat(65)}1`, 64, 'it is nested too deeply'],
])('%j is refused at character %i', async (text, at, message) => {
  const error: unknown = await evaluate(text, scope).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ExpressionError);
  expect(error).toMatchObject({ at, message });
});

test('blocks of different lengths are no unit', async () => {
  const variable = { ...scope, blockBytes: async () => undefined };
  await expect(evaluate('block(1)', variable)).rejects.toThrow('no common length');
});

test('sums and products are those of arithmetic', async () => {
  const number = fc.integer({ min: 0, max: 1000 });
  await fc.assert(
    fc.asyncProperty(number, number, number, async (a, b, c) => {
      expect(await evaluate(`${a}+${b}*${c}`, scope)).toBe(a + b * c);
      expect(await evaluate(`(${a}+0x${b.toString(16)})*${c}`, scope)).toBe((a + b) * c);
    }),
  );
});

test('any text is a number or refused', async () => {
  const part = fc.oneof(
    fc.constantFrom('(', ')', '+', '-', '*', '.', 'end', 'page(', '$here', '1', ' '),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(part), async (parts) => {
      const value = await evaluate(parts.join(''), scope).catch((error: unknown) => error);
      expect(value instanceof ExpressionError || Number.isSafeInteger(value)).toBe(true);
    }),
  );
});
