import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { streamNames } from '../../../src/engine/format/types.js';
import {
  Chunker,
  type ChunkSizes,
  checkChunkSizes,
  DEFAULT_CHUNK_SIZES,
} from '../../../src/engine/write/chunking.js';
import { openSnapshot, type Snapshot } from '../../../src/index.js';
import { codeOf } from '../../support/errors.js';
import { goldenFixtures, goldenPath } from '../../support/fixtures.js';
import { readStream } from '../../support/streams.js';

const sizesOf = (minimumBytes: number, averageBytes: number, maximumBytes: number): ChunkSizes => ({
  minimumBytes,
  averageBytes,
  maximumBytes,
});

/** Cuts bytes that are all there. */
function cut(bytes: Buffer, sizes: ChunkSizes): number[] {
  const chunker = new Chunker(sizes);
  const lengths: number[] = [];
  for (let start = 0; start < bytes.length; start += lengths.at(-1) ?? 0) {
    lengths.push(chunker.nextLength(bytes, start, bytes.length));
  }
  return lengths;
}

/** Noise from a small seed, as the test vector of docs/format.md makes it. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

const WORD = 2n ** 64n - 1n;

const gear = Array.from({ length: 256 }, (_, value) =>
  createHash('md5').update(Buffer.alloc(64, value)).digest().readBigUInt64BE(0),
);

const masks = `
  1804110 1803110 18035100 1800035300 19000353000 590003530000 d90003530000 d90103530000 d90303530000
  d90313530000 d90f03530000 d90303537000 d90703537000 d90707537000 d91707537000 d91747537000
  d91767537000 d93767537000 d93777537000 d93777577000 db3777577000`
  .trim()
  .split(/\s+/)
  .map((digits) => BigInt(`0x${digits}`));
const maskOf = (bits: number): bigint => masks[bits - 5] as bigint;

/** The algorithm of docs/format.md, word for word. */
function modelLength(data: Buffer, { minimumBytes, averageBytes, maximumBytes }: ChunkSizes) {
  const bits = Math.floor(Math.log2(averageBytes));
  const n = Math.min(data.length, maximumBytes);
  if (n <= minimumBytes) return n;
  const middle = Math.min(2 ** bits, n);
  let hash = 0n;
  let pair = Math.floor(minimumBytes / 2);
  for (const [end, mask] of [
    [Math.floor(middle / 2), maskOf(bits + 1)],
    [Math.floor(n / 2), maskOf(bits - 1)],
  ] as const) {
    while (pair < end) {
      hash = ((hash << 2n) + ((gear[data[2 * pair] as number] as bigint) << 1n)) & WORD;
      if ((hash & (mask << 1n)) === 0n) return 2 * pair;
      hash = (hash + (gear[data[2 * pair + 1] as number] as bigint)) & WORD;
      if ((hash & mask) === 0n) return 2 * pair + 1;
      pair++;
    }
  }
  return n;
}

function modelCut(bytes: Buffer, sizes: ChunkSizes): number[] {
  const lengths: number[] = [];
  for (let start = 0; start < bytes.length; start += lengths.at(-1) ?? 0) {
    lengths.push(modelLength(bytes.subarray(start), sizes));
  }
  return lengths;
}

describe('chunks are cut', () => {
  test('as the test vector of the format says', () => {
    const bytes = noise(200_000, 1);
    expect(bytes.subarray(0, 8).toString('hex')).toBe('3c5e81b40c5ec68e');
    expect(cut(bytes, DEFAULT_CHUNK_SIZES)).toEqual([67_515, 106_956, 25_529]);
    const small = cut(bytes, sizesOf(2048, 8192, 65_536));
    expect([small.length, ...small.slice(0, 4)]).toEqual([20, 9837, 12_019, 3429, 8886]);
    expect(cut(Buffer.alloc(200_000), sizesOf(2048, 8192, 65_536))).toEqual([
      65_536, 65_536, 65_536, 3392,
    ]);
  });

  test('as the model cuts, whatever the bytes and the sizes', () => {
    const anySizes = fc
      .tuple(
        fc.oneof(fc.integer({ min: 64, max: 300 }), fc.integer({ min: 64, max: 5000 })),
        fc.oneof(fc.integer({ min: 256, max: 600 }), fc.integer({ min: 256, max: 9000 })),
        fc.integer({ min: 1024, max: 20_000 }),
      )
      .map(([minimum, average, maximum]) => sizesOf(minimum, average, maximum))
      .filter((sizes) => codeOf(() => checkChunkSizes(sizes)) === 'ok');
    const anyBytes = fc
      .array(
        fc.oneof(
          fc
            .record({ length: fc.nat(20_000), seed: fc.nat() })
            .map(({ length, seed }) => noise(length, seed)),
          fc
            .record({ length: fc.nat(5000), seed: fc.uint8Array({ minLength: 1, maxLength: 60 }) })
            .map(({ length, seed }) => Buffer.alloc(length, seed)),
        ),
        { maxLength: 5 },
      )
      .map((parts) => Buffer.concat(parts));
    fc.assert(
      fc.property(anyBytes, anySizes, (bytes, sizes) => {
        expect(cut(bytes, sizes)).toEqual(modelCut(bytes, sizes));
      }),
      { numRuns: 150 },
    );
  });

  test.each(Array.from({ length: 15 }, (_, index) => 8 + index))(
    'as the model cuts around 2^%d bytes',
    (bits) => {
      const average = 2 ** bits;
      const bytes = noise(average + 200_000, bits);
      // The hash begins close before the average, so that both masks are met.
      const sizes = sizesOf(
        Math.min(2 ** 20, Math.max(64, average - 101)),
        average,
        Math.max(1024, 4 * average),
      );
      expect(cut(bytes, sizes)).toEqual(modelCut(bytes, sizes));
    },
    60_000,
  );

  test('the same however the bytes arrive', () => {
    const bytes = noise(1_000_000, 7);
    const chunker = new Chunker(DEFAULT_CHUNK_SIZES);
    const lengths: number[] = [];
    for (let start = 0; start < bytes.length; ) {
      // Moved to another place, among other bytes, with no more behind it than is promised.
      const seen = Math.min(chunker.maximumBytes, bytes.length - start);
      const window = Buffer.alloc(seen + 200, 0x55);
      bytes.copy(window, 77, start, start + seen);
      const length = chunker.nextLength(window, 77, 77 + seen);
      lengths.push(length);
      start += length;
    }
    expect(lengths).toEqual(cut(bytes, DEFAULT_CHUNK_SIZES));
  });
});

/** What the commands in the manifest say; generation B records them in the header. */
const goldenSizes: Readonly<Record<string, ChunkSizes>> = {
  'a-lz4-cdc': DEFAULT_CHUNK_SIZES,
  'a-lz4-cdc-edit': sizesOf(1024, 4096, 16_384),
  'a-lz4-cdc-emptychunk': DEFAULT_CHUNK_SIZES,
  'a-zstd-cdc-encrypted': sizesOf(2048, 8192, 32_768),
  'a-zstd-cdc-small': sizesOf(64, 256, 1024),
  'a4-lz4-cdc': sizesOf(1024, 4096, 16_384),
};

function sizesOfHeader({ header }: Snapshot): ChunkSizes | undefined {
  if (header.chunking === undefined) return undefined;
  const { minimumBytes, averageBits, maximumBytes } = header.chunking;
  return sizesOf(minimumBytes, 2 ** averageBits, maximumBytes);
}

/** What was cut on its own: files of a directory (one named "memory" is the other stream), else the whole stream. */
function partsOf(bytes: Buffer, manifest: string | null): Buffer[] {
  if (manifest === null) return [bytes];
  const { files } = JSON.parse(manifest) as {
    files: { path: string; offset: number; size: number }[];
  };
  return files
    .filter(({ path }) => path !== 'memory')
    .map(({ offset, size }) => bytes.subarray(offset, offset + size));
}

const golden = goldenFixtures.filter(
  ({ id, variable_blocks: isVariable }) => isVariable && !id.startsWith('s-'),
);

describe('golden files that the Rust hexz cut', () => {
  test('are there', () => {
    expect(golden.length).toBeGreaterThan(15);
  });

  test.each(golden)('$id has the same cuts', ({ id, file, password, metadata }) => {
    const snapshot = openSnapshot(goldenPath(file), {
      passwords: password === null ? [] : [password],
    });
    try {
      const sizes = sizesOfHeader(snapshot) ?? goldenSizes[id];
      if (sizes === undefined) throw new Error('cut by which sizes?');
      for (const stream of streamNames) {
        const blocks = [...snapshot.blocks(stream)].map(({ length }) => length);
        const parts = partsOf(readStream(snapshot, stream), stream === 'disk' ? metadata : null);
        // Where an input ends on a chunk of maximal length, the Rust hexz appends an empty one.
        expect(parts.flatMap((part) => cut(part, sizes))).toEqual(
          blocks.filter((length) => length > 0),
        );
      }
    } finally {
      snapshot.close();
    }
  });
});

describe('sizes', () => {
  test.each([
    [64, 256, 1024],
    [2 ** 20, 2 ** 22, 2 ** 24],
    [1000, 1001, 1025],
  ])('%d, %d, %d are taken', (...sizes) => {
    expect(codeOf(() => new Chunker(sizesOf(...sizes)))).toBe('ok');
  });

  test.each([
    [63, 256, 1024],
    [2 ** 20 + 1, 2 ** 22, 2 ** 24],
    [64, 255, 1024],
    [64, 2 ** 22 + 1, 2 ** 24],
    [64, 256, 1023],
    [64, 256, 2 ** 24 + 1],
    [256, 256, 1024],
    [64, 1024, 1024],
    [2000, 1000, 3000],
    [64, 256.5, 1024],
    [Number.NaN, 256, 1024],
  ])('%d, %d, %d are refused', (...sizes) => {
    expect(codeOf(() => checkChunkSizes(sizesOf(...sizes)))).toBe('USAGE');
    expect(codeOf(() => new Chunker(sizesOf(...sizes)))).toBe('USAGE');
  });
});
