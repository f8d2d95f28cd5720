import { canBeEmpty, type Expression, literal, sizeOf } from './expression/expression.js';
import { parseExpression } from './expression/syntax.js';
import {
  encodeText,
  exactNeedle,
  foldedNeedle,
  joinNeedles,
  type Needle,
  type TextEncoding,
} from './needle.js';
import { patternError } from './patternError.js';

/** What is searched for. */
export type Pattern = BytesPattern | ExpressionPattern;

/** Any of these needles. All are equally long; matches may overlap each other. */
export interface BytesPattern {
  readonly kind: 'bytes';
  readonly needles: readonly Needle[];
}

/** A regular expression. Matches do not overlap; each is the longest that begins where it does. */
export interface ExpressionPattern {
  readonly kind: 'expression';
  readonly expression: Expression;
}

/** The longest needle, and the longest match of an expression. */
export const MAX_MATCH_BYTES = 64 * 1024;

/** States of the automaton of an expression; one byte may take as many steps. */
const MAX_EXPRESSION_SIZE = 4096;

const MAX_EXPRESSION_CHARACTERS = 4096;

const textEncodings: Readonly<Record<string, readonly TextEncoding[]>> = {
  '': ['utf-8'],
  t: ['utf-8'],
  u: ['utf-16le', 'utf-16be'],
  w: ['utf-16le'],
};

/**
 * Parses a pattern (docs/search.md): text, `t:`, `u:`, `w:`, `i:`, `iu:`, `iw:` and text, `x:` and
 * hexadecimal digits, `r:EXPRESSION` or `r/EXPRESSION/FLAGS`. Text without one of these is text as it is.
 *
 * @throws HexzError USAGE with the column (`location.column`, from 1)
 */
export function parsePattern(text: string): Pattern {
  const prefix = /^(?:(x|r):|r\/(?=.*\/[a-z]*$)|(i?)([tuw]?):)/s.exec(text);
  const [start = '', kind, ignoresCase, encoding] = prefix ?? [];
  if (kind === 'x') return hexPattern(text, start.length);
  if (kind === 'r') {
    const flags = { ignoresCase: false, dotIsAll: false };
    return expressionPattern(text.slice(start.length), start.length, flags);
  }
  if (start === 'r/') return flaggedExpression(text, start.length);
  // A colon alone is text.
  const length = start === ':' ? 0 : start.length;
  const encodings = textEncodings[encoding ?? ''] ?? ['utf-8'];
  return textPattern(text, length, encodings, length > 0 && ignoresCase === 'i');
}

function textPattern(
  text: string,
  start: number,
  encodings: readonly TextEncoding[],
  ignoresCase: boolean,
): Pattern {
  const wanted = text.slice(start);
  checkLength(wanted.length, start);
  if (!ignoresCase)
    return bytesPattern(
      encodings.map((to) => exactNeedle(encodeText(wanted, to))),
      start,
    );
  const letters = encodings.map((to) => [...wanted].map((letter) => casesOf(letter, to)));
  const needles = letters.map((cases) => cases.map(([lower, upper]) => foldedNeedle(lower, upper)));
  if (needles.every((all): all is Needle[] => !all.includes(undefined))) {
    return bytesPattern(needles.map(joinNeedles), start);
  }
  const options = letters.map(
    (cases): Expression => ({
      kind: 'sequence',
      parts: cases.map(([lower, upper]) => ({
        kind: 'choice',
        options: [literal(lower), literal(upper)],
      })),
    }),
  );
  return checkedExpression({ kind: 'choice', options }, start);
}

/** A character in lower and in upper case; what has no other case, twice. */
function casesOf(letter: string, encoding: TextEncoding): readonly [Buffer, Buffer] {
  return [encodeText(letter.toLowerCase(), encoding), encodeText(letter.toUpperCase(), encoding)];
}

function hexPattern(text: string, start: number): Pattern {
  const digits: string[] = [];
  for (let at = start; at < text.length; at++) {
    const digit = text.charAt(at);
    if (/[0-9a-f?]/i.test(digit)) digits.push(digit);
    else if (!/\s/.test(digit)) {
      throw patternError(`"${digit}" is no hexadecimal digit, ? or space`, at + 1);
    } else if (digits.length % 2 === 1) {
      throw patternError('a byte has two digits', at + 1);
    }
  }
  if (digits.length % 2 === 1) throw patternError('a byte has two digits', text.length + 1);
  const bytesOf = (known: (digit: string) => string) =>
    Buffer.from(digits.map(known).join(''), 'hex');
  const needle = {
    value: bytesOf((digit) => (digit === '?' ? '0' : digit)),
    mask: bytesOf((digit) => (digit === '?' ? '0' : 'f')),
  };
  checkLength(needle.value.length, start);
  if (needle.mask.every((bits) => bits === 0)) {
    throw patternError('it would match everywhere: at least one digit must be known', start + 1);
  }
  return bytesPattern([needle], start);
}

function bytesPattern(needles: readonly Needle[], start: number): Pattern {
  for (const { value } of needles) checkLength(value.length, start);
  return { kind: 'bytes', needles };
}

function checkLength(length: number, start: number): void {
  if (length === 0) throw patternError('there is nothing to search for', start + 1);
  if (length > MAX_MATCH_BYTES) {
    throw patternError(`it is longer than ${MAX_MATCH_BYTES} bytes`, start + 1);
  }
}

function flaggedExpression(text: string, start: number): Pattern {
  const end = text.lastIndexOf('/');
  const flags = { ignoresCase: false, dotIsAll: false };
  for (let at = end + 1; at < text.length; at++) {
    const flag = text.charAt(at);
    if (flag === 'i') flags.ignoresCase = true;
    else if (flag === 's') flags.dotIsAll = true;
    else throw patternError(`there is no flag "${flag}", only i and s`, at + 1);
  }
  return expressionPattern(text.slice(start, end), start, flags);
}

function expressionPattern(
  text: string,
  start: number,
  flags: Parameters<typeof parseExpression>[2],
): Pattern {
  if (text === '') throw patternError('there is nothing to search for', start + 1);
  if (text.length > MAX_EXPRESSION_CHARACTERS) {
    throw patternError(`it is longer than ${MAX_EXPRESSION_CHARACTERS} characters`, start + 1);
  }
  return checkedExpression(parseExpression(text, start + 1, flags), start);
}

function checkedExpression(expression: Expression, start: number): Pattern {
  if (canBeEmpty(expression)) {
    throw patternError('it would match everywhere: it fits no bytes at all too', start + 1);
  }
  if (sizeOf(expression) > MAX_EXPRESSION_SIZE) {
    throw patternError(
      `it comes to more than ${MAX_EXPRESSION_SIZE} bytes and choices once its numbers are written out`,
      start + 1,
    );
  }
  return { kind: 'expression', expression };
}
