import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lex, quote, scan } from '../../../src/repl/language/lexer.js';
import { Source } from '../../../src/repl/language/source.js';
import { errorOf } from '../../support/errors.js';

const rules = { verbatim: new Set(['sh']), comparing: new Set(['assert']) };
const wordsOf = (text: string) =>
  lex(new Source(text), rules).map(({ name, words }) => [name, ...words].map((word) => word.text));

describe('words', () => {
  test.each([
    ['read disk  0x10\t16', [['read', 'disk', '0x10', '16']]],
    ['a; b\nc', [['a'], ['b'], ['c']]],
    [';;\n # only a comment\n', []],
    ['a # comment ; b\nc#d', [['a'], ['c#d']]],
    [`find 'it''s' "a\\"b\\$\\x" c\\ d \\'`, [['find', 'its', 'a"b$\\x', 'c d', "'"]]],
    ['find \'\' ""', [['find', '', '']]],
    ['a \\\n b "c\\\nd"', [['a', 'b', 'cd']]],
    ["find 'a\nb'", [['find', 'a\nb']]],
    ['a *~$x (1+2)', [['a', '*~$x', '(1+2)']]],
    ['assert dirty >= 3', [['assert', 'dirty', '>=', '3']]],
    ['a\r\nb\r\n', [['a'], ['b']]],
  ])('%j', (text, expected) => {
    expect(wordsOf(text)).toEqual(expected);
  });

  test('whatever a text is, it is read as it was when it is quoted', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (texts) => {
        expect(wordsOf(texts.map(quote).join(' '))).toEqual([texts]);
      }),
    );
  });

  test('every character of a word knows its place', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (first, second) => {
        const text = `${quote(first)} ${quote(second)}`;
        const [statement] = lex(new Source(text), rules);
        for (const word of [statement?.name, ...(statement?.words ?? [])]) {
          const there = word?.places.map((place) => text.charAt(place)).join('');
          expect(there).toBe(word?.text);
        }
      }),
    );
  });

  test('any text is read or refused, and is never read beyond itself', () => {
    const part = fc.oneof(
      fc.constantFrom('sh ', 'assert ', "'", '"', '\\', '|', '>', '>>', '<', ';', '\n', '#', ' '),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const text = parts.join('');
        for (const { start, text: own } of scan(text, rules).statements) {
          expect(text.slice(start)).toContain(own);
        }
      }),
    );
  });
});

describe('the rest of a line', () => {
  test('belongs to sh as it stands there', () => {
    const [shell, next] = lex(new Source("sh  echo 'a' | wc; true > x # y \nb"), rules);
    expect(shell?.rest).toEqual({ text: "echo 'a' | wc; true > x # y", start: 4 });
    expect(next?.name.text).toBe('b');
  });

  test('belongs to the program behind |', () => {
    const [statement, ...others] = lex(new Source("dirty | sort -n | head -3; echo 'x"), rules);
    expect(statement?.redirection).toMatchObject({
      kind: 'program',
      program: "sort -n | head -3; echo 'x",
    });
    expect(others).toEqual([]);
  });

  test.each([
    ['dirty > a.txt; b', 'a.txt', false],
    ["dirty >>'a b'", 'a b', true],
    ['dirty>c # d', 'c', false],
  ])('%s names a file', (text, file, appends) => {
    const [statement] = lex(new Source(text), rules);
    expect(statement?.redirection).toMatchObject({ kind: 'file', appends, file: { text: file } });
  });
});

test.each([
  ["a 'b", 3, "' is not closed"],
  ['a "b\n', 3, '" is not closed'],
  ['a b\\', 4, 'a line must follow a \\ at its end'],
  ['| less', 1, 'a command is missing before |'],
  ['a | ', 3, 'a program is missing behind |'],
  ['> x', 1, 'a command is missing before >'],
  ['a >', 3, 'a file is missing behind >'],
  ['a >> ; b', 3, 'a file is missing behind >>'],
  ['a > b c', 7, 'the command ends behind its file'],
  ['a < b', 3, '< has no meaning here; quote it if it belongs to an argument'],
])('%j is refused at column %i', (text, column, message) => {
  const error = errorOf(() => lex(new Source(text, 'script'), rules));
  expect(error).toMatchObject({
    code: 'USAGE',
    message,
    location: { file: 'script', line: 1, column },
  });
});

test('columns count characters, and lines go on', () => {
  const error = errorOf(() => lex(new Source("a\n  '😀' 'b", 'script', 10), rules));
  expect(error.location).toEqual({ file: 'script', line: 11, column: 7 });
});
