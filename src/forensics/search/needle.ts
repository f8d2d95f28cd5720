/** Bytes to look for, some of them open: a place fits where `(byte & mask[i]) === value[i]` for every byte. */
export interface Needle {
  readonly value: Buffer;
  readonly mask: Buffer;
}

/** A needle without open bits. */
export const exactNeedle = (value: Buffer): Needle => ({
  value,
  mask: Buffer.alloc(value.length, 0xff),
});

export type TextEncoding = 'utf-8' | 'utf-16le' | 'utf-16be';

export function encodeText(text: string, encoding: TextEncoding): Buffer {
  if (encoding === 'utf-8') return Buffer.from(text, 'utf8');
  const bytes = Buffer.from(text, 'utf16le');
  return encoding === 'utf-16le' ? bytes : bytes.swap16();
}

/**
 * The needle that a character and its other case have in common, when exactly these two fit it: their bytes differ in one bit.
 * So it is with ASCII, and with most letters of Latin, Greek and Cyrillic alphabets.
 */
export function foldedNeedle(lower: Buffer, upper: Buffer): Needle | undefined {
  if (lower.length !== upper.length) return undefined;
  const mask = Buffer.alloc(lower.length, 0xff);
  let openBits = 0;
  for (let at = 0; at < lower.length; at++) {
    const different = (lower[at] ?? 0) ^ (upper[at] ?? 0);
    if (different === 0) continue;
    if ((different & (different - 1)) !== 0) return undefined;
    openBits++;
    mask[at] = 0xff ^ different;
  }
  if (openBits > 1) return undefined;
  return { value: Buffer.from(lower.map((byte, at) => byte & (mask[at] ?? 0))), mask };
}

export const joinNeedles = (needles: readonly Needle[]): Needle => ({
  value: Buffer.concat(needles.map(({ value }) => value)),
  mask: Buffer.concat(needles.map(({ mask }) => mask)),
});
