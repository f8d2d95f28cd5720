import { patternError } from '../patternError.js';
import {
  type ByteSet,
  byteSet,
  classNamed,
  type Expression,
  foldCase,
  invert,
  unite,
} from './expression.js';

/** Groups within groups. */
const MAX_DEPTH = 100;

/** The largest number in braces; what comes of several such numbers is limited by the size of the expression. */
const MAX_COUNT = 4096;

const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, '0': 0 };

export interface ExpressionFlags {
  /** Upper and lower case of ASCII letters are the same. */
  readonly ignoresCase: boolean;
  /** `.` is a line feed too. */
  readonly dotIsAll: boolean;
}

/**
 * Parses a regular expression over bytes. A character up to U+00FF is the byte of its number.
 *
 * @param firstColumn column of its first character in the whole pattern, for errors
 * @throws HexzError USAGE with the column, also for what regular expressions of other programs can and this cannot
 */
export function parseExpression(
  text: string,
  firstColumn: number,
  flags: ExpressionFlags,
): Expression {
  return new ExpressionParser(text, firstColumn, flags).parse();
}

/** A descent through the text. State: everything before `#at` is parsed; `#depth` groups are open. */
class ExpressionParser {
  readonly #text: string;
  readonly #firstColumn: number;
  readonly #flags: ExpressionFlags;
  #at = 0;
  #depth = 0;

  constructor(text: string, firstColumn: number, flags: ExpressionFlags) {
    this.#text = text;
    this.#firstColumn = firstColumn;
    this.#flags = flags;
  }

  parse(): Expression {
    const expression = this.#choice();
    if (this.#at < this.#text.length) this.#fail('")" closes nothing');
    return expression;
  }

  #choice(): Expression {
    const options = [this.#sequence()];
    while (this.#takes('|')) options.push(this.#sequence());
    const [only] = options;
    return options.length === 1 && only !== undefined ? only : { kind: 'choice', options };
  }

  #sequence(): Expression {
    const parts: Expression[] = [];
    while (this.#at < this.#text.length && !')|'.includes(this.#peek())) {
      parts.push(this.#repeated());
    }
    return { kind: 'sequence', parts };
  }

  #repeated(): Expression {
    const part = this.#atom();
    const startAt = this.#at;
    const counts = this.#quantifier();
    if (counts === undefined) return part;
    if (this.#peek() === '?') {
      this.#fail(
        'a quantifier that takes as little as it can is not possible: matches are longest',
      );
    }
    if ('*+'.includes(this.#peek()) && this.#peek() !== '')
      this.#fail('there is nothing to repeat');
    if (counts.maximum < counts.minimum) this.#fail('the numbers are the wrong way round', startAt);
    return { kind: 'repeat', part, ...counts };
  }

  #quantifier(): { minimum: number; maximum: number } | undefined {
    if (this.#takes('*')) return { minimum: 0, maximum: Number.POSITIVE_INFINITY };
    if (this.#takes('+')) return { minimum: 1, maximum: Number.POSITIVE_INFINITY };
    if (this.#takes('?')) return { minimum: 0, maximum: 1 };
    const braces = /^\{(\d+)(,?)(\d*)\}/.exec(this.#text.slice(this.#at, this.#at + 32));
    if (braces === null) return undefined;
    const [whole, first = '', comma, second] = braces;
    const minimum = Number(first);
    const open = comma === '' ? minimum : Number.POSITIVE_INFINITY;
    const maximum = second === '' ? open : Number(second);
    if (minimum > MAX_COUNT || (maximum > MAX_COUNT && maximum !== Number.POSITIVE_INFINITY)) {
      this.#fail(`a number in braces is at most ${MAX_COUNT}`);
    }
    this.#at += whole.length;
    return { minimum, maximum };
  }

  #atom(): Expression {
    const startAt = this.#at;
    const character = this.#next();
    switch (character) {
      case '(':
        return this.#group(startAt);
      case '[':
        return { kind: 'set', bytes: this.#class(startAt) };
      case '.':
        return {
          kind: 'set',
          bytes: this.#flags.dotIsAll ? invert(byteSet()) : invert(byteSet(10)),
        };
      case '\\':
        return { kind: 'set', bytes: this.#folded(this.#escape(startAt)) };
      case '^':
      case '$':
        return this.#fail(
          `"${character}" is not possible: a stream has no lines; \\${character} is the character`,
          startAt,
        );
      case '*':
      case '+':
      case '?':
      case '{':
        return this.#fail(
          `"${character}" repeats nothing; \\${character} is the character`,
          startAt,
        );
      default:
        return { kind: 'set', bytes: this.#folded(byteSet(this.#byteOf(character, startAt))) };
    }
  }

  #group(startAt: number): Expression {
    if (this.#takes('?') && !this.#takes(':')) {
      this.#fail('of groups, only (…) and (?:…) are possible', startAt);
    }
    if (++this.#depth > MAX_DEPTH)
      this.#fail(`there are more than ${MAX_DEPTH} groups in groups`, startAt);
    const expression = this.#choice();
    this.#depth--;
    if (!this.#takes(')')) this.#fail('"(" is not closed', startAt);
    return expression;
  }

  #class(startAt: number): ByteSet {
    const isInverted = this.#takes('^');
    let set = byteSet();
    while (!this.#takes(']')) {
      if (this.#at >= this.#text.length) this.#fail('"[" is not closed', startAt);
      set = unite(set, this.#classItem());
    }
    const folded = this.#folded(set);
    return isInverted ? invert(folded) : folded;
  }

  /** A byte, a range of bytes, or a class by its escape. */
  #classItem(): ByteSet {
    const startAt = this.#at;
    const low = this.#classMember();
    const next = this.#text[this.#at + 1];
    if (this.#peek() !== '-' || next === undefined || next === ']') return low;
    this.#at++;
    const high = this.#classMember();
    const first = onlyByte(low);
    const last = onlyByte(high);
    if (first === undefined || last === undefined || first > last) {
      return this.#fail('the ends of the range are no bytes in order', startAt);
    }
    return byteSet(...Array.from({ length: last - first + 1 }, (_, index) => first + index));
  }

  #classMember(): ByteSet {
    const startAt = this.#at;
    const character = this.#next();
    return character === '\\' ? this.#escape(startAt) : byteSet(this.#byteOf(character, startAt));
  }

  #escape(startAt: number): ByteSet {
    const character = this.#next();
    const named = classNamed(character);
    if (named !== undefined) return named;
    if (character === 'x') {
      const digits = this.#text.slice(this.#at, this.#at + 2);
      if (!/^[0-9a-f]{2}$/i.test(digits)) this.#fail('\\x needs two hexadecimal digits', startAt);
      this.#at += 2;
      return byteSet(Number.parseInt(digits, 16));
    }
    const control = CONTROLS[character];
    if (control !== undefined) return byteSet(control);
    if (character === '') this.#fail('"\\" stands at the end', startAt);
    if (/[0-9a-z]/i.test(character)) this.#fail(`\\${character} is not possible`, startAt);
    return byteSet(this.#byteOf(character, startAt));
  }

  #byteOf(character: string, at: number): number {
    const code = character.charCodeAt(0);
    if (code > 0xff) {
      this.#fail(`"${character}" is not one byte; write its bytes as \\xHH`, at);
    }
    return code;
  }

  #folded(set: ByteSet): ByteSet {
    return this.#flags.ignoresCase ? foldCase(set) : set;
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #next(): string {
    return this.#text.charAt(this.#at++);
  }

  #takes(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #fail(message: string, at = this.#at): never {
    throw patternError(message, this.#firstColumn + at);
  }
}

function onlyByte(set: ByteSet): number | undefined {
  const first = set.indexOf(1);
  return first >= 0 && set.indexOf(1, first + 1) < 0 ? first : undefined;
}
