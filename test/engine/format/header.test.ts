import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeHeader,
  type HeaderLayout,
  parseHeader,
  type SnapshotHeader,
} from '../../../src/engine/format/header.js';
import { HEADER_BYTES } from '../../../src/engine/format/limits.js';
import { codeOf, errorOf } from '../../support/errors.js';
import { EMPTY_HEADER } from '../../support/snapshotWriter.js';

const U32 = 2 ** 32 - 1;

/** Offsets, many of them with the low bytes zero that a shifted reading takes for tags and counts. */
const offsets = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 53 - 1 }),
  fc.integer({ min: 0, max: 2 ** 29 - 1 }).map((value) => value * 2 ** 24),
  fc.integer({ min: 0, max: 2 ** 21 - 1 }).map((value) => value * 2 ** 32),
  fc.constantFrom(0, 1, 2 ** 24, 2 ** 32, 2 ** 40, 2 ** 48),
);
const u32s = fc.oneof(fc.integer({ min: 0, max: U32 }), fc.constantFrom(0, 1, 2 ** 24, U32));
const option = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const ranges = option(fc.record({ offset: offsets, length: u32s }));
const paths = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 100 })
  .filter((path) => !path.includes('\0'));

function headers(layout: HeaderLayout): fc.Arbitrary<SnapshotHeader> {
  const chunking = fc.record({ averageBits: u32s, minimumBytes: u32s, maximumBytes: u32s });
  return fc.record({
    layout: fc.constant(layout),
    blockSize: u32s,
    indexOffset: offsets,
    parentPaths: fc.array(paths, { maxLength: layout === 'A' ? 1 : 6 }),
    dictionary: ranges,
    metadata: ranges,
    signature: ranges,
    encryption: option(
      fc.record({
        salt: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
        iterations: fc.integer({ min: 1, max: U32 }),
      }),
    ),
    compression: fc.constantFrom('lz4' as const, 'zstd' as const),
    hasDisk: fc.boolean(),
    hasMemory: fc.boolean(),
    variableBlocks: fc.boolean(),
    chunking: layout === 'A' ? fc.constant(undefined) : option(chunking),
  });
}

const EMPTY: SnapshotHeader = { ...EMPTY_HEADER, indexOffset: 4096 };

/** The only header whose bytes are the same in both layouts. */
const saysNothing = (header: SnapshotHeader): boolean =>
  encodeHeader({ ...header, layout: 'A' }).equals(
    encodeHeader({ ...EMPTY, blockSize: header.blockSize, indexOffset: header.indexOffset }),
  ) && header.chunking === undefined;

describe('every header is read as it was written', () => {
  test('layout A', () => {
    fc.assert(
      fc.property(headers('A'), (header) => {
        expect(parseHeader(encodeHeader(header))).toEqual(header);
      }),
      { numRuns: 4000 },
    );
  });

  test('layout B', () => {
    fc.assert(
      fc.property(headers('B'), (header) => {
        fc.pre(!saysNothing(header));
        expect(parseHeader(encodeHeader(header))).toEqual(header);
      }),
      { numRuns: 4000 },
    );
  });

  test('a header that fits both layouts, of a snapshot without streams, is called A', () => {
    const bytes = encodeHeader({ ...EMPTY, layout: 'B' });
    expect(bytes).toEqual(encodeHeader(EMPTY));
    expect(parseHeader(bytes).layout).toBe('A');
  });

  test('the documented example of layout B', () => {
    const bytes = Buffer.alloc(HEADER_BYTES);
    const fields = [
      '4845585a 01000000 00000100 00a9010000000000',
      '0000000000000000 000000000000 00 00000000 010001',
      '01 10000000 00400000 00000400',
    ];
    Buffer.from(fields.join('').replaceAll(' ', ''), 'hex').copy(bytes);
    expect(parseHeader(bytes)).toEqual({
      ...EMPTY,
      layout: 'B',
      indexOffset: 0x1a900,
      hasDisk: true,
      variableBlocks: true,
      chunking: { averageBits: 16, minimumBytes: 16384, maximumBytes: 262144 },
    });
  });
});

/** Bytes of a sound header of layout A whose fields begin at known places, changed in one place. */
function patched(
  changes: Readonly<Record<number, number>>,
  header: SnapshotHeader = EMPTY,
): Buffer {
  const bytes = encodeHeader(header);
  for (const [offset, value] of Object.entries(changes)) bytes[Number(offset)] = value;
  return bytes;
}

const withPath = (layout: HeaderLayout, path: string): SnapshotHeader => ({
  ...EMPTY,
  layout,
  hasDisk: true,
  parentPaths: [path],
});

describe('what breaks a strict rule is refused', () => {
  test.each<[string, Buffer]>([
    ['parent tag 2', patched({ 20: 2, 32: 1 })],
    ['dictionary offset tag 2', patched({ 21: 2 })],
    ['metadata length tag 7', patched({ 24: 7 })],
    ['encryption tag 255', patched({ 27: 255 })],
    ['compression 2', patched({ 28: 2 })],
    ['compression 2^24', patched({ 31: 1 })],
    ['a flag of 5', patched({ 33: 5 })],
    ['a half of the dictionary', patched({ 21: 1 })],
    ['a length of metadata alone', patched({ 24: 1 })],
    ['a length of the signature alone', patched({ 26: 1 })],
    [
      'encryption with 0 iterations',
      encodeHeader({ ...EMPTY, encryption: { salt: Buffer.alloc(16, 7), iterations: 0 } }),
    ],
    ['a byte behind the last field', patched({ 36: 1 }, { ...EMPTY, hasDisk: true })],
    ['a byte at the very end', patched({ 4095: 1 }, { ...EMPTY, hasDisk: true })],
    ['a NUL in a parent path', encodeHeader(withPath('A', 'a\0b'))],
    ['a NUL in a parent path of layout B', encodeHeader(withPath('B', 'a\0b'))],
    ['a parent path that is not UTF-8', patched({ 29: 0xff }, withPath('A', 'abc'))],
    ['an empty parent path', encodeHeader(withPath('A', ''))],
    ['an empty parent path of layout B', encodeHeader(withPath('B', ''))],
    ['a parent path longer than the header', patched({ 22: 16 }, withPath('A', 'abc'))],
    ['a parent path of 2^56 bytes', patched({ 28: 1 }, withPath('A', 'abc'))],
    [
      '65 parents',
      encodeHeader({ ...withPath('B', 'x'), parentPaths: Array.from({ length: 65 }, () => 'x') }),
    ],
    ['2^56 parents', patched({ 27: 1 }, withPath('B', 'abc'))],
  ])('%s', (_name, bytes) => {
    expect(codeOf(() => parseHeader(bytes))).toBe('BAD_HEADER');
  });

  test('64 parents are accepted', () => {
    const parentPaths = Array.from({ length: 64 }, (_, index) => `parent-${index}`);
    const header = { ...withPath('B', 'x'), parentPaths };
    expect(parseHeader(encodeHeader(header)).parentPaths).toEqual(parentPaths);
  });

  test('a header that was never written names the interrupted writer', () => {
    const error = errorOf(() => parseHeader(Buffer.alloc(HEADER_BYTES)));
    expect(error.code).toBe('BAD_MAGIC');
    expect(error.toLine()).toContain('interrupted');
  });

  test('another magic', () => {
    expect(codeOf(() => parseHeader(patched({ 3: 0x59 })))).toBe('BAD_MAGIC');
  });

  test.each([0, 2, 255])('version %d', (version) => {
    expect(codeOf(() => parseHeader(patched({ 4: version })))).toBe('BAD_VERSION');
  });
});

describe('the longest parent path', () => {
  const longest = 4096 - 43;

  test('that fits is kept', () => {
    const header = withPath('A', 'p'.repeat(longest));
    expect(parseHeader(encodeHeader(header))).toEqual(header);
  });

  test('and one byte more is refused when writing', () => {
    expect(codeOf(() => encodeHeader(withPath('A', 'p'.repeat(longest + 1))))).toBe('LIMIT');
  });
});
