import type { Needle } from '../needle.js';
import type { ByteSet, Expression } from './expression.js';

/** The bit that tells capitals and small letters of ASCII apart. */
const CASE_BIT = 0x20;

/**
 * The longest run of bytes that every match of an expression holds: only where it is found need the expression
 * be tried. Undefined where no byte is certain.
 */
export function requiredNeedle(expression: Expression): Needle | undefined {
  let longest: Place[] = [];
  let run: Place[] = [];
  for (const part of partsOf(expression)) {
    const place = part.kind === 'set' ? placeOf(part.bytes) : undefined;
    run = place === undefined ? [] : [...run, place];
    if (run.length > longest.length) longest = run;
  }
  if (longest.length === 0) return undefined;
  return {
    value: Buffer.from(longest.map(({ value }) => value)),
    mask: Buffer.from(longest.map(({ mask }) => mask)),
  };
}

interface Place {
  readonly value: number;
  readonly mask: number;
}

/** The parts that follow each other in every match. */
const partsOf = (expression: Expression): readonly Expression[] =>
  expression.kind === 'sequence' ? expression.parts.flatMap(partsOf) : [expression];

/** A set of one byte, or of both cases of one letter. */
function placeOf(set: ByteSet): Place | undefined {
  const count = set.reduce((sum, isIn) => sum + isIn, 0);
  const value = set.indexOf(1);
  if (count === 1) return { value, mask: 0xff };
  const isPair = count === 2 && (value & CASE_BIT) === 0 && set[value | CASE_BIT] === 1;
  return isPair ? { value, mask: 0xff ^ CASE_BIT } : undefined;
}
