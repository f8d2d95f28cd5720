/*
 * Offsets and lengths as people write them:
 *
 *   expression = [ "+" | "-" ] sum               with a sign in front: from the cursor on
 *   sum        = product { ( "+" | "-" ) product }
 *   product    = value { "*" value }
 *   value      = number | "." | "end" | "$" name | ( "page" | "block" ) "(" sum ")" | "(" sum ")"
 *   number     = "0x" hexadecimal digits | digits [ unit ]        "_" between digits is passed over
 *   unit       = K | M | G | T [ "iB" | "B" ]  (factor 1024) | p  (pages of 4 KiB)
 */

import { byteSizeOf } from '../../engine/byteSize.js';
import { PAGE_BYTES } from './pages.js';

/** What an expression may refer to. */
export interface ExpressionScope {
  /** Where the last command of this stream ended. */
  cursorOffset(): number;
  bookmark(name: string): number | undefined;
  /** Behind the last byte of the stream. */
  endOffset(): Promise<number>;
  /** Of all blocks; undefined where they differ. */
  blockBytes(): Promise<number | undefined>;
}

/** What is wrong with an expression, and at which of its characters, from 0. */
export class ExpressionError extends Error {
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

type Node =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'cursor' | 'end' }
  | { readonly kind: 'bookmark'; readonly name: string; readonly at: number }
  | {
      readonly kind: 'unit';
      readonly unit: 'page' | 'block';
      readonly of: Node;
      readonly at: number;
    }
  | {
      readonly kind: '+' | '-' | '*';
      readonly left: Node;
      readonly right: Node;
      readonly at: number;
    };

/**
 * The value of an expression.
 *
 * @throws ExpressionError
 */
export async function evaluate(text: string, scope: ExpressionScope): Promise<number> {
  const value = await resultOf(new Parser(text).parse(), scope);
  if (value < 0) throw new ExpressionError(0, `it is ${value}, and must not be negative`);
  return value;
}

async function resultOf(node: Node, scope: ExpressionScope): Promise<number> {
  switch (node.kind) {
    case 'number':
      return node.value;
    case 'cursor':
      return scope.cursorOffset();
    case 'end':
      return scope.endOffset();
    case 'bookmark': {
      const value = scope.bookmark(node.name);
      if (value === undefined)
        throw new ExpressionError(node.at, `there is no bookmark ${node.name}`);
      return value;
    }
    case 'unit': {
      const bytes = node.unit === 'page' ? PAGE_BYTES : await scope.blockBytes();
      if (bytes === undefined) {
        throw new ExpressionError(node.at, 'the blocks of this snapshot have no common length');
      }
      return safe((await resultOf(node.of, scope)) * bytes, node.at);
    }
    default: {
      const left = await resultOf(node.left, scope);
      const right = await resultOf(node.right, scope);
      const value =
        node.kind === '+' ? left + right : node.kind === '-' ? left - right : left * right;
      return safe(value, node.at);
    }
  }
}

function safe(value: number, at: number): number {
  if (!Number.isSafeInteger(value)) throw new ExpressionError(at, 'the number is too large');
  return value;
}

/** Nested deeper, an expression is no expression any more. */
const MAX_DEPTH = 64;

/** State: `#at` is the next character. */
class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Node {
    this.#skipBlanks();
    const sign = this.#text[this.#at];
    const start = this.#at;
    const node = sign === '+' || sign === '-' ? this.#relative(sign, start) : this.#sum();
    if (this.#at < this.#text.length) {
      throw new ExpressionError(this.#at, 'an operator (+ - *) is missing here');
    }
    return node;
  }

  #relative(sign: '+' | '-', start: number): Node {
    this.#at++;
    // A sign in front belongs to the first product only: -16+4 is 12 before the cursor.
    const first: Node = { kind: sign, left: { kind: 'cursor' }, right: this.#product(), at: start };
    return this.#sumBehind(first);
  }

  #sum(): Node {
    return this.#sumBehind(this.#product());
  }

  #sumBehind(first: Node): Node {
    let node = first;
    for (;;) {
      const operator = this.#take('+') ?? this.#take('-');
      if (operator === undefined) return node;
      const at = this.#at - 1;
      node = { kind: operator, left: node, right: this.#product(), at };
    }
  }

  #product(): Node {
    let node = this.#value();
    for (;;) {
      const operator = this.#take('*');
      if (operator === undefined) return node;
      const at = this.#at - 1;
      node = { kind: operator, left: node, right: this.#value(), at };
    }
  }

  #value(): Node {
    this.#skipBlanks();
    const at = this.#at;
    if (this.#take('(') !== undefined) return this.#inParentheses(at);
    const word = /^(?:\$\w*|[\w.]+)/.exec(this.#text.slice(at))?.[0];
    if (word === undefined) throw new ExpressionError(at, 'a number is missing here');
    this.#at += word.length;
    this.#skipBlanks();
    if (word.startsWith('$')) return { kind: 'bookmark', name: word.slice(1), at };
    if (word === '.') return { kind: 'cursor' };
    if (word === 'end') return { kind: 'end' };
    if ((word === 'page' || word === 'block') && this.#take('(') !== undefined) {
      return { kind: 'unit', unit: word, of: this.#inParentheses(at), at };
    }
    return { kind: 'number', value: numberOf(word, at) };
  }

  #inParentheses(openedAt: number): Node {
    if (++this.#depth > MAX_DEPTH) throw new ExpressionError(openedAt, 'it is nested too deeply');
    const node = this.#sum();
    if (this.#take(')') === undefined) throw new ExpressionError(openedAt, '( is not closed');
    this.#depth--;
    return node;
  }

  #take<Operator extends string>(operator: Operator): Operator | undefined {
    this.#skipBlanks();
    if (this.#text[this.#at] !== operator) return undefined;
    this.#at++;
    this.#skipBlanks();
    return operator;
  }

  #skipBlanks(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
  }
}

function numberOf(word: string, at: number): number {
  const digits = word.replace(/(?<=[\da-f])_(?=[\da-f])/gi, '');
  const pages = /^(\d+)p$/.exec(digits);
  if (pages !== null) return safe(Number(pages[1]) * PAGE_BYTES, at);
  const value = byteSizeOf(digits);
  if (value !== undefined) return value;
  if (/^(?:0x[\da-f]+|\d+)$/i.test(digits))
    throw new ExpressionError(at, 'the number is too large');
  throw new ExpressionError(at, `${word} is no number such as 4096, 0x1000, 4K or 1p`);
}
