import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ByteRange } from '../../../src/forensics/byteRanges.js';
import type { ByteSource } from '../../../src/forensics/byteSource.js';
import { type BytesPattern, parsePattern } from '../../../src/forensics/search/pattern.js';
import {
  type SearchOptions,
  type SearchStep,
  search,
} from '../../../src/forensics/search/search.js';
import { streamSource } from '../../../src/forensics/streamSource.js';
import { openSnapshot } from '../../../src/index.js';
import { bufferSource } from '../../support/bufferSource.js';
import { codeOf } from '../../support/errors.js';
import { packSnapshot } from '../../support/snapshots.js';
import { temporaryDirectories } from '../../support/temporary.js';

const MIB = 1024 * 1024;
const newDirectory = temporaryDirectories();

type Match = Extract<SearchStep, { kind: 'match' }>;

function matchesOf(source: ByteSource, pattern: string, options?: SearchOptions): Match[] {
  const matches: Match[] = [];
  for (const step of search(source, parsePattern(pattern), options)) {
    if (step.kind === 'match') matches.push(step);
  }
  return matches;
}

const offsetsOf = (source: ByteSource, pattern: string, options?: SearchOptions): number[] =>
  matchesOf(source, pattern, options).map(({ offset }) => offset);

/** Every place in a range that fits, byte by byte. */
function placesIn(bytes: Buffer, { needles }: BytesPattern, range: ByteRange): number[] {
  const places: number[] = [];
  const end = range.startOffset + range.length;
  for (let offset = range.startOffset; offset < end; offset++) {
    for (const { value, mask } of needles) {
      const isThere =
        offset + value.length <= end &&
        value.every((byte, at) => ((bytes[offset + at] ?? 0) & (mask[at] ?? 0)) === byte);
      if (isThere) places.push(offset);
    }
  }
  return places;
}

/** Sources of two cells and a bit, mostly zero, with small pieces of few letters at and around the borders. */
const borders = [0, 1000, MIB, 2 * MIB];
const SOURCE_BYTES = 2 * MIB + 500;
const arbitraryPieces = fc.array(
  fc.record({
    border: fc.constantFrom(...borders),
    distance: fc.integer({ min: -70, max: 70 }),
    bytes: fc.array(fc.constantFrom(0, 0x61, 0x62, 0x41), { minLength: 1, maxLength: 60 }),
  }),
  { maxLength: 6 },
);

function sourceOf(
  pieces: readonly { border: number; distance: number; bytes: number[] }[],
): Buffer {
  const bytes = Buffer.alloc(SOURCE_BYTES);
  for (const { border, distance, bytes: piece } of pieces) {
    const offset = Math.max(0, border + distance);
    bytes.set(piece.slice(0, SOURCE_BYTES - offset), offset);
  }
  return bytes;
}

const arbitraryNear = fc
  .tuple(fc.constantFrom(...borders), fc.integer({ min: -80, max: 80 }))
  .map(([border, distance]) => Math.max(0, border + distance));

/** Ranges with gaps, and some that touch each other. */
const arbitraryRanges = fc
  .uniqueArray(arbitraryNear, { minLength: 2, maxLength: 8 })
  .map((cuts) => {
    const sorted = [...cuts, SOURCE_BYTES].sort((a, b) => a - b);
    const ranges: ByteRange[] = [];
    for (const [index, startOffset] of sorted.slice(0, -1).entries()) {
      const length = (sorted[index + 1] ?? 0) - startOffset;
      if (index % 3 !== 1) ranges.push({ startOffset, length });
    }
    return ranges;
  });

/** Ranges that touch each other are one. */
function joined(ranges: readonly ByteRange[]): ByteRange[] {
  const all: ByteRange[] = [];
  for (const range of ranges) {
    const last = all.at(-1);
    if (last !== undefined && last.startOffset + last.length === range.startOffset) {
      all[all.length - 1] = { ...last, length: last.length + range.length };
    } else all.push(range);
  }
  return all;
}

const zeroRunAtOf =
  (bytes: Buffer) =>
  (offset: number, limit: number): number => {
    let end = offset;
    while (end < Math.min(bytes.length, offset + limit) && bytes[end] === 0) end++;
    return end - offset;
  };

describe('bytes, against a search byte by byte', () => {
  const arbitraryHex = fc
    .array(fc.constantFrom('61', '62', '41', '00', '??', '?1', '6?'), {
      minLength: 1,
      maxLength: 40,
    })
    .filter((digits) => digits.some((digit) => digit !== '??') && digits.join('') !== '')
    .map((digits) => `x:${digits.join('')}`);
  const arbitraryText = fc
    .tuple(fc.constantFrom('', 'i:', 'u:', 'w:', 'iu:'), fc.stringMatching(/^[abA]{1,5}$/))
    .map(([prefix, text]) => prefix + text);

  test('over borders, gaps, from anywhere, in both directions, with and without an index', () => {
    fc.assert(
      fc.property(
        arbitraryPieces,
        fc.oneof(arbitraryHex, arbitraryText),
        fc.option(arbitraryRanges, { nil: undefined }),
        fc.option(arbitraryNear, { nil: undefined }),
        fc.boolean(),
        (pieces, text, ranges, startOffset, hasIndex) => {
          const bytes = sourceOf(pieces);
          const pattern = parsePattern(text);
          if (pattern.kind !== 'bytes') throw new Error('not bytes');
          // Zeros that match everywhere: millions of matches tell nothing more.
          fc.pre(!pattern.needles.some(({ value }) => value.every((byte) => byte === 0)));
          const there = ranges ?? [{ startOffset: 0, length: SOURCE_BYTES }];
          const all = joined(there).flatMap((range) => placesIn(bytes, pattern, range));
          const source = bufferSource(bytes, joined(there));
          const zeroRunAt = hasIndex ? zeroRunAtOf(bytes) : undefined;
          const options = { ranges, startOffset, zeroRunAt };
          const from = startOffset ?? 0;
          expect(offsetsOf(source, text, options)).toEqual(all.filter((offset) => offset >= from));
          const before = startOffset ?? SOURCE_BYTES;
          expect(offsetsOf(source, text, { ...options, direction: 'backward' })).toEqual(
            all.filter((offset) => offset < before).reverse(),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  test('zeros that match are found where an index knows them', () => {
    const bytes = Buffer.alloc(300);
    const options = { zeroRunAt: zeroRunAtOf(bytes) };
    expect(offsetsOf(bufferSource(bytes), 'x:0000', options)).toHaveLength(299);
    expect(offsetsOf(bufferSource(bytes), 'r:\\x00+', options)).toEqual([0]);
  });
});

describe('expressions', () => {
  /** What JavaScript finds; the expressions below have no choice in which the first is not the longest. */
  function javaScriptFinds(
    bytes: Buffer,
    expression: string,
    ranges: readonly ByteRange[],
  ): Match[] {
    return ranges.flatMap(({ startOffset, length }) => {
      const text = bytes.toString('latin1', startOffset, startOffset + length);
      return Array.from(text.matchAll(new RegExp(expression, 'g')), (match) => ({
        kind: 'match' as const,
        offset: startOffset + match.index,
        length: match[0].length,
      }));
    });
  }

  test('find what JavaScript finds, over borders, gaps, from anywhere, in both directions', () => {
    const expressions = [
      'a+',
      'a{2}',
      '(?:ab)+',
      'a[^b]{0,40}b',
      '[abA]{3,}',
      'A(?:a|b)*A',
      'b\\x00{1,9}a',
    ];
    fc.assert(
      fc.property(
        arbitraryPieces,
        fc.constantFrom(...expressions),
        fc.option(arbitraryRanges, { nil: undefined }),
        fc.option(arbitraryNear, { nil: undefined }),
        fc.boolean(),
        (pieces, expression, ranges, startOffset, hasIndex) => {
          const bytes = sourceOf(pieces);
          const there = joined(ranges ?? [{ startOffset: 0, length: SOURCE_BYTES }]);
          const all = javaScriptFinds(bytes, expression, there);
          const source = bufferSource(bytes, there);
          const zeroRunAt = hasIndex ? zeroRunAtOf(bytes) : undefined;
          const options = { ranges, startOffset, zeroRunAt };
          const from = startOffset ?? 0;
          expect(matchesOf(source, `r:${expression}`, options)).toEqual(
            all.filter(({ offset }) => offset >= from),
          );
          const before = startOffset ?? SOURCE_BYTES;
          expect(
            matchesOf(source, `r:${expression}`, { ...options, direction: 'backward' }),
          ).toEqual(all.filter(({ offset }) => offset < before).reverse());
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a match has 64 KiB at most', () => {
    const bytes = Buffer.alloc(3 * MIB, 'x');
    bytes.write('<', MIB - 100);
    bytes.write('>', MIB - 100 + 65_535);
    expect(matchesOf(bufferSource(bytes), 'r:<x*>')).toEqual([
      { kind: 'match', offset: MIB - 100, length: 65_536 },
    ]);
    bytes.write('x', MIB - 100 + 65_535);
    bytes.write('>', MIB - 100 + 65_536);
    expect(matchesOf(bufferSource(bytes), 'r:<x*>')).toEqual([]);
  });

  test('such as make backtracking programs stand still take their time and no more', () => {
    const bytes = Buffer.alloc(MIB, 'a');
    for (const expression of ['(a+)+b', '(a|a)*b', '(?:a*)*b', '.*.*.*b', '(a|b)*a(a|b){12}c']) {
      expect(matchesOf(bufferSource(bytes), `r:${expression}`)).toEqual([]);
    }
  });

  test('with more states than are kept', () => {
    const bytes = Buffer.alloc(40_000);
    let random = 1;
    for (let at = 0; at < bytes.length; at++) {
      random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
      bytes[at] = random & 0x10000 ? 0x61 : 0x62;
    }
    const expression = 'b[ab]{14}a';
    expect(matchesOf(bufferSource(bytes), `r:${expression}`)).toEqual(
      javaScriptFinds(bytes, expression, [{ startOffset: 0, length: bytes.length }]),
    );
  });
});

describe('progress', () => {
  test('comes with every MiB and ends with everything done, in both directions', () => {
    const source = bufferSource(Buffer.alloc(5 * MIB + 1, 1));
    for (const direction of ['forward', 'backward'] as const) {
      const steps = [...search(source, parsePattern('nowhere'), { direction })];
      expect(steps.length).toBeGreaterThanOrEqual(6);
      let doneBytes = 0;
      for (const step of steps) {
        if (step.kind !== 'progress') throw new Error('nothing is to be found');
        expect(step.totalBytes).toBe(source.length);
        expect(step.doneBytes - doneBytes).toBeLessThanOrEqual(MIB + 100);
        expect(step.doneBytes).toBeGreaterThanOrEqual(doneBytes);
        ({ doneBytes } = step);
      }
      expect(doneBytes).toBe(source.length);
    }
  });

  test('counts from the start, in the ranges alone', () => {
    const source = bufferSource(Buffer.alloc(4000, 1));
    const ranges = [
      { startOffset: 0, length: 100 },
      { startOffset: 1000, length: 500 },
      { startOffset: 3000, length: 5000 },
    ];
    const lastOf = (options: SearchOptions) =>
      [...search(source, parsePattern('nowhere'), { ranges, ...options })].at(-1);
    expect(lastOf({})).toEqual({ kind: 'progress', doneBytes: 1600, totalBytes: 1600 });
    expect(lastOf({ startOffset: 1400 })).toMatchObject({ doneBytes: 1100, totalBytes: 1100 });
    expect(lastOf({ startOffset: 1400, direction: 'backward' })).toMatchObject({
      doneBytes: 500,
      totalBytes: 500,
    });
  });

  test('zeros of petabytes are passed over in few steps', () => {
    const length = 2 ** 50;
    const source: ByteSource = {
      length,
      readInto(offset, target) {
        target.fill(0);
        if (offset <= 2 ** 49 && offset + target.length > 2 ** 49) target[2 ** 49 - offset] = 7;
        return target.length;
      },
    };
    const zeroRunAt = (offset: number, limit: number) =>
      Math.min(limit, offset <= 2 ** 49 ? 2 ** 49 - offset : length - offset);
    for (const direction of ['forward', 'backward'] as const) {
      const steps = [...search(source, parsePattern('x:0700'), { direction, zeroRunAt })];
      expect(steps.filter(({ kind }) => kind === 'match')).toEqual([
        { kind: 'match', offset: 2 ** 49, length: 2 },
      ]);
      expect(steps.length).toBeLessThan(10_000);
    }
  });

  test('an expression that takes long says so in between', () => {
    const source = bufferSource(Buffer.alloc(MIB, 'a'));
    expect([...search(source, parsePattern('r:a.*b'))].length).toBeGreaterThan(8);
  });
});

test('a stream of a snapshot is searched over blocks, zeros and ends', () => {
  const disk = Buffer.alloc(300_000);
  for (const offset of [0, 65_530, 131_072 - 3, 299_994]) disk.write('needle', offset);
  const path = packSnapshot(join(newDirectory(), 'disk.hxz'), { disk });
  const snapshot = openSnapshot(path);
  const source = streamSource(snapshot, 'disk');
  const { zeroRunAt } = source;
  expect(offsetsOf(source, 'needle', { zeroRunAt })).toEqual([0, 65_530, 131_069, 299_994]);
  expect(source.zeroRunAt?.(140_000, 100)).toBeLessThanOrEqual(100);
  snapshot.close();
});

test('ranges that overlap, are not in order or no ranges are refused', () => {
  const source = bufferSource(Buffer.alloc(100));
  const codeFor = (...ranges: [number, number][]) =>
    codeOf(() =>
      offsetsOf(source, 'a', {
        ranges: ranges.map(([startOffset, length]) => ({ startOffset, length })),
      }),
    );
  expect(codeFor([0, 10], [5, 10])).toBe('USAGE');
  expect(codeFor([20, 10], [5, 10])).toBe('USAGE');
  expect(codeFor([-1, 10])).toBe('USAGE');
  expect(codeFor([0.5, 10])).toBe('USAGE');
  expect(codeFor([0, 10], [10, 0], [50, 1000], [1050, 3])).toBe('ok');
});

test('a source that ends too early is an error', () => {
  const source: ByteSource = { length: 100, readInto: () => 50 };
  expect(codeOf(() => offsetsOf(source, 'a'))).toBe('UNREADABLE');
});
