import lz4 from 'lz4-napi';
import { HexzError } from '../errors.js';
import { loadNativeLibrary } from './nativeLibrary.js';

/** Bytes of the little-endian plaintext length that precedes every LZ4 block. */
const PREFIX_BYTES = 4;

/** Decodes the raw LZ4 block behind the prefix into all of target; throws whatever when it cannot. */
export type Lz4Decoder = (stored: Buffer, target: Buffer) => void;

/** lz4-napi: always there; decodes into memory of its own, so the result is copied once. */
export const bundledLz4: Lz4Decoder = (stored, target) => {
  const decoded = lz4.uncompressSync(stored);
  if (decoded.length !== target.length) throw new Error(`${decoded.length} bytes`);
  target.set(decoded);
};

/** The system's liblz4: twice as fast, and writes straight into the target. */
export function nativeLz4(): Lz4Decoder | undefined {
  const library = loadNativeLibrary('liblz4.so.1');
  if (library === undefined) return undefined;
  const decompress = library.func(
    'int LZ4_decompress_safe(const void* source, void* target, int sourceLength, int targetLength)',
  );
  return (stored, target) => {
    // liblz4 lets a match at distance 0 pass and then leaves what was in the target before: let that
    // be zeros, not somebody else's block.
    target.fill(0);
    const source = stored.subarray(PREFIX_BYTES);
    const decoded = decompress(source, target, source.length, target.length);
    if (decoded !== target.length) throw new Error(`result ${decoded}`);
  };
}

const decoder = nativeLz4() ?? bundledLz4;

/**
 * Decodes a stored LZ4 block (docs/format.md, "Block pipeline").
 *
 * @param stored u32 plaintext length, then one raw LZ4 block
 * @param target exactly as long as the plaintext must be
 * @throws HexzError BAD_BLOCK
 */
export function decodeLz4(stored: Buffer, target: Buffer, decode: Lz4Decoder = decoder): void {
  if (stored.length <= PREFIX_BYTES) {
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
    decode(stored, target);
  } catch (cause) {
    throw new HexzError('BAD_BLOCK', 'the LZ4 data is damaged', { cause });
  }
}
