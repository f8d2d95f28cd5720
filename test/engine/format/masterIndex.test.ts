import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeMasterIndex,
  type MasterIndex,
  type PageReference,
  parseMasterIndex,
  type StreamTable,
} from '../../../src/engine/format/masterIndex.js';
import { codeOf } from '../../support/errors.js';

const nat = (max: number) => fc.integer({ min: 0, max });
const references: fc.Arbitrary<PageReference[]> = fc.array(
  fc.record({
    offset: fc.maxSafeNat(),
    length: nat(2 ** 32 - 1),
    startBlockIndex: fc.maxSafeNat(),
    startOffset: fc.maxSafeNat(),
  }),
  { maxLength: 20 },
);
const contents = fc.record({
  pages: fc.record({ disk: references, memory: references }),
  sizes: fc.record({ disk: nat(2 ** 52 - 1), memory: nat(2 ** 52) }),
  tail: fc.uint8Array({ maxLength: 100 }),
});

const pagesOf = (table: StreamTable): PageReference[] =>
  Array.from({ length: table.pageCount }, (_, page) => ({
    offset: table.pageOffsets[page] ?? -1,
    length: table.pageLengths[page] ?? -1,
    startBlockIndex: table.startBlockIndexes[page] ?? -1,
    startOffset: table.startOffsets[page] ?? -1,
  }));

const parse = (bytes: Buffer): MasterIndex => parseMasterIndex(bytes, bytes.length);

test('every master index is read as it was written, whatever follows it', () => {
  fc.assert(
    fc.property(contents, ({ pages, sizes, tail }) => {
      const encoded = encodeMasterIndex(pages, sizes);
      const parsed = parse(Buffer.concat([encoded, tail]));
      expect(pagesOf(parsed.disk)).toEqual(pages.disk);
      expect(pagesOf(parsed.memory)).toEqual(pages.memory);
      expect(parsed.disk.streamLength).toBe(sizes.disk);
      expect(parsed.memory.streamLength).toBe(sizes.memory);
      expect(parsed.encodedLength).toBe(encoded.length);
    }),
    { numRuns: 500 },
  );
});

test('a master index that is cut anywhere is TRUNCATED', () => {
  fc.assert(
    fc.property(contents, fc.nat(), ({ pages, sizes }, cut) => {
      const encoded = encodeMasterIndex(pages, sizes);
      const bytes = encoded.subarray(0, cut % encoded.length);
      expect(codeOf(() => parse(bytes))).toBe('TRUNCATED');
    }),
    { numRuns: 500 },
  );
});

describe('counts and sizes from the file', () => {
  const encoded = (): Buffer => encodeMasterIndex({ disk: [], memory: [] }, { disk: 1, memory: 2 });

  test.each([
    ['2^64 - 1', 2n ** 64n - 1n],
    ['a number of pages whose bytes overflow 64 bits', 2n ** 63n],
    ['one page more than there are bytes', 1n],
  ])('%s pages are refused before anything is allocated', (_name, count) => {
    for (const offset of [0, 8]) {
      const bytes = encoded();
      bytes.writeBigUInt64LE(count, offset);
      expect(codeOf(() => parse(bytes))).toBe('TRUNCATED');
    }
  });

  test('a master index beyond its limit is refused, however long the file is', () => {
    const bytes = Buffer.alloc(1024);
    bytes.writeBigUInt64LE(1000n, 0);
    expect(codeOf(() => parseMasterIndex(bytes, 2 ** 40))).toBe('LIMIT');
  });

  test.each([
    ['disk stream of 2^53 bytes', 2n ** 53n, 0n],
    ['memory stream of 2^64 - 1 bytes', 0n, 2n ** 64n - 1n],
    ['streams whose sum is 2^53', 2n ** 52n, 2n ** 52n],
  ])('%s is refused', (_name, disk, memory) => {
    const bytes = encoded();
    bytes.writeBigUInt64LE(disk, 16);
    bytes.writeBigUInt64LE(memory, 24);
    expect(codeOf(() => parse(bytes))).toBe('LIMIT');
  });
});
