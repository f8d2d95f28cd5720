import { withoutNativeZstd } from '../codec/encoder.js';
import { createTrainer, TRAINED_DICTIONARY_BYTES } from '../codec/zstdTraining.js';
import { HexzError } from '../errors.js';
import type { StreamInput } from './input.js';

/** Samples that are looked at, and those that are kept, in bytes. */
const LOOKED_AT_BYTES = 64 * 1024 * 1024;
const KEPT_BYTES = 16 * 1024 * 1024;

/** Bits for each byte; what has more does not compress, and would spoil the dictionary. */
const MAX_ENTROPY = 6;

/**
 * Trains a dictionary on samples of an input: blocks at even distances, without those of zeros and those that
 * hardly compress (docs/format.md, "Dictionary").
 *
 * @returns undefined where there are too few samples for one
 * @throws HexzError CODEC_MISSING, USAGE for an input that is a pipe, UNREADABLE
 */
export function trainDictionary(input: StreamInput, blockBytes: number): Buffer | undefined {
  const trainer = createTrainer();
  if (trainer === undefined) throw withoutNativeZstd('trained dictionaries');
  const { length } = input;
  if (length === undefined || input.readAt === undefined) {
    throw new HexzError('USAGE', 'a dictionary cannot be trained on what comes from a pipe', {
      location: { file: input.path },
    });
  }
  const step = Math.max(
    blockBytes,
    Math.ceil(length / TRAINED_DICTIONARY_BYTES),
    Math.ceil((length / LOOKED_AT_BYTES) * blockBytes),
  );
  const samples: Buffer[] = [];
  let keptBytes = 0;
  for (let offset = 0; offset < length && keptBytes < KEPT_BYTES; offset += step) {
    const sample = Buffer.alloc(Math.min(blockBytes, length - offset));
    input.readAt(sample, offset);
    if (!isWorthTraining(sample)) continue;
    samples.push(sample);
    keptBytes += sample.length;
  }
  if (samples.length === 0) return undefined;
  return trainer.train(
    Buffer.concat(samples),
    samples.map((sample) => sample.length),
  );
}

function isWorthTraining(sample: Buffer): boolean {
  const counts = new Uint32Array(256);
  for (const byte of sample) counts[byte] = (counts[byte] as number) + 1;
  if (counts[0] === sample.length) return false;
  let entropy = 0;
  for (const count of counts) {
    if (count > 0) entropy -= (count / sample.length) * Math.log2(count / sample.length);
  }
  return entropy < MAX_ENTROPY;
}
