import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from '../src/engine/codec/crc32.js';
import { DecoderMemory } from '../src/engine/codec/decoderMemory.js';
import { decodeLz4 } from '../src/engine/codec/lz4.js';
import { decodeZstd } from '../src/engine/codec/zstd.js';
import type { Compression } from '../src/engine/format/types.js';
import { type Block, openSnapshot } from '../src/index.js';
import { fileSystemSnapshot } from './inputs.js';
import { median, print } from './measure.js';

const ROUNDS = 7;
const memory = new DecoderMemory(0);
const READ_BYTES = 1024 * 1024;

/**
 * Sequential `readInto` of a whole disk beside two bare loops over the same blocks: decode alone (from
 * memory), and pread + CRC-32 + decode. The three take turns, so that drift of the machine hits all.
 */
export function decode(): void {
  for (const compression of ['lz4', 'zstd'] as const) compare(compression);
}

function compare(compression: Compression): void {
  const path = fileSystemSnapshot(compression);
  const snapshot = openSnapshot(path);
  const streamLength = snapshot.streamLength('disk');
  const blocks = [...snapshot.blocks('disk')].filter(({ kind }) => kind === 'data');
  const dataBytes = blocks.reduce((sum, { length }) => sum + length, 0);
  const storedBytes = blocks.reduce((sum, { storedLength }) => sum + storedLength, 0);
  const target = Buffer.allocUnsafeSlow(READ_BYTES);
  const contenders = {
    decode: bareDecode(path, blocks, compression),
    'pread + CRC + decode': bareLoop(path, blocks, compression),
    readInto: () => {
      const fresh = openSnapshot(path);
      for (let offset = 0; offset < streamLength; offset += READ_BYTES) {
        fresh.readInto('disk', offset, target);
      }
      fresh.close();
    },
  };
  const seconds = new Map(Object.keys(contenders).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, action] of Object.entries(contenders)) {
      const start = performance.now();
      action();
      if (round > 0) seconds.get(name)?.push((performance.now() - start) / 1000);
    }
  }
  snapshot.close();
  const of = (name: string) => median(seconds.get(name) ?? []);
  const rate = (bytes: number, name: string) => `${(bytes / of(name) / 1e6).toFixed(0)} MB/s`;
  process.stdout.write(
    `decode ${compression}: ${(streamLength / 2 ** 20).toFixed(0)} MiB, of it ${(dataBytes / 2 ** 20).toFixed(0)} MiB in data blocks, ratio ${(dataBytes / storedBytes).toFixed(2)}\n`,
  );
  print([
    ['bare decode', rate(dataBytes, 'decode')],
    ['bare pread + CRC + decode', rate(dataBytes, 'pread + CRC + decode')],
    ['readInto, data blocks', rate(dataBytes, 'readInto')],
    ['readInto, logical', rate(streamLength, 'readInto')],
    ['of bare pread + CRC + decode', share(of('pread + CRC + decode'), of('readInto'), 85)],
    ['of bare decode', share(of('decode'), of('readInto'), 70)],
  ]);
}

const share = (bare: number, ours: number, wanted: number): string =>
  `${((bare / ours) * 100).toFixed(0)} % (wanted: ${wanted} %)`;

const decoderOf = (compression: Compression) =>
  compression === 'lz4'
    ? (stored: Buffer, target: Buffer) => decodeLz4(stored, target, memory.decodeLz4)
    : (stored: Buffer, target: Buffer) => decodeZstd(stored, target, undefined);

function bareDecode(path: string, blocks: readonly Block[], compression: Compression): () => void {
  const decodeBlock = decoderOf(compression);
  const descriptor = openSync(path, 'r');
  const stored = blocks.map(({ storedOffset, storedLength }) => {
    const bytes = Buffer.allocUnsafeSlow(storedLength);
    readSync(descriptor, bytes, 0, storedLength, storedOffset);
    return bytes;
  });
  closeSync(descriptor);
  const plain = Buffer.allocUnsafeSlow(Math.max(...blocks.map(({ length }) => length)));
  return () => {
    blocks.forEach(({ length }, position) => {
      decodeBlock(stored[position] as Buffer, plain.subarray(0, length));
    });
  };
}

function bareLoop(path: string, blocks: readonly Block[], compression: Compression): () => void {
  const decodeBlock = decoderOf(compression);
  const buffer = Buffer.allocUnsafeSlow(
    Math.max(...blocks.map(({ storedLength }) => storedLength)),
  );
  const plain = Buffer.allocUnsafeSlow(Math.max(...blocks.map(({ length }) => length)));
  return () => {
    const descriptor = openSync(path, 'r');
    for (const { storedOffset, storedLength, checksum, length } of blocks) {
      readSync(descriptor, buffer, 0, storedLength, storedOffset);
      const stored = buffer.subarray(0, storedLength);
      if (crc32(stored) !== checksum) throw new Error('CRC');
      decodeBlock(stored, plain.subarray(0, length));
    }
    closeSync(descriptor);
  };
}
