import { HexzError } from '../errors.js';
import type { Compression } from '../format/types.js';
import type { BlockEncoder } from './blockEncoder.js';
import { bundledLz4Encoder, nativeLz4Encoder } from './lz4Encoder.js';
import { bundledZstdEncoder, nativeZstdEncoder, nodeZstdEncoder } from './zstdEncoder.js';

/**
 * fastest: what this machine has. bundled: what is installed with hexz, so that two machines with the same
 * packages write the same bytes.
 */
export type EncoderChoice = 'fastest' | 'bundled';

/** HEXZ_CODECS=bundled overrules what a caller prefers. */
const isBundled = (choice: EncoderChoice): boolean =>
  choice === 'bundled' || process.env.HEXZ_CODECS === 'bundled';

/**
 * An encoder for the blocks of a snapshot; it is not for use by several threads.
 *
 * @param dictionary a trained one, for zstd
 * @throws HexzError CODEC_MISSING when there is a dictionary and no encoder that takes one
 */
export async function createEncoder(
  compression: Compression,
  choice: EncoderChoice,
  dictionary?: Buffer,
): Promise<BlockEncoder> {
  if (compression === 'lz4') {
    return (isBundled(choice) ? undefined : nativeLz4Encoder()) ?? bundledLz4Encoder();
  }
  if (dictionary !== undefined && dictionary.length > 0) {
    const encoder = isBundled(choice) ? undefined : nativeZstdEncoder(dictionary);
    if (encoder === undefined) throw withoutNativeZstd('dictionaries');
    return encoder;
  }
  if (isBundled(choice)) return bundledZstdEncoder();
  return nativeZstdEncoder() ?? nodeZstdEncoder() ?? bundledZstdEncoder();
}

/** What needs the system's libzstd and does not find it. */
export const withoutNativeZstd = (what: string): HexzError =>
  new HexzError('CODEC_MISSING', `${what} need the system's libzstd, which is not there`, {
    hint: 'apt install libzstd1, and npm install koffi (HEXZ_CODECS must not be "bundled")',
  });
