import zlib from 'node:zlib';
import type { BlockEncoder } from './blockEncoder.js';
import { loadNativeLibrary } from './nativeLibrary.js';
import { versionOfPackage } from './packageVersion.js';
import { wasmZstd } from './zstd.js';

/**
 * The level of the format's writers is 3. For blocks of this range zstd has parameters of their own; measured on a
 * file system of programs, those of level 4 are as fast and 1.4 % smaller.
 */
const LEVELS = [3, 4] as const;
const levelFor = (length: number): (typeof LEVELS)[number] =>
  length > 16 * 1024 && length <= 128 * 1024 ? 4 : 3;

/** Parameters of ZSTD_CCtx_setParameter, by their numbers in zstd.h. */
const COMPRESSION_LEVEL = 100;
const CONTENT_SIZE_FLAG = 200;

/**
 * The system's libzstd: one frame without content size, which the index tells, and without checksum.
 *
 * @param dictionary frames are made with it and name its id
 */
export function nativeZstdEncoder(dictionary?: Buffer): BlockEncoder | undefined {
  const library = loadNativeLibrary('libzstd.so.1');
  if (library === undefined) return undefined;
  const version = Number(library.func('uint ZSTD_versionNumber()')());
  const createContext = library.func('void* ZSTD_createCCtx()');
  const setParameter = library.func(
    'size_t ZSTD_CCtx_setParameter(void* context, int parameter, int value)',
  );
  const loadDictionary = library.func(
    'size_t ZSTD_CCtx_loadDictionary(void* context, const void* dictionary, size_t length)',
  );
  const contextOf = (level: number): unknown => {
    const context = createContext();
    checked(setParameter(context, COMPRESSION_LEVEL, level));
    checked(setParameter(context, CONTENT_SIZE_FLAG, 0));
    if (dictionary !== undefined) checked(loadDictionary(context, dictionary, dictionary.length));
    return context;
  };
  const contexts = new Map<number, unknown>(LEVELS.map((level) => [level, contextOf(level)]));
  const compress = library.func(
    'size_t ZSTD_compress2(void* context, void* target, size_t targetLength, const void* source, size_t sourceLength)',
  );
  return {
    name: `libzstd ${Math.floor(version / 10_000)}.${Math.floor(version / 100) % 100}.${version % 100}`,
    encode: (plain, target) =>
      checked(
        compress(contexts.get(levelFor(plain.length)), target, target.length, plain, plain.length),
      ),
  };
}

/** Error codes are the topmost values of size_t, which arrive as bigint. */
function checked(result: number | bigint): number {
  if (typeof result === 'bigint') throw new Error(`libzstd error ${BigInt.asIntN(64, -result)}`);
  return result;
}

interface NodeZstd {
  readonly constants: Readonly<Record<string, number>>;
  zstdCompressSync?(plain: Buffer, options: { params: Record<number, number> }): Buffer;
}

/** What newer releases of Node have. */
export function nodeZstdEncoder(): BlockEncoder | undefined {
  const { zstdCompressSync, constants } = zlib as unknown as NodeZstd;
  if (zstdCompressSync === undefined) return undefined;
  const levelParameter = constants.ZSTD_c_compressionLevel ?? COMPRESSION_LEVEL;
  const sizeParameter = constants.ZSTD_c_contentSizeFlag ?? CONTENT_SIZE_FLAG;
  return {
    name: `zstd ${process.versions.zstd ?? 'of unknown version'} of Node`,
    encode(plain, target) {
      const params = { [levelParameter]: levelFor(plain.length), [sizeParameter]: 0 };
      return copied(zstdCompressSync(plain, { params }), target);
    },
  };
}

/** zstd compiled to WebAssembly: always there. */
export async function bundledZstdEncoder(): Promise<BlockEncoder> {
  const zstd = await wasmZstd();
  return {
    name: `@bokuweb/zstd-wasm ${versionOfPackage('@bokuweb/zstd-wasm')}`,
    encode: (plain, target) => copied(zstd.compress(plain, levelFor(plain.length)), target),
  };
}

function copied(stored: Uint8Array, target: Buffer): number {
  target.set(stored);
  return stored.length;
}
