import { HexzError } from '../errors.js';

/** Bytes of the little-endian plaintext length that precedes every LZ4 block. */
export const LZ4_PREFIX_BYTES = 4;

/**
 * Decodes the raw LZ4 block behind the prefix into all of the target, or at least into its first `wantedLength` bytes;
 * throws whatever when it cannot.
 */
export type Lz4Decoder = (stored: Buffer, target: Buffer, wantedLength: number) => void;

/**
 * Decodes a stored LZ4 block (docs/format.md, "Block pipeline").
 *
 * @param stored u32 plaintext length, then one raw LZ4 block
 * @param target exactly as long as the plaintext must be
 * @param wantedLength how much of the plaintext is needed; what the target holds behind that means nothing
 * @throws HexzError BAD_BLOCK
 */
export function decodeLz4(
  stored: Buffer,
  target: Buffer,
  decode: Lz4Decoder,
  wantedLength = target.length,
): void {
  if (stored.length <= LZ4_PREFIX_BYTES) {
    throw new HexzError('BAD_BLOCK', `an LZ4 block of ${stored.length} bytes`);
  }
  const plainLength = stored.readUInt32LE(0);
  if (plainLength !== target.length) {
    throw new HexzError(
      'BAD_BLOCK',
      `the LZ4 length prefix says ${plainLength} bytes, the index ${target.length}`,
    );
  }
  // No LZ4 block expands more than 255-fold: a small one is refused before anything is allocated for it.
  if (plainLength > stored.length * 255) {
    throw new HexzError(
      'BAD_BLOCK',
      `${stored.length} bytes cannot be ${plainLength} bytes of LZ4`,
    );
  }
  try {
    decode(stored, target, wantedLength);
  } catch (cause) {
    throw new HexzError('BAD_BLOCK', 'the LZ4 data is damaged', { cause });
  }
}
