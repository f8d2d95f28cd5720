import { HexzError } from '../engine/errors.js';
import { type ByteRange, contiguousRanges, totalLength } from './byteRanges.js';
import type { ByteSource } from './byteSource.js';
import type { ZeroRunAt } from './streamSource.js';
import type { StringEncoding } from './stringReadings.js';
import { STRING_PIECE_BYTES, StringScanner } from './stringScanner.js';
import { Window } from './window.js';

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

const WINDOW_BYTES = 1024 * 1024;
const MAX_LOOK_AHEAD_BYTES = 2 ** 40;
/** A character may begin with so many zeros. */
const LEADING_ZEROS = 2;

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
      StringScanner.of(encoding, startOffset, minimumCharacters),
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
        for (const scanner of scanners) {
          scanner.scan(bytes, windowOffset, endOffset === rangeEnd);
        }
        for (let next = nextOf(scanners); next !== undefined; next = nextOf(scanners)) {
          const { startIndex, endIndex, continues } = next.found;
          next.found.pass();
          yield {
            kind: 'string',
            offset: windowOffset + startIndex,
            length: endIndex - startIndex,
            encoding: next.encoding,
            text: decoded(bytes, startIndex, endIndex, next.encoding),
            continues,
          };
        }
      }
      yield { kind: 'progress', doneBytes: doneBefore + endOffset - startOffset, totalBytes };
    }
    doneBefore += length;
  }
}

const nextBorder = (offset: number): number =>
  (Math.floor(offset / WINDOW_BYTES) + 1) * WINDOW_BYTES;

/** The scanner whose next string begins before those of the others. */
function nextOf(scanners: readonly StringScanner[]): StringScanner | undefined {
  let best: StringScanner | undefined;
  for (const scanner of scanners) {
    if (scanner.found.startIndex < (best?.found.startIndex ?? Number.POSITIVE_INFINITY)) {
      best = scanner;
    }
  }
  return best;
}

function decoded(bytes: Buffer, start: number, end: number, encoding: StringEncoding): string {
  switch (encoding) {
    case 'ascii':
      return bytes.toString('latin1', start, end);
    case 'utf-8':
      return bytes.toString('utf8', start, end);
    case 'utf-16le':
      return bytes.toString('utf16le', start, end);
    case 'utf-16be':
      return Buffer.from(bytes.subarray(start, end)).swap16().toString('utf16le');
  }
}
