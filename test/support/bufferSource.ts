import type { ByteSource } from '../../src/forensics/byteSource.js';

/** Bytes in memory as a source; reading outside of the ranges fails the test. */
export function bufferSource(
  bytes: Buffer,
  ranges = [{ startOffset: 0, length: bytes.length }],
): ByteSource {
  return {
    length: bytes.length,
    readInto(offset, target) {
      const count = Math.min(target.length, bytes.length - offset);
      const isInside = ranges.some(
        ({ startOffset, length }) =>
          offset >= startOffset && offset + count <= startOffset + length,
      );
      if (!isInside) throw new Error(`read ${offset}+${count}, which is not there`);
      bytes.copy(target, 0, offset, offset + count);
      return count;
    },
  };
}
