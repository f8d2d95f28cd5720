import { createRequire } from 'node:module';
import type { Lz4Decoder } from './lz4.js';

type Library = typeof import('lz4-napi');

let library: Library | undefined;

/**
 * lz4-napi, for where our own decoder cannot be: it decodes into memory of its own, which is copied. It takes more for a
 * sound block than ours: a match from no distance is zeros to it, one from before the beginning is from the beginning.
 */
export const libraryLz4: Lz4Decoder = (stored, target) => {
  library ??= createRequire(import.meta.url)('lz4-napi') as Library;
  const decoded = library.uncompressSync(stored);
  if (decoded.length !== target.length) throw new Error(`${decoded.length} bytes`);
  target.set(decoded);
};
