import { readFileSync, writeFileSync } from 'node:fs';
import { parseHeader } from '../../src/engine/format/header.js';
import type { StreamName } from '../../src/index.js';

/** Changes bytes of a file in place. */
export function patchFile(path: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
}

/** Gives a stream another size in the master index, so that its blocks cover only a part of it. */
export function patchStreamLength(path: string, stream: StreamName, length: number): void {
  patchFile(path, (bytes) => {
    let offset = parseHeader(bytes.subarray(0, 4096)).indexOffset;
    for (let table = 0; table < 2; table++) {
      offset += 8 + 28 * Number(bytes.readBigUInt64LE(offset));
    }
    bytes.writeBigUInt64LE(BigInt(length), offset + (stream === 'disk' ? 0 : 8));
  });
}

/** Changes the first index page of the disk stream. */
export function patchFirstPage(path: string, change: (page: Buffer) => void): void {
  patchFile(path, (bytes) => {
    const { indexOffset } = parseHeader(bytes.subarray(0, 4096));
    change(bytes.subarray(Number(bytes.readBigUInt64LE(indexOffset + 8))));
  });
}

/** Changes one byte of the stored bytes of a block, so that its CRC is wrong. */
export function damage(path: string, block: { readonly storedOffset: number }): void {
  patchFile(path, (bytes) => {
    bytes[block.storedOffset] = (bytes[block.storedOffset] ?? 0) ^ 0xff;
  });
}
