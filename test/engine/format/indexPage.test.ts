import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type EncodableEntry,
  encodeIndexPage,
  entryBytesOfPage,
  IndexPage,
  type PageExpectation,
} from '../../../src/engine/format/indexPage.js';
import { MAX_BLOCK_BYTES } from '../../../src/engine/format/limits.js';
import { codeOf } from '../../support/errors.js';

const lengths = fc.oneof(fc.constant(0), fc.nat(300), fc.nat(MAX_BLOCK_BYTES));
const u32s = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const hashes = fc
  .option(fc.uint8Array({ minLength: 32, maxLength: 32 }), { nil: undefined })
  .map((bytes) =>
    bytes === undefined || bytes.every((byte) => byte === 0) ? undefined : Buffer.from(bytes),
  );
const entries: fc.Arbitrary<EncodableEntry> = fc.oneof(
  fc.record({ kind: fc.constant('zero' as const), logicalLength: lengths }),
  fc.record({ kind: fc.constant('parent' as const), logicalLength: lengths, hash: hashes }),
  fc.record({
    kind: fc.constant('data' as const),
    logicalLength: lengths,
    storedOffset: fc.maxSafeNat(),
    storedLength: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    checksum: u32s,
    hash: hashes,
  }),
);
const pages = fc.array(entries, { minLength: 1, maxLength: 40 });

const coveredBy = (page: readonly EncodableEntry[]): number =>
  page.reduce((sum, { logicalLength }) => sum + logicalLength, 0);

const expectation = (
  page: readonly EncodableEntry[],
  changes: Partial<PageExpectation> = {},
): PageExpectation => ({
  entryBytes: 52,
  startOffset: 0,
  startBlockIndex: 0,
  nextStartOffset: undefined,
  streamLength: (changes.startOffset ?? 0) + coveredBy(page),
  ...changes,
});

test('every page is read as it was written', () => {
  fc.assert(
    fc.property(pages, fc.nat(2 ** 45), fc.nat(2 ** 45), (page, startOffset, startBlockIndex) => {
      const read = new IndexPage(
        encodeIndexPage(page),
        expectation(page, { startOffset, startBlockIndex }),
      );
      expect(read.entryCount).toBe(page.length);
      expect(read.endOffset).toBe(startOffset + coveredBy(page));
      page.forEach((entry, position) => {
        expect(read.kindOf(position)).toBe(entry.kind);
        expect(read.logicalLengthOf(position)).toBe(entry.logicalLength);
        expect(read.offsetOf(position)).toBe(startOffset + coveredBy(page.slice(0, position)));
        expect(read.hashOf(position)).toEqual(entry.kind === 'zero' ? undefined : entry.hash);
        if (entry.kind !== 'data') return;
        const { storedOffset, storedLength, checksum } = entry;
        const blockIndex = startBlockIndex + position;
        const block = { storedOffset, storedLength, checksum, blockIndex };
        expect(read.storedBlock(position)).toEqual(block);
      });
    }),
    { numRuns: 300 },
  );
});

test('the entry that covers an offset is never one of the empty ones beside it', () => {
  fc.assert(
    fc.property(
      pages,
      fc.nat(1000),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (page, start, share) => {
        const covered = coveredBy(page);
        fc.pre(covered > 0);
        const read = new IndexPage(
          encodeIndexPage(page),
          expectation(page, { startOffset: start }),
        );
        const offset = start + Math.min(covered - 1, Math.floor(share * covered));
        const entry = read.entryAt(offset);
        expect(read.offsetOf(entry)).toBeLessThanOrEqual(offset);
        expect(read.offsetOf(entry) + read.logicalLengthOf(entry)).toBeGreaterThan(offset);
      },
    ),
    { numRuns: 500 },
  );
});

test('a page of generation A4 has entries of 20 bytes and no hashes', () => {
  const long = encodeIndexPage([
    {
      kind: 'data',
      logicalLength: 10,
      storedOffset: 5000,
      storedLength: 7,
      checksum: 9,
      hash: undefined,
    },
    { kind: 'parent', logicalLength: 20, hash: undefined },
  ]);
  const short = Buffer.concat([long.subarray(0, 8 + 20), long.subarray(8 + 52, 8 + 52 + 20)]);
  expect(entryBytesOfPage(short.length, 2)).toBe(20);
  const page = new IndexPage(short, {
    ...expectation([]),
    entryBytes: 20,
    streamLength: 30,
  });
  expect([page.kindOf(0), page.kindOf(1)]).toEqual(['data', 'parent']);
  expect(page.storedBlock(0)).toEqual({
    storedOffset: 5000,
    storedLength: 7,
    checksum: 9,
    blockIndex: 0,
  });
  expect([page.hashOf(0), page.hashOf(1)]).toEqual([undefined, undefined]);
});

const zeros = (...lengthsOfEntries: number[]): EncodableEntry[] =>
  lengthsOfEntries.map((logicalLength) => ({ kind: 'zero', logicalLength }));

describe('a page that contradicts its length or its place is refused', () => {
  const page = zeros(100, 50);
  const parse = (bytes: Buffer, changes: Partial<PageExpectation> = {}) =>
    codeOf(() => new IndexPage(bytes, expectation(page, changes)));

  test.each([
    ['0 entries', 0n],
    ['one entry more', 3n],
    ['one entry fewer', 1n],
    ['2^64 - 1 entries', 2n ** 64n - 1n],
  ])('%s', (_name, count) => {
    const bytes = encodeIndexPage(page);
    bytes.writeBigUInt64LE(count, 0);
    expect(parse(bytes)).toBe('BAD_INDEX');
  });

  test('entries of another size than in the first page of the file', () => {
    expect(parse(encodeIndexPage(page), { entryBytes: 20 })).toBe('BAD_INDEX');
  });

  test('blocks that reach behind the end of the stream', () => {
    expect(parse(encodeIndexPage(page), { streamLength: 149 })).toBe('BAD_INDEX');
  });

  test.each([149, 151])('blocks that end elsewhere than the next page starts (%d)', (start) => {
    expect(parse(encodeIndexPage(page), { nextStartOffset: start })).toBe('BAD_INDEX');
  });

  test('a block longer than 128 MiB', () => {
    const tooLong = zeros(MAX_BLOCK_BYTES + 1);
    expect(codeOf(() => new IndexPage(encodeIndexPage(tooLong), expectation(tooLong)))).toBe(
      'LIMIT',
    );
    const longest = zeros(MAX_BLOCK_BYTES);
    expect(codeOf(() => new IndexPage(encodeIndexPage(longest), expectation(longest)))).toBe('ok');
  });

  test('blocks that cover less than the stream are sound in its last page', () => {
    expect(parse(encodeIndexPage(page), { streamLength: 1000 })).toBe('ok');
  });
});
