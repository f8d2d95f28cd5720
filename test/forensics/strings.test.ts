import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ByteRange } from '../../src/forensics/byteRanges.js';
import type { ByteSource } from '../../src/forensics/byteSource.js';
import type { StringEncoding } from '../../src/forensics/stringReadings.js';
import { STRING_PIECE_BYTES } from '../../src/forensics/stringScanner.js';
import { type FoundString, findStrings, type StringOptions } from '../../src/forensics/strings.js';
import { bufferSource } from '../support/bufferSource.js';
import { codeOf } from '../support/errors.js';

const MIB = 1024 * 1024;

function stringsOf(source: ByteSource, options?: StringOptions): FoundString[] {
  const strings: FoundString[] = [];
  for (const step of findStrings(source, options)) if (step.kind === 'string') strings.push(step);
  return strings;
}

const brief = ({ offset, encoding, text }: FoundString) => `${offset} ${encoding} ${text}`;

const isPrintable = (text: string): boolean =>
  text === '\t' ||
  (/^.$/u.test(text) && !/[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(text));

/** The bytes of the printable character at an offset, by decoding what may be one. */
function characterAt(bytes: Buffer, offset: number, encoding: StringEncoding): number {
  const longest = { ascii: 1, 'utf-8': 4, 'utf-16le': 2, 'utf-16be': 2 }[encoding];
  const isWide = longest === 2;
  for (let length = isWide ? 2 : 1; length <= longest; length++) {
    if (offset + length > bytes.length) return 0;
    const piece = bytes.subarray(offset, offset + length);
    try {
      const text = new TextDecoder(encoding === 'ascii' ? 'utf-8' : encoding, {
        fatal: true,
        ignoreBOM: true,
      }).decode(piece);
      const isKnown = !isWide || text.charCodeAt(0) < 0x530;
      if (isPrintable(text) && isKnown) return length;
    } catch {
      // Not a character of this length.
    }
  }
  return 0;
}

/** Strings in a range, one character at a time. */
function model(
  bytes: Buffer,
  { startOffset, length }: ByteRange,
  encoding: StringEncoding,
  minimumCharacters: number,
): string[] {
  const part = bytes.subarray(startOffset, startOffset + length);
  const unit = encoding.startsWith('utf-16') ? 2 : 1;
  const found: { offset: number; line: string }[] = [];
  for (let phase = 0; phase < unit; phase++) {
    let start = phase;
    let characters = 0;
    for (let at = phase; at <= part.length; ) {
      const size = at < part.length ? characterAt(part, at, encoding) : 0;
      if (size > 0) {
        characters++;
        at += size;
        continue;
      }
      if (characters >= minimumCharacters) {
        const text = new TextDecoder(encoding === 'ascii' ? 'utf-8' : encoding, {
          ignoreBOM: true,
        }).decode(part.subarray(start, at));
        const offset = startOffset + start;
        found.push({ offset, line: `${offset} ${encoding} ${text}` });
      }
      at += unit;
      start = at;
      characters = 0;
    }
  }
  return found.sort((a, b) => a.offset - b.offset).map(({ line }) => line);
}

const encodings = ['ascii', 'utf-8', 'utf-16le', 'utf-16be'] as const;

describe('strings', () => {
  test('of every encoding, as a model finds them, over borders and gaps', () => {
    const SOURCE_BYTES = MIB + 3000;
    const letters = [
      0, 0x61, 0x7a, 0x20, 0x09, 0x7f, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0x04,
      0xff, 0xed, 0xa0,
    ];
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            offset: fc
              .tuple(fc.constantFrom(0, MIB, SOURCE_BYTES - 60), fc.integer({ min: -60, max: 40 }))
              .map(([border, distance]) => Math.max(0, border + distance)),
            piece: fc.oneof(
              fc
                .array(fc.constantFrom(...letters), { maxLength: 60 })
                .map((bytes) => Buffer.from(bytes)),
              fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => Buffer.from(text)),
              fc.stringMatching(/^[a-zäЯ]{1,20}$/).map((text) => Buffer.from(text, 'utf16le')),
              fc
                .stringMatching(/^[a-zäЯ]{1,20}$/)
                .map((text) => Buffer.from(text, 'utf16le').swap16()),
            ),
          }),
          { maxLength: 5 },
        ),
        fc.constantFrom(...encodings),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: MIB - 50, max: MIB + 50 }),
        fc.integer({ min: 0, max: 20 }),
        (pieces, encoding, minimumCharacters, gapOffset, gapLength) => {
          const bytes = Buffer.alloc(SOURCE_BYTES);
          for (const { offset, piece } of pieces)
            bytes.set(piece.subarray(0, SOURCE_BYTES - offset), offset);
          const gapEnd = gapOffset + gapLength;
          const ranges =
            gapLength === 0
              ? [{ startOffset: 0, length: SOURCE_BYTES }]
              : [
                  { startOffset: 0, length: gapOffset },
                  { startOffset: gapEnd, length: SOURCE_BYTES - gapEnd },
                ];
          // Far from the pieces is nothing but zeros: the model need not look there.
          const near = ranges.flatMap(({ startOffset, length }) => {
            const end = startOffset + length;
            if (startOffset > 0) return [{ startOffset, length }];
            const middle = MIB - 1000;
            return [
              { startOffset: 0, length: 1000 },
              { startOffset: middle, length: end - middle },
            ];
          });
          const strings = stringsOf(bufferSource(bytes, ranges), {
            encodings: [encoding],
            minimumCharacters,
            ranges,
          });
          expect(strings.map(brief)).toEqual(
            near.flatMap((range) => model(bytes, range, encoding, minimumCharacters)),
          );
          expect(strings.every(({ continues }) => !continues)).toBe(true);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('several encodings come in one order', () => {
    const bytes = Buffer.concat([
      Buffer.from('first\0\0'),
      Buffer.from('second', 'utf16le'),
      Buffer.from('\0\0third\0'),
    ]);
    expect(stringsOf(bufferSource(bytes)).map(brief)).toEqual([
      '0 utf-8 first',
      '7 utf-16le second',
      '21 utf-8 third',
    ]);
  });

  test('a long one comes in pieces that together are all of it', () => {
    const bytes = Buffer.alloc(3 * MIB);
    const text = 'long and '.repeat(200_000);
    bytes.write(text, 1000);
    const pieces = stringsOf(bufferSource(bytes), { encodings: ['utf-8'] });
    expect(pieces.map((piece) => piece.text).join('')).toBe(text);
    expect(pieces.map(({ continues }) => continues)).toEqual(
      pieces.map((_, index) => index < pieces.length - 1),
    );
    expect(Math.max(...pieces.map(({ length }) => length))).toBe(STRING_PIECE_BYTES);
  });

  test('the last piece may be shorter than a string', () => {
    const bytes = Buffer.alloc(10_000);
    bytes.fill('x', 5, 5 + STRING_PIECE_BYTES + 1);
    const pieces = stringsOf(bufferSource(bytes), { minimumCharacters: 8, encodings: ['ascii'] });
    expect(pieces.map(({ length, continues }) => [length, continues])).toEqual([
      [STRING_PIECE_BYTES, true],
      [1, false],
    ]);
  });

  test('zeros that an index knows are not read, and what stands behind them is found', () => {
    const end = 2 ** 45 + 1;
    const text = Buffer.from('after', 'utf16le').swap16();
    const readOffsets: number[] = [];
    const source: ByteSource = {
      length: end + 100,
      readInto(offset, target) {
        readOffsets.push(offset);
        target.fill(0);
        text.copy(target, end - 1 - offset);
        return target.length;
      },
    };
    const zeroRunAt = (offset: number, limit: number) => Math.min(limit, Math.max(0, end - offset));
    const strings = stringsOf(source, { encodings: ['utf-16be'], zeroRunAt });
    expect(strings.map(brief)).toEqual([`${end - 1} utf-16be after`]);
    expect(readOffsets.every((offset) => offset > end - 2 * MIB)).toBe(true);
  });

  test('progress ends with everything done', () => {
    const steps = [...findStrings(bufferSource(Buffer.alloc(2 * MIB + 5)))];
    expect(steps.at(-1)).toEqual({
      kind: 'progress',
      doneBytes: 2 * MIB + 5,
      totalBytes: 2 * MIB + 5,
    });
    expect(steps).toHaveLength(3);
  });

  test('lengths that make no sense are refused', () => {
    const source = bufferSource(Buffer.alloc(10));
    for (const minimumCharacters of [0, -1, 1.5, 5000]) {
      expect(codeOf(() => stringsOf(source, { minimumCharacters }))).toBe('USAGE');
    }
  });
});
