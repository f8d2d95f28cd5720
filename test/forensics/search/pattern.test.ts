import { describe, expect, test } from 'vitest';
import { parsePattern } from '../../../src/forensics/search/pattern.js';
import { search } from '../../../src/forensics/search/search.js';
import { bufferSource } from '../../support/bufferSource.js';
import { errorOf } from '../../support/errors.js';

/** What a pattern finds in bytes, as `offset+length`. */
function found(pattern: string, bytes: Buffer | string): string {
  const source = bufferSource(Buffer.from(bytes as string, 'latin1'));
  const places: string[] = [];
  for (const step of search(source, parsePattern(pattern))) {
    if (step.kind === 'match') places.push(`${step.offset}+${step.length}`);
  }
  return places.join(' ');
}

const latin = (text: string, encoding: BufferEncoding) =>
  Buffer.from(text, encoding).toString('latin1');

describe('text', () => {
  test('without a prefix it is UTF-8, and every place is found, also those that overlap', () => {
    expect(found('aba', 'xababab')).toBe('1+3 3+3');
    expect(found('naïve', `--${latin('naïve', 'utf8')}`)).toBe('2+6');
    expect(found('http://a', '..http://a')).toBe('2+8');
    expect(found(':', 'a:b')).toBe('1+1');
    expect(found('r/only', '..r/only')).toBe('2+6');
  });

  test('t: is for text that looks like something else', () => {
    expect(found('t:x:00', '..x:00')).toBe('2+4');
    expect(found('t:r/w/x', '..r/w/x')).toBe('2+5');
  });

  test('w: is UTF-16 with the low byte first, u: both orders', () => {
    const bytes = latin('\0ok\0..', 'latin1') + latin('ok', 'utf16le');
    expect(found('w:ok', bytes)).toBe('6+4');
    expect(found('u:ok', '\0o\0k..o\0k\0')).toBe('0+4 6+4');
    expect(found('u:ok', '\0o\0k\0')).toBe('0+4 1+4');
  });

  test('i: takes both cases and nothing else', () => {
    expect(found('i:Ok@1', 'ok@1 OK@1 oK@1 Ok`1 Ok@\x11')).toBe('0+4 5+4 10+4');
    const cyrillic = latin('россия РОССИЯ РоСсИя', 'utf8');
    expect(found('i:Россия', cyrillic)).toBe('0+12 13+12 26+12');
    expect(found('i:Äpfel', latin('äPFEL', 'utf8'))).toBe('0+6');
    expect(found('i:straße', latin('STRASSE Straße', 'utf8'))).toBe('0+7 8+7');
    expect(found('iw:Яb', latin('яB', 'utf16le'))).toBe('0+4');
    expect(found('iu:ab', '\0A\0b a\0B\0')).toBe('0+4 5+4');
  });
});

describe('hexadecimal digits', () => {
  test('? is any half of a byte', () => {
    expect(found('x:de??beef', '\xde\x00\xbe\xef\xde\xbe\xef')).toBe('0+4');
    expect(found('x:d? ?0', '\xd0\x00\xdf\xf0\xe0\x00')).toBe('0+2 2+2');
    expect(found('x: 41 42 ', 'ABAB')).toBe('0+2 2+2');
    expect(found('x:00?1', '\0\0\x01\x11\0\x31')).toBe('1+2 4+2');
  });
});

describe('expressions', () => {
  test('the longest match at each place, none within another', () => {
    expect(found('r:a+', 'aaa b aa')).toBe('0+3 6+2');
    expect(found('r:ab|abc|bcd', 'abcd')).toBe('0+3');
    expect(found('r:(?:ab)+c?', 'ababac')).toBe('0+4');
    expect(found('r:\\d{2,3}', '1 12 123 1234 12345')).toBe('2+2 5+3 9+3 14+3 17+2');
    expect(found('r:a{2}', 'aaaaa')).toBe('0+2 2+2');
    expect(found('r:xa{0}y', 'xay xy')).toBe('4+2');
    expect(found('r:xa{1,}y', 'xy xay xaay')).toBe('3+3 7+4');
  });

  test('classes, escapes and flags', () => {
    expect(found('r:[^a-y\\s]', 'abz c')).toBe('2+1');
    expect(found('r:[\\w-]+', '.a_-9.')).toBe('1+4');
    expect(found('r:[\\x00-\\x1f]', 'a\x1fb\0')).toBe('1+1 3+1');
    expect(found('r:\\x00\\xFF', '\0\xff')).toBe('0+2');
    expect(found('r:a.b', 'a\nb a\0b')).toBe('4+3');
    expect(found('r/a.b/s', 'a\nb')).toBe('0+3');
    expect(found('r/[a-c]x/i', 'Bx cX dx')).toBe('0+2 3+2');
    expect(found('r/a/b/', 'a/b')).toBe('0+3');
    expect(found('r:\\(\\.\\)\\\\', '(.)\\')).toBe('0+4');
    expect(found('r:\xe4', '\xe4\xc3\xa4')).toBe('0+1');
  });
});

test.each([
  ['', 1, 'nothing to search for'],
  ['x:', 3, 'nothing to search for'],
  ['x:d', 4, 'two digits'],
  ['x:d g0', 4, 'two digits'],
  ['x:dg', 4, 'no hexadecimal digit'],
  ['x:????', 3, 'match everywhere'],
  ['iw:', 4, 'nothing to search for'],
  ['r:', 3, 'nothing to search for'],
  ['r:a*', 3, 'match everywhere'],
  ['r:a(b', 4, 'not closed'],
  ['r:ab)', 5, 'closes nothing'],
  ['r:[a', 3, 'not closed'],
  ['r:[z-a]', 4, 'no bytes in order'],
  ['r:*a', 3, 'repeats nothing'],
  ['r:a**', 5, 'nothing to repeat'],
  ['r:a+?', 5, 'longest'],
  ['r:a{3,2}', 4, 'wrong way round'],
  ['r:a{9999}', 4, 'at most'],
  ['r:^a', 3, 'no lines'],
  ['r:\\bword', 3, 'not possible'],
  ['r:\\1', 3, 'not possible'],
  ['r:a(?=b)', 4, 'only'],
  ['r:\\x4', 3, 'two hexadecimal digits'],
  ['r:a\\', 4, 'at the end'],
  ['r:a€', 4, 'not one byte'],
  ['r:(a{4000}){4000}', 3, 'comes to more'],
  ['r/a/g', 5, 'no flag'],
  [`r:${'('.repeat(101)}`, 103, 'groups'],
])('%s is refused at column %i', (pattern, column, message) => {
  const error = errorOf(() => parsePattern(pattern));
  expect(error.code).toBe('USAGE');
  expect(error.location.column).toBe(column);
  expect(error.message).toContain(message);
});
