import { readFileSync } from 'node:fs';
import zstd from '@bokuweb/zstd-wasm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decryptBlock, deriveKey } from '../../../src/engine/codec/aesGcm.js';
import {
  bundledZstd,
  decodeZstd,
  nativeZstd,
  type ZstdDecoder,
} from '../../../src/engine/codec/zstd.js';
import { type Block, openSnapshot } from '../../../src/index.js';
import { blockContents, expectNoDisagreement, outcomeOf } from '../../support/blocks.js';
import { goldenFixture, goldenPath } from '../../support/fixtures.js';
import { expectSameBytes } from '../../support/streams.js';

interface Frame {
  readonly stored: Buffer;
  readonly plain: Buffer;
}

/** The data blocks of a golden file as they are stored, decrypted, and the dictionary they need. */
function framesOf(id: string): { frames: Frame[]; dictionary: Buffer | undefined } {
  const { file, password } = goldenFixture(id);
  const bytes = readFileSync(goldenPath(file));
  const snapshot = openSnapshot(goldenPath(file), {
    passwords: password === null ? [] : [password],
  });
  const { encryption, dictionary } = snapshot.header;
  const key = encryption && password !== null ? deriveKey(password, encryption) : undefined;
  const frameOf = (block: Block): Frame => {
    const packed = bytes.subarray(block.storedOffset, block.storedOffset + block.storedLength);
    const plain = Buffer.alloc(block.length);
    snapshot.readInto('disk', block.offset, plain);
    return { stored: key ? decryptBlock(key, block.blockIndex, packed) : packed, plain };
  };
  const frames = [...snapshot.blocks('disk')].filter(({ kind }) => kind === 'data').map(frameOf);
  snapshot.close();
  const range =
    dictionary && bytes.subarray(dictionary.offset, dictionary.offset + dictionary.length);
  return { frames, dictionary: range };
}

const plainFrames = framesOf('a-zstd-64k-both');
const checkedFrames = framesOf('s-zstd-checksum');
const dictionaryFrames = framesOf('a-zstd-dict-encrypted');
const unusedDictionary = framesOf('a-zstd-dict');

const native = nativeZstd();
const decoders: [string, ZstdDecoder][] = [['bundled', await bundledZstd()]];
if (native !== undefined) decoders.push(['native', native]);

const compress = (plain: Buffer): Buffer => Buffer.from(zstd.compress(plain, 3));

describe.each(decoders)('the %s decoder', (_name, decoder) => {
  const decode = (stored: Buffer, length: number, dictionary?: Buffer) =>
    outcomeOf(length, (target) => decodeZstd(stored, target, dictionary, decoder));

  test('gives back every block', () => {
    fc.assert(
      fc.property(blockContents, (plain) => {
        expectSameBytes(decode(compress(plain), plain.length), plain);
      }),
      { numRuns: 200 },
    );
  });

  test('decodes a frame of no bytes, whether it tells its size or not', () => {
    const untold = Buffer.from('28b52ffd0058010000', 'hex');
    expectSameBytes(decode(untold, 0), Buffer.alloc(0));
    expectSameBytes(decode(compress(Buffer.alloc(0)), 0), Buffer.alloc(0));
    expect(decode(untold, 1)).toBe('BAD_BLOCK');
  });

  test('bounds a frame that does not tell its size by the length in the index', () => {
    const { frames } = plainFrames;
    expect(frames.length).toBeGreaterThan(1);
    for (const { stored, plain } of frames) {
      expectSameBytes(decode(stored, plain.length), plain);
      expect(decode(stored, plain.length - 1)).toBe('BAD_BLOCK');
      expect(decode(stored, plain.length + 1)).toBe('BAD_BLOCK');
    }
  });

  test('reads frames with content size and checksum, and refuses them when a byte is changed', () => {
    for (const { stored, plain } of checkedFrames.frames) {
      expectSameBytes(decode(stored, plain.length), plain);
      const altered = Buffer.from(stored);
      altered[stored.length - 1] = (altered[stored.length - 1] ?? 0) ^ 1;
      expect(decode(altered, plain.length)).toBe('BAD_BLOCK');
    }
  });

  test('uses the dictionary where the frame names it', () => {
    const { frames, dictionary } = dictionaryFrames;
    expect(dictionary).toBeDefined();
    expect(frames.length).toBeGreaterThan(1);
    for (const { stored, plain } of frames) {
      expectSameBytes(decode(stored, plain.length, dictionary), plain);
    }
  });

  test('does not use it where the frame names none', () => {
    const { frames, dictionary } = unusedDictionary;
    for (const { stored, plain } of frames) {
      expectSameBytes(decode(stored, plain.length, dictionary), plain);
    }
  });

  test('refuses a frame whose dictionary is absent, another one, or none at all', () => {
    const { frames, dictionary = Buffer.alloc(0) } = dictionaryFrames;
    const [{ stored, plain } = { stored: Buffer.alloc(0), plain: Buffer.alloc(0) }] = frames;
    const other = Buffer.from(dictionary);
    other.writeUInt32LE((other.readUInt32LE(4) ^ 1) >>> 0, 4);
    expect(decode(stored, plain.length)).toBe('BAD_BLOCK');
    expect(decode(stored, plain.length, other)).toBe('BAD_BLOCK');
    expect(decode(stored, plain.length, Buffer.alloc(1000, 1))).toBe('BAD_BLOCK');
  });

  test('refuses a frame that needs a damaged dictionary', () => {
    const { frames, dictionary = Buffer.alloc(0) } = dictionaryFrames;
    const damaged = Buffer.from(dictionary).fill(0xff, 8, 200);
    const [{ stored, plain } = { stored: Buffer.alloc(0), plain: Buffer.alloc(0) }] = frames;
    expect(decode(stored, plain.length, damaged)).toBe('BAD_BLOCK');
  });

  test('refuses a frame that is cut anywhere', () => {
    const plain = Buffer.from('a frame that is cut, '.repeat(20));
    const stored = compress(plain);
    for (let length = 0; length < stored.length; length++) {
      expect(decode(stored.subarray(0, length), plain.length)).toBe('BAD_BLOCK');
    }
  });

  test('refuses bytes behind the frame', () => {
    const plain = Buffer.from('a frame with something behind it');
    const stored = Buffer.concat([compress(plain), Buffer.from([1, 2, 3, 4, 5, 6, 7, 8])]);
    expect(decode(stored, plain.length)).toBe('BAD_BLOCK');
  });

  test('refuses a frame that claims another content size', () => {
    const plain = Buffer.alloc(5000, 'content');
    expect(decode(compress(plain), 4999)).toBe('BAD_BLOCK');
    expect(decode(compress(plain), 5001)).toBe('BAD_BLOCK');
  });

  test('writes nothing behind the block, whatever it is given', () => {
    fc.assert(
      fc.property(blockContents, fc.nat(), fc.nat(255), (plain, position, value) => {
        const stored = compress(plain);
        stored[4 + (position % (stored.length - 4))] = value;
        const memory = Buffer.alloc(plain.length + 64, 0x77);
        const target = memory.subarray(0, plain.length);
        outcomeOf(0, () => decodeZstd(stored, target, undefined, decoder));
        expect(memory.subarray(plain.length)).toEqual(Buffer.alloc(64, 0x77));
      }),
      { numRuns: 200 },
    );
  });
});

test('the bundled decoder can be made more than once', async () => {
  const made = [await bundledZstd(), await bundledZstd(), await bundledZstd()];
  const { frames, dictionary } = dictionaryFrames;
  for (const { stored, plain } of [...frames, ...frames]) {
    for (const decoder of made) {
      const decode = (target: Buffer) => decodeZstd(stored, target, dictionary, decoder);
      expectSameBytes(outcomeOf(plain.length, decode), plain);
    }
    // What making another one has begun goes on between turns of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
});

test.skipIf(native === undefined)(
  'the decoders never make different bytes of a damaged frame',
  () => {
    expectNoDisagreement(
      compress,
      decoders.map(
        ([, decoder]) =>
          (stored, target) =>
            decodeZstd(stored, target, undefined, decoder),
      ),
    );
  },
);
