import { HexzError } from '../engine/errors.js';
import { type ByteRange, contiguousRanges, totalLength } from './byteRanges.js';
import type { ByteSource } from './byteSource.js';
import {
  asciiBytesAt,
  type CharacterBytesAt,
  UNDECIDED,
  utf8BytesAt,
  utf16beBytesAt,
  utf16leBytesAt,
} from './characters.js';
import type { ZeroRunAt } from './streamSource.js';
import { Window } from './window.js';

export type StringEncoding = 'ascii' | 'utf-8' | 'utf-16le' | 'utf-16be';

export interface FoundString {
  readonly kind: 'string';
  readonly offset: number;
  /** In bytes. */
  readonly length: number;
  readonly encoding: StringEncoding;
  readonly text: string;
  /** Whether the next one of this encoding is the rest of it. */
  readonly continues: boolean;
}

export type StringStep =
  | FoundString
  /** How far it is. */
  | { readonly kind: 'progress'; readonly doneBytes: number; readonly totalBytes: number };

export interface StringOptions {
  /** Characters that a string has at least; default 4. */
  readonly minimumCharacters?: number | undefined;
  /** Default UTF-8 (which ASCII is a part of) and UTF-16 with the low byte first. */
  readonly encodings?: readonly StringEncoding[] | undefined;
  /** Where to look, in the order of offsets and without overlaps; default everywhere. No string spans a gap. */
  readonly ranges?: Iterable<ByteRange> | undefined;
  /** Lets zeros be passed over that an index knows. */
  readonly zeroRunAt?: ZeroRunAt | undefined;
}

/** A string that is longer is told in pieces of so many bytes, or up to three more. */
export const STRING_PIECE_BYTES = 4096;

const WINDOW_BYTES = 1024 * 1024;
const MAX_LOOK_AHEAD_BYTES = 2 ** 40;
/** A character may begin with so many zeros. */
const LEADING_ZEROS = 2;

interface Reading {
  readonly bytesAt: CharacterBytesAt;
  /** Where characters may begin, counted from one that is none. UTF-16 is looked for at even and odd offsets. */
  readonly unitBytes: 1 | 2;
  /** The byte of a unit that tells most, and for each of its values, whether a character may be there. */
  readonly telling: { readonly index: 0 | 1; readonly isPossible: Uint8Array };
}

const possible = (isPossible: (byte: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => Number(isPossible(byte)));

const narrow = { index: 0, isPossible: possible((byte) => byte >= 0x20 || byte === 0x09) } as const;
/** The high byte of UTF-16. */
const isPossibleHigh = possible((byte) => byte < 0x06);

const readings: Readonly<Record<StringEncoding, Reading>> = {
  ascii: { bytesAt: asciiBytesAt, unitBytes: 1, telling: narrow },
  'utf-8': { bytesAt: utf8BytesAt, unitBytes: 1, telling: narrow },
  'utf-16le': {
    bytesAt: utf16leBytesAt,
    unitBytes: 2,
    telling: { index: 1, isPossible: isPossibleHigh },
  },
  'utf-16be': {
    bytesAt: utf16beBytesAt,
    unitBytes: 2,
    telling: { index: 0, isPossible: isPossibleHigh },
  },
};

/**
 * The strings in a source: as many printable characters after each other as there are, if they are enough. Strings of one
 * encoding come in the order of their offsets; of several, one that reaches over the end of a MiB may come later.
 * There is a progress step for each MiB. Memory: some MiB.
 *
 * @throws HexzError USAGE for options that make no sense; what reading the source throws
 */
export function* findStrings(
  source: ByteSource,
  {
    minimumCharacters = 4,
    encodings = ['utf-8', 'utf-16le'],
    ranges,
    zeroRunAt,
  }: StringOptions = {},
): Generator<StringStep, void> {
  if (!Number.isSafeInteger(minimumCharacters) || minimumCharacters < 1) {
    throw new HexzError('USAGE', 'a string has at least one character');
  }
  if (minimumCharacters > STRING_PIECE_BYTES / 4) {
    throw new HexzError('USAGE', `at most ${STRING_PIECE_BYTES / 4} characters can be asked for`);
  }
  const wanted = contiguousRanges(ranges, source.length);
  const totalBytes = totalLength(wanted);
  const window = new Window(source, WINDOW_BYTES + 2 * STRING_PIECE_BYTES);
  let doneBefore = 0;
  for (const { startOffset, length } of wanted) {
    const rangeEnd = startOffset + length;
    const scanners = encodings.flatMap((encoding) =>
      Array.from(
        { length: readings[encoding].unitBytes },
        (_, phase) => new StringScanner(encoding, startOffset + phase, minimumCharacters),
      ),
    );
    let lookAhead = 2 * WINDOW_BYTES;
    let endOffset = startOffset;
    while (endOffset < rangeEnd) {
      const windowOffset = Math.min(endOffset, ...scanners.map(({ offset }) => offset));
      const zeros = zeroRunAt?.(windowOffset, Math.min(lookAhead, rangeEnd - windowOffset)) ?? 0;
      if (zeros >= WINDOW_BYTES) {
        endOffset = windowOffset + zeros;
        for (const scanner of scanners) scanner.passZeros(endOffset - LEADING_ZEROS);
        lookAhead = Math.min(lookAhead * 2, MAX_LOOK_AHEAD_BYTES);
      } else {
        lookAhead = 2 * WINDOW_BYTES;
        endOffset = Math.min(rangeEnd, nextBorder(endOffset));
        const bytes = window.load(windowOffset, endOffset);
        yield* inOrder(
          scanners.map((scanner) => scanner.scan(bytes, windowOffset, endOffset === rangeEnd)),
        );
      }
      yield { kind: 'progress', doneBytes: doneBefore + endOffset - startOffset, totalBytes };
    }
    doneBefore += length;
  }
}

const nextBorder = (offset: number): number =>
  (Math.floor(offset / WINDOW_BYTES) + 1) * WINDOW_BYTES;

/** What several generators find, each in the order of offsets, in that order. */
function* inOrder(
  all: readonly Generator<FoundString, undefined>[],
): Generator<FoundString, undefined> {
  const heads = all.map((strings) => strings.next().value);
  for (;;) {
    let first = -1;
    let firstOffset = Number.POSITIVE_INFINITY;
    for (let index = 0; index < heads.length; index++) {
      const offset = heads[index]?.offset ?? Number.POSITIVE_INFINITY;
      if (offset >= firstOffset) continue;
      first = index;
      firstOffset = offset;
    }
    const found = heads[first];
    if (found === undefined) return;
    yield found;
    heads[first] = all[first]?.next().value;
  }
}

/**
 * Finds strings of one encoding, in windows that follow each other.
 *
 * State: everything before `offset` is done; there a string may begin, which went on at the end of the last window. It is
 * looked at again from its beginning, with the next one. `#isRest`: the piece before that is already told.
 */
class StringScanner {
  offset: number;
  readonly #encoding: StringEncoding;
  readonly #minimumCharacters: number;
  #isRest = false;

  constructor(encoding: StringEncoding, offset: number, minimumCharacters: number) {
    this.#encoding = encoding;
    this.offset = offset;
    this.#minimumCharacters = minimumCharacters;
  }

  /** Goes on behind zeros that begin where it is, or before. */
  passZeros(toOffset: number): void {
    const { unitBytes } = readings[this.#encoding];
    const units = Math.max(0, Math.floor((toOffset - this.offset) / unitBytes));
    this.offset += units * unitBytes;
  }

  /** @param isLast whether strings end where the window ends */
  *scan(bytes: Buffer, windowOffset: number, isLast: boolean): Generator<FoundString, undefined> {
    const { bytesAt, unitBytes, telling } = readings[this.#encoding];
    let index = this.offset - windowOffset;
    let start = index;
    let characters = 0;
    const isEnough = () => characters >= (this.#isRest ? 1 : this.#minimumCharacters);
    while (index < bytes.length) {
      if (characters === 0) {
        index = nextPossible(bytes, index, unitBytes, telling);
        start = index;
        if (index >= bytes.length) break;
      }
      const length = bytesAt(bytes, index);
      if (length > 0) {
        if (index - start >= STRING_PIECE_BYTES) {
          yield this.#found(bytes, windowOffset, start, index, true);
          this.#isRest = true;
          start = index;
          characters = 0;
        }
        characters++;
        index += length;
        continue;
      }
      if (length === UNDECIDED && !isLast) break;
      if (isEnough()) yield this.#found(bytes, windowOffset, start, index, false);
      this.#isRest = false;
      characters = 0;
      index += unitBytes;
      start = index;
    }
    if (isLast && isEnough()) yield this.#found(bytes, windowOffset, start, index, false);
    this.offset = windowOffset + start;
    return undefined;
  }

  #found(
    bytes: Buffer,
    windowOffset: number,
    start: number,
    end: number,
    continues: boolean,
  ): FoundString {
    return {
      kind: 'string',
      offset: windowOffset + start,
      length: end - start,
      encoding: this.#encoding,
      text: decoded(bytes.subarray(start, end), this.#encoding),
      continues,
    };
  }
}

/** The first unit from an index on that may be a character, or what is left of one at the end. */
function nextPossible(
  bytes: Buffer,
  index: number,
  unitBytes: number,
  { index: tellingIndex, isPossible }: Reading['telling'],
): number {
  const end = bytes.length - tellingIndex;
  let at = index;
  while (at < end && isPossible[bytes[at + tellingIndex] as number] === 0) at += unitBytes;
  return at;
}

function decoded(bytes: Buffer, encoding: StringEncoding): string {
  switch (encoding) {
    case 'ascii':
      return bytes.toString('latin1');
    case 'utf-8':
      return bytes.toString('utf8');
    case 'utf-16le':
      return bytes.toString('utf16le');
    case 'utf-16be':
      return Buffer.from(bytes).swap16().toString('utf16le');
  }
}
