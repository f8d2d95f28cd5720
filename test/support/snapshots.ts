import { openSnapshot } from '../../src/index.js';
import { encryptedWith } from './encryption.js';
import { damage } from './patch.js';
import { SnapshotWriter } from './snapshotWriter.js';
import { someBytes } from './streams.js';

const BLOCK_BYTES = 65_536;

/** Packs streams into a snapshot, blocks of zeros as such; with a password it is encrypted. */
export function packSnapshot(
  path: string,
  streams: { readonly disk?: Buffer; readonly memory?: Buffer },
  { blockBytes = BLOCK_BYTES, password }: { blockBytes?: number; password?: string } = {},
): string {
  const { encryption, pack } = password === undefined ? {} : encryptedWith(password);
  const writer = new SnapshotWriter(path, { blockSize: blockBytes, encryption }, pack);
  const zeros = Buffer.alloc(blockBytes);
  const add = (bytes: Buffer) => {
    for (let offset = 0; offset < bytes.length; offset += blockBytes) {
      const block = bytes.subarray(offset, offset + blockBytes);
      const isZero = block.equals(zeros.subarray(0, block.length));
      if (isZero && password === undefined) writer.addZero(block.length);
      else writer.addData(block);
    }
  };
  if (streams.disk !== undefined) add(streams.disk);
  if (streams.memory !== undefined) {
    writer.beginMemory();
    add(streams.memory);
  }
  writer.finish();
  return path;
}

/** A disk of noise in a new snapshot. */
export function packNoise(path: string, length: number): Buffer {
  const disk = someBytes(length);
  packSnapshot(path, { disk });
  return disk;
}

/** Makes a stored block of the disk undecodable. */
export function damageBlock(path: string, blockIndex: number): void {
  const snapshot = openSnapshot(path);
  const block = [...snapshot.blocks('disk')][blockIndex];
  snapshot.close();
  if (block?.storedOffset === undefined) throw new Error(`block ${blockIndex} is not stored`);
  damage(path, { storedOffset: block.storedOffset });
}
