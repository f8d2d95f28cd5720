import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from '../src/engine/codec/crc32.js';
import { DecoderMemory } from '../src/engine/codec/decoderMemory.js';
import { decodeLz4 } from '../src/engine/codec/lz4.js';
import { decodeZstd } from '../src/engine/codec/zstd.js';
import type { Compression } from '../src/engine/format/types.js';
import { type Block, openSnapshot, type Snapshot } from '../src/index.js';
import { fileSystemSnapshot } from './inputs.js';
import { lz4Decoders } from './lz4Decoders.js';
import { inTurns, median, print } from './measure.js';

/** Where the bare loops decode as the real ones do. */
const memory = new DecoderMemory(512 * 1024 ** 2);
const READ_BYTES = 1024 * 1024;

/**
 * Sequential `readInto` of a whole disk beside two bare loops over the same blocks: decode alone (from
 * memory), and pread + CRC-32 + decode. They take turns, and are measured by the time of the processor.
 */
export function decode(): void {
  lz4Decoders();
  for (const compression of ['lz4', 'zstd'] as const) compare(compression);
}

function compare(compression: Compression): void {
  const path = fileSystemSnapshot(compression);
  const snapshot = openSnapshot(path);
  const streamLength = snapshot.streamLength('disk');
  const blocks = [...snapshot.blocks('disk')].filter(({ kind }) => kind === 'data');
  const dataBytes = blocks.reduce((sum, { length }) => sum + length, 0);
  const storedBytes = blocks.reduce((sum, { storedLength }) => sum + storedLength, 0);
  const contenders = {
    decode: bareDecode(path, blocks, compression),
    'pread + CRC + decode': bareLoop(path, blocks, compression),
    readInto: readAll(path, () => Buffer.allocUnsafeSlow(READ_BYTES)),
    'readInto, own memory': readAll(path, (fresh) => fresh.allocateTarget(READ_BYTES)),
  };
  const seconds = inTurns(contenders);
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
    ['the same, into memory of the snapshot', rate(dataBytes, 'readInto, own memory')],
    ['readInto, logical', rate(streamLength, 'readInto')],
    [
      'of bare pread + CRC + decode',
      share(of('pread + CRC + decode'), of('readInto, own memory'), 85),
    ],
    ['of bare decode', share(of('decode'), of('readInto, own memory'), 70)],
  ]);
}

const readAll = (path: string, newTarget: (snapshot: Snapshot) => Buffer) => () => {
  const snapshot = openSnapshot(path);
  const streamLength = snapshot.streamLength('disk');
  const target = newTarget(snapshot);
  for (let offset = 0; offset < streamLength; offset += READ_BYTES) {
    snapshot.readInto('disk', offset, target);
  }
  snapshot.close();
};

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
    const bytes = memory.allocate(storedLength);
    readSync(descriptor, bytes, 0, storedLength, storedOffset);
    return bytes;
  });
  closeSync(descriptor);
  const plain = memory.allocate(Math.max(...blocks.map(({ length }) => length)));
  return () => {
    blocks.forEach(({ length }, position) => {
      decodeBlock(stored[position] as Buffer, plain.subarray(0, length));
    });
  };
}

function bareLoop(path: string, blocks: readonly Block[], compression: Compression): () => void {
  const decodeBlock = decoderOf(compression);
  const buffer = memory.allocate(Math.max(...blocks.map(({ storedLength }) => storedLength)));
  const plain = memory.allocate(Math.max(...blocks.map(({ length }) => length)));
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
