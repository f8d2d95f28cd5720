import { maximumStoredBytes } from '../format/limits.js';

/** What became of a block. */
export type Outcome = 'data' | 'zero';
const OUTCOMES: readonly Outcome[] = ['data', 'zero'];

/** Blocks of one batch, however small they are. */
export const MAX_BLOCKS = 4096;
const WORDS_PER_BLOCK = 6;
const HASH_BYTES = 32;

/** The memory of a batch, as it goes from one thread to another. */
export interface BatchMemory {
  readonly plain: ArrayBuffer;
  readonly stored: ArrayBuffer;
  readonly table: ArrayBuffer;
  readonly blockCount: number;
}

/**
 * Blocks that are compressed together, in memory that is used again and again. A batch belongs to one thread at a
 * time: `release` gives its memory away, and who gets it makes a batch of it.
 *
 * The producer puts plaintext into `plain` and calls `add` for each block; the encoder sets what became of them.
 *
 *   table, a block     words   what
 *   from the producer  0, 1    offset and length in `plain`
 *   from the encoder   2       outcome
 *                      3, 4, 5 offset and length in `stored`, CRC-32 (outcome data)
 *   beside the words           global index of the block; hash
 */
export class BlockBatch {
  readonly plain: Buffer;
  readonly stored: Buffer;
  #blockCount: number;
  /** Bytes of `plain` that blocks take. */
  #used = 0;
  readonly #words: Uint32Array;
  readonly #blockIndexes: Float64Array;
  readonly #hashes: Buffer;
  readonly #table: ArrayBuffer;

  private constructor({ plain, stored, table, blockCount }: BatchMemory) {
    this.plain = Buffer.from(plain);
    this.stored = Buffer.from(stored);
    this.#table = table;
    this.#blockCount = blockCount;
    this.#blockIndexes = new Float64Array(table, 0, MAX_BLOCKS);
    const words = MAX_BLOCKS * 8;
    this.#words = new Uint32Array(table, words, MAX_BLOCKS * WORDS_PER_BLOCK);
    const hashes = words + this.#words.byteLength;
    this.#hashes = Buffer.from(table, hashes, MAX_BLOCKS * HASH_BYTES);
  }

  /** A new batch with room for this many bytes of plaintext. */
  static create(plainBytes: number): BlockBatch {
    const perBlock = maximumStoredBytes(0) + 4;
    const blocks = Math.min(MAX_BLOCKS, plainBytes);
    return new BlockBatch({
      plain: new ArrayBuffer(plainBytes),
      stored: new ArrayBuffer(maximumStoredBytes(plainBytes) + blocks * perBlock),
      table: new ArrayBuffer(MAX_BLOCKS * (8 + WORDS_PER_BLOCK * 4 + HASH_BYTES)),
      blockCount: 0,
    });
  }

  /** The batch in memory that another thread has released. */
  static of(memory: BatchMemory): BlockBatch {
    return new BlockBatch(memory);
  }

  get blockCount(): number {
    return this.#blockCount;
  }

  get isFull(): boolean {
    return this.#blockCount === MAX_BLOCKS;
  }

  /** Where the next blocks go. */
  get room(): Buffer {
    return this.plain.subarray(this.#used);
  }

  /** The memory for another thread; this object is of no use afterwards. */
  release(): BatchMemory {
    return {
      plain: this.plain.buffer as ArrayBuffer,
      stored: this.stored.buffer as ArrayBuffer,
      table: this.#table,
      blockCount: this.#blockCount,
    };
  }

  clear(): void {
    this.#blockCount = 0;
    this.#used = 0;
  }

  /**
   * Makes bytes of `room` a block; those before them are left out.
   *
   * @returns the number of the block in the batch
   */
  add(bytes: Buffer, blockIndex: number): number {
    const block = this.#blockCount++;
    const offset = bytes.byteOffset - this.plain.byteOffset;
    this.#words[block * WORDS_PER_BLOCK] = offset;
    this.#words[block * WORDS_PER_BLOCK + 1] = bytes.length;
    this.#blockIndexes[block] = blockIndex;
    this.#used = offset + bytes.length;
    return block;
  }

  plainOf(block: number): Buffer {
    const start = this.#words[block * WORDS_PER_BLOCK] as number;
    return this.plain.subarray(start, start + this.lengthOf(block));
  }

  lengthOf(block: number): number {
    return this.#words[block * WORDS_PER_BLOCK + 1] as number;
  }

  blockIndexOf(block: number): number {
    return this.#blockIndexes[block] as number;
  }

  /** All zeros until it is set. */
  hashOf(block: number): Buffer {
    return this.#hashes.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES);
  }

  outcomeOf(block: number): Outcome {
    return OUTCOMES[this.#words[block * WORDS_PER_BLOCK + 2] as number] as Outcome;
  }

  setOutcome(block: number, outcome: Outcome): void {
    this.#words[block * WORDS_PER_BLOCK + 2] = OUTCOMES.indexOf(outcome);
  }

  storedOf(block: number): Buffer {
    const start = this.#words[block * WORDS_PER_BLOCK + 3] as number;
    return this.stored.subarray(
      start,
      start + (this.#words[block * WORDS_PER_BLOCK + 4] as number),
    );
  }

  checksumOf(block: number): number {
    return this.#words[block * WORDS_PER_BLOCK + 5] as number;
  }

  setStored(block: number, offset: number, length: number, checksum: number): void {
    this.#words[block * WORDS_PER_BLOCK + 3] = offset;
    this.#words[block * WORDS_PER_BLOCK + 4] = length;
    this.#words[block * WORDS_PER_BLOCK + 5] = checksum;
  }
}
