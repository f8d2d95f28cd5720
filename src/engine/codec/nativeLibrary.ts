import { createRequire } from 'node:module';

type NativeFunction = (...values: readonly unknown[]) => number | bigint;

interface NativeLibrary {
  /** Binds a function by its C prototype. */
  func(prototype: string): NativeFunction;
  /** What the last function that was called left in errno. */
  errno(): number;
  /** Where memory lies, for structures that point to it. It must be held as long as they are used. */
  addressOf(memory: Buffer): bigint;
}

interface Koffi {
  load(name: string): { func(prototype: string): NativeFunction };
  errno(): number;
  address(memory: Buffer): bigint;
}

/**
 * Loads a compression library of the system, so that its decoder runs at native speed and writes straight
 * into our memory. Returns undefined where koffi or the library is missing, or where the environment
 * says HEXZ_CODECS=bundled: callers then use the decoder that is bundled with hexz.
 */
export function loadNativeLibrary(soname: string): NativeLibrary | undefined {
  return process.env.HEXZ_CODECS === 'bundled' ? undefined : loadSystemLibrary(soname);
}

/** Loads any shared library of the system. Returns undefined where koffi or the library is missing. */
export function loadSystemLibrary(soname: string): NativeLibrary | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    const library = koffi.load(soname);
    return {
      func: (prototype) => library.func(prototype),
      errno: () => koffi.errno(),
      addressOf: (memory) => koffi.address(memory),
    };
  } catch {
    return undefined;
  }
}
