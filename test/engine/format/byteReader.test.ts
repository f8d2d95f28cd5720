import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readU64, writeU64 } from '../../../src/engine/format/byteReader.js';

test('every exact integer is written and read as a little-endian u64', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const bytes = Buffer.alloc(8);
      writeU64(bytes, value, 0);
      expect(bytes.readBigUInt64LE()).toBe(BigInt(value));
      expect(readU64(bytes, 0)).toBe(value);
    }),
  );
});

test('a number beyond 2^53 is never read as one that a file could hold', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }), (value) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(value);
      expect(readU64(bytes, 0)).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
    }),
  );
});
