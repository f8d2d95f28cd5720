import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Input, InputDecoder } from '../../../src/tui/terminal/input.js';

function decode(...chunks: readonly string[]): Input[] {
  const decoder = new InputDecoder();
  return [...chunks.flatMap((chunk) => decoder.take(chunk)), ...decoder.flush()];
}

const key = (name: string): Input => ({ kind: 'key', key: name });

test.each([
  ['a', ['a']],
  ['\r', ['enter']],
  ['\u0003', ['ctrl+c']],
  ['\u007f', ['backspace']],
  ['é漢😀', ['é', '漢', '😀']],
  ['\u001b[A\u001bOB', ['up', 'down']],
  ['\u001b[1;5C', ['ctrl+right']],
  ['\u001b[1;4D', ['alt+shift+left']],
  ['\u001b[5~\u001b[6~', ['pageup', 'pagedown']],
  ['\u001b[Z', ['shift+tab']],
  ['\u001bb', ['alt+b']],
  ['\u001b', ['escape']],
  ['\u001b\u001b[A', ['escape', 'up']],
  ['\u001b[99~x', ['x']],
])('%j is %j', (text, names) => {
  expect(decode(text)).toEqual(names.map(key));
});

test('presses and turns of the wheel come with their places', () => {
  expect(decode('\u001b[<0;5;3M\u001b[<0;5;3m\u001b[<64;1;2M\u001b[<65;1;2M')).toEqual([
    { kind: 'press', row: 2, column: 4 },
    { kind: 'wheel', row: 1, column: 0, lines: -3 },
    { kind: 'wheel', row: 1, column: 0, lines: 3 },
  ]);
});

test('what is pasted is one text, whatever is in it', () => {
  expect(decode('a\u001b[200~q\r\u001b[Ax\u001b[201~b')).toEqual([
    key('a'),
    { kind: 'paste', text: 'q\r\u001b[Ax' },
    key('b'),
  ]);
});

test('a megabyte of pasted text is taken, and no more', () => {
  const [pasted, next] = decode('\u001b[200~', 'x'.repeat(3 << 20), '\u001b[201~', 'q');
  expect(pasted?.kind === 'paste' && pasted.text.length).toBe(1 << 20);
  expect(next).toEqual(key('q'));
});

test('a sequence that never ends becomes keys', () => {
  expect(decode(`\u001b[${'1'.repeat(200)}`).length).toBeGreaterThan(100);
});

test('where what a terminal sends is cut makes no difference', () => {
  const pieces = fc.constantFrom(
    'x',
    '漢',
    '\u001b[A',
    '\u001b[1;5C',
    '\u001b[<0;10;20M',
    '\u001b[200~some\ntext\u001b[201~',
    '\u001bOP',
    '\r',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), fc.array(fc.nat(60)), (parts, cuts) => {
      const text = parts.join('');
      const places = [...new Set(cuts.map((place) => place % (text.length + 1)))].sort(
        (a, b) => a - b,
      );
      const chunks = [0, ...places].map((start, index) => text.slice(start, places[index]));
      expect(decode(...chunks)).toEqual(decode(text));
    }),
  );
});

test('no input makes it fail', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (chunks) => {
      decode(...chunks, '\u001b', '[', '<');
    }),
  );
});

test.each([
  ['\u001b]11;rgb:ffff/fefe/f0f0\u001b\\', true],
  ['\u001b]11;rgb:fdfd/f6f6/e3e3\u0007', true],
  ['\u001b]11;rgb:1e/1e/1e\u0007', false],
])('what a terminal says of its background is no key: %j', (text, isLight) => {
  const background: Input = { kind: 'background', isLight };
  for (let cut = 1; cut < text.length; cut++) {
    expect(decode(`a${text.slice(0, cut)}`, `${text.slice(cut)}b`)).toEqual([
      key('a'),
      background,
      key('b'),
    ]);
  }
});
