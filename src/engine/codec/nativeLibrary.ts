import { createRequire } from 'node:module';

type NativeFunction = (...values: readonly unknown[]) => number | bigint;

interface NativeLibrary {
  /** Binds a function by its C prototype. */
  func(prototype: string): NativeFunction;
}

/**
 * Loads a shared library of the system, so that its decoder runs at native speed and writes straight
 * into our memory. Returns undefined where koffi or the library is missing, or where the environment
 * says HEXZ_CODECS=bundled: callers then use the decoder that is bundled with hexz.
 */
export function loadNativeLibrary(soname: string): NativeLibrary | undefined {
  if (process.env.HEXZ_CODECS === 'bundled') return undefined;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as { load(name: string): NativeLibrary };
    return koffi.load(soname);
  } catch {
    return undefined;
  }
}
