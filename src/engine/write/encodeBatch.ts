import { encryptBlock } from '../codec/aesGcm.js';
import { blake3 } from '../codec/blake3.js';
import type { BlockEncoder } from '../codec/blockEncoder.js';
import { crc32 } from '../codec/crc32.js';
import { createEncoder, type EncoderChoice } from '../codec/encoder.js';
import { maximumStoredBytes } from '../format/limits.js';
import type { Compression } from '../format/types.js';
import { isZero } from '../snapshot/zeros.js';
import type { BlockBatch } from './blockBatch.js';

/** How blocks are turned into their stored form. */
export interface EncoderSettings {
  readonly compression: Compression;
  readonly choice: EncoderChoice;
  readonly dictionary: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/**
 * Encodes batches: hash, compress, encrypt, checksum (docs/format.md, "Block pipeline"). Blocks of zeros, and those that are
 * what the producer expected, are only told. A block that is encrypted gets no hash, since that would tell what
 * is in it.
 */
export class BatchEncoder {
  readonly #encoder: BlockEncoder;
  readonly #key: Buffer | undefined;

  private constructor(encoder: BlockEncoder, key: Buffer | undefined) {
    this.#encoder = encoder;
    this.#key = key;
  }

  /** @throws HexzError CODEC_MISSING */
  static async create(settings: EncoderSettings): Promise<BatchEncoder> {
    const { compression, choice, dictionary, key } = settings;
    return new BatchEncoder(await createEncoder(compression, choice, dictionary), key);
  }

  /** Which encoder it is, with its version. */
  get name(): string {
    return this.#encoder.name;
  }

  encode(batch: BlockBatch): void {
    let end = 0;
    for (let block = 0; block < batch.blockCount; block++) {
      const plain = batch.plainOf(block);
      if (isZero(plain)) {
        batch.setOutcome(block, 'zero');
        continue;
      }
      if (this.#key === undefined) blake3(plain).copy(batch.hashOf(block));
      const room = batch.stored.subarray(end, end + maximumStoredBytes(plain.length) + 4);
      let length = this.#encoder.encode(plain, room);
      if (this.#key !== undefined) {
        const packed = room.subarray(0, length);
        const sealed = encryptBlock(this.#key, batch.blockIndexOf(block), packed);
        sealed.copy(room);
        length = sealed.length;
      }
      batch.setOutcome(block, 'data');
      batch.setStored(block, end, length, crc32(room.subarray(0, length)));
      end += length;
    }
  }
}
