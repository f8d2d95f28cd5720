import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { BlockEncoder } from '../../../src/engine/codec/blockEncoder.js';
import { DecoderMemory } from '../../../src/engine/codec/decoderMemory.js';
import { createEncoder } from '../../../src/engine/codec/encoder.js';
import { decodeLz4 } from '../../../src/engine/codec/lz4.js';
import { bundledLz4Encoder, nativeLz4Encoder } from '../../../src/engine/codec/lz4Encoder.js';
import { libraryLz4 } from '../../../src/engine/codec/lz4Library.js';
import { bundledZstd, decodeZstd, nativeZstd } from '../../../src/engine/codec/zstd.js';
import {
  bundledZstdEncoder,
  nativeZstdEncoder,
  nodeZstdEncoder,
} from '../../../src/engine/codec/zstdEncoder.js';
import { zstdDictionaryId } from '../../../src/engine/codec/zstdFrame.js';
import { createTrainer } from '../../../src/engine/codec/zstdTraining.js';
import { maximumStoredBytes } from '../../../src/engine/format/limits.js';
import { codeOf } from '../../support/errors.js';
import { expectSameBytes, someBytes } from '../../support/streams.js';

const lz4Encoders = [nativeLz4Encoder(), bundledLz4Encoder()];
const zstdEncoders = [nativeZstdEncoder(), nodeZstdEncoder(), await bundledZstdEncoder()];
const encoders = [
  ...lz4Encoders.map((encoder) => ({ compression: 'lz4' as const, encoder })),
  ...zstdEncoders.map((encoder) => ({ compression: 'zstd' as const, encoder })),
].flatMap(({ compression, encoder }) =>
  encoder === undefined ? [] : [{ name: encoder.name, compression, encoder }],
);

const decoders = {
  lz4: [new DecoderMemory(0).decodeLz4, libraryLz4].map(
    (decode) => (stored: Buffer, target: Buffer) => decodeLz4(stored, target, decode),
  ),
  zstd: [nativeZstd(), await bundledZstd()]
    .filter((decode) => decode !== undefined)
    .map(
      (decode) => (stored: Buffer, target: Buffer) => decodeZstd(stored, target, undefined, decode),
    ),
};

const contents: readonly [string, Buffer][] = [
  ['one byte', Buffer.from('x')],
  ['noise, which grows', randomBytes(65_536)],
  ['noise of an odd length', randomBytes(70_001)],
  ['half noise', someBytes(65_536)],
  ['text', Buffer.from('a text that compresses well, '.repeat(2000))],
  ['one value', Buffer.alloc(4096, 7)],
  ['a large block', someBytes(3_000_000)],
  ['a small block', someBytes(512)],
];

function encoded(encoder: BlockEncoder, plain: Buffer): Buffer {
  const target = Buffer.alloc(maximumStoredBytes(plain.length));
  return Buffer.from(target.subarray(0, encoder.encode(plain, target)));
}

describe.each(encoders)('what $name has encoded', ({ compression, encoder }) => {
  test.each(contents)('every decoder decodes: %s', (_name, plain) => {
    const stored = encoded(encoder, plain);
    for (const decode of decoders[compression]) {
      const target = Buffer.alloc(plain.length);
      decode(stored, target);
      expectSameBytes(target, plain);
    }
  });

  test('does not depend on what came before', () => {
    const forwards = contents.map(([, plain]) => encoded(encoder, plain));
    const backwards = [...contents].reverse().map(([, plain]) => encoded(encoder, plain));
    expect(backwards.reverse().map((bytes) => bytes.toString('hex'))).toEqual(
      forwards.map((bytes) => bytes.toString('hex')),
    );
  });
});

test('an encoder says which it is and of which version', () => {
  for (const { name } of encoders)
    expect(name).toMatch(/^(@?[\w/-]+ \d+\.\d+\.\d+|zstd \S+ of Node)$/);
});

describe('a dictionary', () => {
  const trainer = createTrainer();
  const samples = Array.from({ length: 500 }, (_, number) =>
    Buffer.from(
      `{"number":${number},"name":"sample ${number % 17}","kind":"test","value":${number * 31}}`,
    ),
  );

  test.skipIf(trainer === undefined)('that is trained makes small blocks smaller', async () => {
    const dictionary = trainer?.train(
      Buffer.concat(samples),
      samples.map(({ length }) => length),
    );
    if (dictionary === undefined) throw new Error('nothing was trained');
    expect(zstdDictionaryId(dictionary)).toBeGreaterThan(0);
    const [sample = Buffer.alloc(0)] = samples;
    const stored = encoded(await createEncoder('zstd', 'fastest', dictionary), sample);
    expect(stored.length).toBeLessThan(
      encoded(await createEncoder('zstd', 'fastest'), sample).length,
    );
    const target = Buffer.alloc(sample.length);
    decodeZstd(stored, target, dictionary);
    expectSameBytes(target, sample);
    expect(codeOf(() => decodeZstd(stored, target, undefined))).toBe('BAD_BLOCK');
  });

  test.skipIf(trainer === undefined)('is not made of one sample', () => {
    expect(trainer?.train(Buffer.from('abc'), [3])).toBeUndefined();
  });

  test('is refused where only the bundled encoder may be used', async () => {
    await expect(createEncoder('zstd', 'bundled', Buffer.from('dictionary'))).rejects.toMatchObject(
      {
        code: 'CODEC_MISSING',
      },
    );
  });
});
