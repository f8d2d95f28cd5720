import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bundledCrc32, crc32, nativeCrc32 } from '../../../src/engine/codec/crc32.js';

const native = nativeCrc32();

test('the check value of CRC-32 (IEEE)', () => {
  const bytes = Buffer.from('123456789');
  expect(crc32(bytes)).toBe(0xcbf4_3926);
  expect(bundledCrc32(bytes)).toBe(0xcbf4_3926);
});

describe.skipIf(native === undefined)('the prebuilt implementation', () => {
  test('agrees with the bundled one on any bytes, also on views into larger memory', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(7), (content, shift) => {
        const memory = Buffer.alloc(content.length + 16, 0x5a);
        memory.set(content, shift);
        const bytes = memory.subarray(shift, shift + content.length);
        expect(native?.(bytes)).toBe(bundledCrc32(bytes));
      }),
      { numRuns: 500 },
    );
  });
});
