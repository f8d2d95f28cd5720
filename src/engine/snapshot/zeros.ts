const ZEROS = Buffer.alloc(64 * 1024);

/** Whether all bytes are zero. */
export function isZero(bytes: Buffer): boolean {
  // Mostly the first byte tells.
  if (bytes.length > 0 && bytes[0] !== 0) return false;
  for (let start = 0; start < bytes.length; start += ZEROS.length) {
    const end = Math.min(start + ZEROS.length, bytes.length);
    if (bytes.compare(ZEROS, 0, end - start, start, end) !== 0) return false;
  }
  return true;
}
