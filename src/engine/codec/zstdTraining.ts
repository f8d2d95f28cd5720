import { loadNativeLibrary } from './nativeLibrary.js';

/** How large a trained dictionary gets at most. */
export const TRAINED_DICTIONARY_BYTES = 112_640;

/** Trains dictionaries. */
export interface DictionaryTrainer {
  /**
   * Trains a dictionary on samples that lie one behind the other.
   *
   * @returns undefined where the samples are too few or too small for one
   */
  train(samples: Buffer, sampleLengths: readonly number[]): Buffer | undefined;
}

/** The trainer of the system's libzstd; no other is known. */
export function createTrainer(): DictionaryTrainer | undefined {
  const library = loadNativeLibrary('libzstd.so.1');
  if (library === undefined) return undefined;
  const trainFromBuffer = library.func(
    'size_t ZDICT_trainFromBuffer(void* target, size_t targetLength, const void* samples, const void* lengths, uint count)',
  );
  const isError = library.func('uint ZDICT_isError(size_t result)');
  return {
    train(samples, sampleLengths) {
      const lengths = new BigUint64Array(sampleLengths.map(BigInt));
      const target = Buffer.alloc(TRAINED_DICTIONARY_BYTES);
      const lengthBytes = Buffer.from(lengths.buffer);
      const result = trainFromBuffer(target, target.length, samples, lengthBytes, lengths.length);
      if (isError(result) !== 0) return undefined;
      return Buffer.from(target.subarray(0, Number(result)));
    },
  };
}
