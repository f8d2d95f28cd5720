import lz4 from 'lz4-napi';
import type { BlockEncoder } from './blockEncoder.js';
import { LZ4_PREFIX_BYTES } from './lz4.js';
import { loadNativeLibrary } from './nativeLibrary.js';
import { versionOfPackage } from './packageVersion.js';

/** lz4-napi: always there; it writes the length prefix itself. */
export const bundledLz4Encoder = (): BlockEncoder => ({
  name: `lz4-napi ${versionOfPackage('lz4-napi')}`,
  encode(plain, target) {
    const stored = lz4.compressSync(plain);
    target.set(stored);
    return stored.length;
  },
});

/** The system's liblz4: more than twice as fast, and a little smaller. */
export function nativeLz4Encoder(): BlockEncoder | undefined {
  const library = loadNativeLibrary('liblz4.so.1');
  if (library === undefined) return undefined;
  const version = Number(library.func('int LZ4_versionNumber()')());
  const compress = library.func(
    'int LZ4_compress_default(const void* source, void* target, int sourceLength, int targetLength)',
  );
  return {
    name: `liblz4 ${Math.floor(version / 10_000)}.${Math.floor(version / 100) % 100}.${version % 100}`,
    encode(plain, target) {
      const room = target.subarray(LZ4_PREFIX_BYTES);
      const length = Number(compress(plain, room, plain.length, room.length));
      if (length <= 0) throw new Error(`liblz4 cannot encode ${plain.length} bytes`);
      target.writeUInt32LE(plain.length, 0);
      return LZ4_PREFIX_BYTES + length;
    },
  };
}
