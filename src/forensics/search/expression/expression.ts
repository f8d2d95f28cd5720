/** Which bytes: 1 at the index of each that belongs to it. 256 long. */
export type ByteSet = Uint8Array;

/** A regular expression over bytes. */
export type Expression =
  | { readonly kind: 'set'; readonly bytes: ByteSet }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  | { readonly kind: 'choice'; readonly options: readonly Expression[] }
  | {
      readonly kind: 'repeat';
      readonly part: Expression;
      readonly minimum: number;
      /** Infinity where nothing ends it. */
      readonly maximum: number;
    };

export function byteSet(...bytes: readonly number[]): ByteSet {
  const set = new Uint8Array(256);
  for (const byte of bytes) set[byte] = 1;
  return set;
}

export const invert = (set: ByteSet): ByteSet => set.map((isIn) => 1 - isIn);

export const unite = (a: ByteSet, b: ByteSet): ByteSet =>
  a.map((isIn, byte) => isIn | (b[byte] ?? 0));

/** The set with both cases of each ASCII letter that is in it. */
export function foldCase(set: ByteSet): ByteSet {
  const folded = set.slice();
  for (let upper = 0x41; upper <= 0x5a; upper++) {
    const isIn = (set[upper] ?? 0) | (set[upper | 0x20] ?? 0);
    folded[upper] = isIn;
    folded[upper | 0x20] = isIn;
  }
  return folded;
}

const range = (first: string, last: string): number[] =>
  Array.from(
    { length: last.charCodeAt(0) - first.charCodeAt(0) + 1 },
    (_, index) => first.charCodeAt(0) + index,
  );

const digits = byteSet(...range('0', '9'));
const word = byteSet(...range('0', '9'), ...range('A', 'Z'), ...range('a', 'z'), 0x5f);
const space = byteSet(0x20, ...range('\t', '\r'));

/** What `\d`, `\w`, `\s` and their capitals stand for; of ASCII alone. */
export function classNamed(letter: string): ByteSet | undefined {
  switch (letter) {
    case 'd':
      return digits;
    case 'D':
      return invert(digits);
    case 'w':
      return word;
    case 'W':
      return invert(word);
    case 's':
      return space;
    case 'S':
      return invert(space);
    default:
      return undefined;
  }
}

/** A sequence of single bytes. */
export const literal = (bytes: Uint8Array): Expression => ({
  kind: 'sequence',
  parts: Array.from(bytes, (byte) => ({ kind: 'set', bytes: byteSet(byte) }) as const),
});

/** How many states an automaton for it has, at most. */
export function sizeOf(expression: Expression): number {
  switch (expression.kind) {
    case 'set':
      return 1;
    case 'sequence':
      return expression.parts.reduce((sum, part) => sum + sizeOf(part), 0);
    case 'choice':
      return expression.options.reduce((sum, option) => sum + 1 + sizeOf(option), 0);
    case 'repeat': {
      const { part, minimum, maximum } = expression;
      const copies = maximum === Number.POSITIVE_INFINITY ? minimum + 1 : maximum;
      return copies * (1 + sizeOf(part));
    }
  }
}

export function canBeEmpty(expression: Expression): boolean {
  switch (expression.kind) {
    case 'set':
      return false;
    case 'sequence':
      return expression.parts.every(canBeEmpty);
    case 'choice':
      return expression.options.some(canBeEmpty);
    case 'repeat':
      return expression.minimum === 0 || canBeEmpty(expression.part);
  }
}
