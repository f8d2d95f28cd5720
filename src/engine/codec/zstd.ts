import { HexzError } from '../errors.js';
import { loadNativeLibrary } from './nativeLibrary.js';
import { parseZstdFrameHeader, zstdDictionaryId } from './zstdFrame.js';

/**
 * Decodes one frame, with the dictionary when one is given, into the target; returns the number of bytes
 * written, which never exceeds the target. Throws whatever when it cannot.
 */
export type ZstdDecoder = (
  stored: Buffer,
  target: Buffer,
  dictionary: Buffer | undefined,
) => number;

/** The system's libzstd: writes straight into the target and digests a dictionary once. */
export function nativeZstd(): ZstdDecoder | undefined {
  const library = loadNativeLibrary('libzstd.so.1');
  if (library === undefined) return undefined;
  const context = library.func('void* ZSTD_createDCtx()')();
  const decompress = library.func(
    'size_t ZSTD_decompressDCtx(void* context, void* target, size_t targetLength, const void* source, size_t sourceLength)',
  );
  const createDictionary = library.func(
    'void* ZSTD_createDDict(const void* dictionary, size_t length)',
  );
  const freeDictionary = library.func('size_t ZSTD_freeDDict(void* dictionary)');
  const decompressWithDictionary = library.func(
    'size_t ZSTD_decompress_usingDDict(void* context, void* target, size_t targetLength, const void* source, size_t sourceLength, const void* dictionary)',
  );
  const digests = new WeakMap<Buffer, unknown>();
  const finalizer = new FinalizationRegistry((digest: unknown) => void freeDictionary(digest));
  const digestOf = (dictionary: Buffer): unknown => {
    let digest = digests.get(dictionary);
    if (digest === undefined) {
      digest = createDictionary(dictionary, dictionary.length);
      digests.set(dictionary, digest);
      finalizer.register(dictionary, digest);
    }
    return digest;
  };
  return (stored, target, dictionary) => {
    const result =
      dictionary === undefined
        ? decompress(context, target, target.length, stored, stored.length)
        : decompressWithDictionary(
            context,
            target,
            target.length,
            stored,
            stored.length,
            digestOf(dictionary),
          );
    // Error codes are the topmost values of size_t, which arrive as bigint.
    if (typeof result === 'bigint') throw new Error(`libzstd error ${BigInt.asIntN(64, -result)}`);
    return result;
  };
}

/** Initialised once: a second time would take the memory from under decoders already made. */
let initialised: Promise<typeof import('@bokuweb/zstd-wasm')> | undefined;

/** zstd compiled to WebAssembly, ready for use. */
export function wasmZstd(): Promise<typeof import('@bokuweb/zstd-wasm')> {
  initialised ??= initialise();
  return initialised;
}

async function initialise(): Promise<typeof import('@bokuweb/zstd-wasm')> {
  const { default: zstd } = await import('@bokuweb/zstd-wasm');
  await zstd.init();
  return zstd;
}

/** zstd compiled to WebAssembly: always there. */
export async function bundledZstd(): Promise<ZstdDecoder> {
  const zstd = await wasmZstd();
  const context = zstd.createDCtx();
  return (stored, target, dictionary) => {
    const options = { defaultHeapSize: target.length };
    const decoded =
      dictionary === undefined
        ? zstd.decompress(stored, options)
        : zstd.decompressUsingDict(context, stored, dictionary, options);
    target.set(decoded);
    return decoded.length;
  };
}

const decoder = nativeZstd() ?? (await bundledZstd());

/**
 * Decodes a stored Zstandard block (docs/format.md, "Block pipeline"). The dictionary is used exactly
 * when the frame names its id.
 *
 * @param target exactly as long as the plaintext must be
 * @throws HexzError BAD_BLOCK
 */
export function decodeZstd(
  stored: Buffer,
  target: Buffer,
  dictionary: Buffer | undefined,
  decode: ZstdDecoder = decoder,
): void {
  const { dictionaryId, contentLength } = parseZstdFrameHeader(stored);
  if (contentLength !== undefined && contentLength !== target.length) {
    throw wrongLength(contentLength, target.length);
  }
  if (
    dictionaryId !== 0 &&
    (dictionary === undefined || zstdDictionaryId(dictionary) !== dictionaryId)
  ) {
    throw new HexzError(
      'BAD_BLOCK',
      `the block needs zstd dictionary ${dictionaryId}, which the snapshot does not hold`,
    );
  }
  let length: number;
  try {
    length = decode(stored, target, dictionaryId === 0 ? undefined : dictionary);
  } catch (cause) {
    throw new HexzError(
      'BAD_BLOCK',
      'the Zstandard data is damaged or longer than the index says',
      {
        cause,
      },
    );
  }
  if (length !== target.length) throw wrongLength(length, target.length);
}

const wrongLength = (actual: number, expected: number): HexzError =>
  new HexzError(
    'BAD_BLOCK',
    `the Zstandard frame holds ${actual} bytes, the index says ${expected}`,
  );
