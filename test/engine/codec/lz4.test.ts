import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecoderMemory } from '../../../src/engine/codec/decoderMemory.js';
import { decodeLz4, type Lz4Decoder } from '../../../src/engine/codec/lz4.js';
import { libraryLz4 } from '../../../src/engine/codec/lz4Library.js';
import { blockContents, outcomeOf } from '../../support/blocks.js';
import { codeOf } from '../../support/errors.js';
import { Lz4Comparison, lz4Blocks } from '../../support/lz4.js';
import { packLz4 } from '../../support/snapshotWriter.js';
import { expectSameBytes } from '../../support/streams.js';

const withoutWebAssembly = new DecoderMemory(0, () => undefined);
const decoders: [string, Lz4Decoder][] = [
  ['WebAssembly', new DecoderMemory(0).decodeLz4],
  ['lz4-napi', libraryLz4],
  ['only possible', withoutWebAssembly.decodeLz4],
];

describe.each(decoders)('the %s decoder', (_name, decoder) => {
  const decode = (stored: Buffer, length: number) =>
    outcomeOf(length, (target) => decodeLz4(stored, target, decoder));

  test('gives back every block', () => {
    fc.assert(
      fc.property(blockContents, (plain) => {
        expectSameBytes(decode(packLz4(plain), plain.length), plain);
      }),
      { numRuns: 300 },
    );
  });

  test('decodes the five bytes of an empty block', () => {
    expect(decode(Buffer.alloc(5), 0)).toEqual(Buffer.alloc(0));
  });

  test('refuses a block of another length than the index says', () => {
    const stored = packLz4(Buffer.alloc(1000, 'abc'));
    expect(decode(stored, 999)).toBe('BAD_BLOCK');
    expect(decode(stored, 1001)).toBe('BAD_BLOCK');
  });

  test('refuses a length prefix that lies about sound data', () => {
    for (const [claimed, real] of [
      [1001, 1000],
      [999, 1000],
      [0, 1000],
    ] as const) {
      const stored = packLz4(Buffer.alloc(real, 'abc'));
      stored.writeUInt32LE(claimed, 0);
      expect(decode(stored, claimed)).toBe('BAD_BLOCK');
    }
  });

  test('refuses a block that is cut, or goes on behind its end', () => {
    const stored = packLz4(Buffer.from('the quick brown fox jumps over the lazy dog'));
    for (let length = 0; length < stored.length; length++) {
      expect(decode(stored.subarray(0, length), 43)).toBe('BAD_BLOCK');
    }
    expect(decode(Buffer.concat([stored, Buffer.from([0])]), 43)).toBe('BAD_BLOCK');
    expect(decode(Buffer.concat([stored, Buffer.from([0x10, 1])]), 43)).toBe('BAD_BLOCK');
  });

  test('refuses a copy from before the beginning', () => {
    const literalsThenCopy = [0x14, 0x61, 0x09, 0x00, 0x50, 1, 2, 3, 4, 5];
    const stored = Buffer.from([14, 0, 0, 0, ...literalsThenCopy]);
    expect(decode(stored, 14)).toBe('BAD_BLOCK');
  });

  test('shows nothing of what was in the target before by a copy from no distance', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 14 }), fc.nat(230), (literals, copied) => {
        const head = Buffer.alloc(literals, 0x61);
        const tail = Buffer.alloc(100, 0x62);
        const stored = Buffer.concat([
          Buffer.from([0, 0, 0, 0, (literals << 4) | 15]),
          head,
          Buffer.from([0, 0, copied, 0xf0, tail.length - 15]),
          tail,
        ]);
        const length = head.length + 4 + 15 + copied + tail.length;
        stored.writeUInt32LE(length, 0);
        const outcome = decode(stored, length);
        if (Buffer.isBuffer(outcome)) expect(outcome.includes(0xa5)).toBe(false);
        else expect(outcome).toBe('BAD_BLOCK');
      }),
      { numRuns: 300 },
    );
  });

  test('writes nothing behind the block, whatever it is given', () => {
    fc.assert(
      fc.property(blockContents, fc.nat(), fc.nat(255), (plain, position, value) => {
        const stored = packLz4(plain);
        const at = 4 + (position % (stored.length - 4));
        stored[at] = value;
        const memory = Buffer.alloc(plain.length + 64, 0x77);
        codeOf(() => decodeLz4(stored, memory.subarray(0, plain.length), decoder));
        expect(memory.subarray(plain.length)).toEqual(Buffer.alloc(64, 0x77));
      }),
      { numRuns: 300 },
    );
  });
});

test('a length that no LZ4 data can reach is refused before anything is allocated', () => {
  const stored = Buffer.alloc(100);
  stored.writeUInt32LE(100 * 255 + 1, 0);
  const decoder: Lz4Decoder = () => {
    throw new Error('must not be called');
  };
  const error = codeOf(() => decodeLz4(stored, Buffer.alloc(100 * 255 + 1), decoder));
  expect(error).toBe('BAD_BLOCK');
});

test('a copy from no distance, or from before the beginning, is refused', () => {
  const decoder = new DecoderMemory(0).decodeLz4;
  const blockWith = (distance: number) => {
    const literals = Buffer.from('0123456789');
    const sequence = Buffer.from([(literals.length << 4) | 2, ...literals, distance, 0]);
    const tail = Buffer.alloc(120, 'z');
    return Buffer.concat([
      Buffer.from([10 + 6 + tail.length, 0, 0, 0]),
      sequence,
      Buffer.from([0xf0, tail.length - 15]),
      tail,
    ]);
  };
  const decode = (distance: number) =>
    outcomeOf(136, (target) => decodeLz4(blockWith(distance), target, decoder));
  expect(decode(0)).toBe('BAD_BLOCK');
  expect(decode(11)).toBe('BAD_BLOCK');
  expect(decode(10)).toEqual(Buffer.from(`0123456789012345${'z'.repeat(120)}`));
});

test('our decoder and lz4-napi agree about sound and damaged blocks, wherever they lie', () => {
  const comparison = new Lz4Comparison();
  fc.assert(
    fc.property(lz4Blocks, (input) => comparison.check(input)),
    { numRuns: 3000 },
  );
});

test('blocks of every size from nothing to beyond the margins of the fast loop decode', () => {
  const comparison = new Lz4Comparison();
  for (let length = 1; length <= 300; length++) {
    for (const plain of [
      Buffer.alloc(length, 'ab'),
      Buffer.alloc(length, 'abcdefghijklmnopqrstu'),
    ]) {
      const block = packLz4(plain).subarray(4);
      comparison.check({ block, length, wantedLength: Math.floor(length / 2) });
    }
  }
});
