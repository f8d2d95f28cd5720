const WORD_BYTES = 4;

/** Most that is compared with zeros at once. */
const ZEROS = Buffer.alloc(64 * 1024);

/**
 * How many bytes of two buffers of the same length differ. Buffers that are the same cost one comparison;
 * else four bytes are counted at a time where both lie alike in their memory.
 */
export function countDifferentBytes(a: Buffer, b: Buffer): number {
  if (a.equals(b)) return 0;
  const { length } = a;
  const areAligned = a.byteOffset % WORD_BYTES === 0 && b.byteOffset % WORD_BYTES === 0;
  const words = areAligned ? Math.floor(length / WORD_BYTES) : 0;
  let count = words === 0 ? 0 : countInWords(a, b, words);
  for (let at = words * WORD_BYTES; at < length; at++) count += Number(a[at] !== b[at]);
  return count;
}

function countInWords(a: Buffer, b: Buffer, words: number): number {
  const left = new Int32Array(a.buffer, a.byteOffset, words);
  const right = new Int32Array(b.buffer, b.byteOffset, words);
  let count = 0;
  for (let word = 0; word < words; word++) {
    const mixed = (left[word] as number) ^ (right[word] as number);
    if (mixed === 0) continue;
    // The highest bit of each byte that is not zero; the product adds the four up in its highest byte.
    const bits = (((mixed & 0x7f7f7f7f) + 0x7f7f7f7f) | mixed) & 0x80808080;
    count += Math.imul(bits >>> 7, 0x01010101) >>> 24;
  }
  return count;
}

/** How many bytes of a buffer are not zero. */
export function countNonZeroBytes(bytes: Buffer): number {
  let count = 0;
  for (let start = 0; start < bytes.length; start += ZEROS.length) {
    const piece = bytes.subarray(start, start + ZEROS.length);
    count += countDifferentBytes(piece, ZEROS.subarray(0, piece.length));
  }
  return count;
}
