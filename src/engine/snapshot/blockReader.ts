import type { IndexPage, StoredBlock } from '../format/indexPage.js';
import { MAX_CHAIN_FILES } from '../format/limits.js';
import type { BlockCache, CachedBlock } from './blockCache.js';
import type { BlockDecoder } from './blockDecoder.js';

/** A block of which more is needed is decoded whole: what is left would be decoded again if anybody came back. */
const MAX_PARTIAL_SHARE = 0.75;

/**
 * Plaintext of the data blocks of one file, through the block cache of its chain.
 *
 * State: none of its own. What it stores in the cache bears its name (`owner`), so that two files whose
 * keys fall together never get each other's blocks.
 */
export class BlockReader {
  readonly #decoder: BlockDecoder;
  readonly #cache: BlockCache;
  readonly #fileNumber: number;
  readonly #isEncrypted: boolean;

  constructor(decoder: BlockDecoder, cache: BlockCache, isEncrypted: boolean) {
    this.#decoder = decoder;
    this.#cache = cache;
    this.#fileNumber = cache.addFile();
    this.#isEncrypted = isEncrypted;
  }

  /**
   * Fills the target with a whole block. One that is not in the cache is decoded in place and not kept:
   * a reader who takes whole blocks is passing through, and would only push out what others return to.
   *
   * @throws HexzError as `BlockDecoder.decode`
   */
  readWhole(page: IndexPage, entry: number, target: Buffer): void {
    const block = page.storedBlock(entry);
    const cached = this.#find(block, target.length);
    if (cached === undefined) this.#decodeInto(block, target);
    else cached.memory.copy(target, 0, 0, target.length);
  }

  /**
   * The plaintext of a block, or at least its first `wantedLength` bytes; valid until the next call, and perhaps in a
   * buffer that is longer.
   *
   * Where a block is touched for the first time and not much of it is needed, decoding stops behind that, and nothing
   * is kept: it may well be the only time.
   *
   * @throws HexzError as `BlockDecoder.decode`
   */
  plaintext(page: IndexPage, entry: number, wantedLength: number): Buffer {
    const length = page.logicalLengthOf(entry);
    const block = page.storedBlock(entry);
    const cached = this.#find(block, length);
    if (cached !== undefined) return cached.memory;
    if (
      wantedLength <= length * MAX_PARTIAL_SHARE &&
      this.#decoder.canStopEarly(block) &&
      this.#cache.isFirstTouch(this.#keyOf(block))
    ) {
      return this.#decodeStart(block, length, wantedLength);
    }
    const slot = this.#cache.reserve(length);
    if (slot === undefined) {
      const large = this.#cache.replaceLarge(length);
      this.#decodeInto(block, large.memory);
      this.#cache.storeLarge(large, this, block);
      return large.memory;
    }
    try {
      this.#decodeInto(block, slot.memory.subarray(0, length));
    } catch (error) {
      this.#cache.release(slot);
      throw error;
    }
    slot.owner = this;
    slot.length = length;
    slot.block = block;
    this.#cache.store(this.#keyOf(block), slot);
    return slot.memory;
  }

  /** Decodes a block past the cache; the target is exactly as long as the block. */
  decode(block: StoredBlock, target: Buffer): void {
    this.#decoder.decode(block, target);
  }

  /** The stored bytes of a block; a view that is valid until the next call. */
  stored(block: StoredBlock, logicalLength: number): Buffer {
    return this.#decoder.stored(block, logicalLength);
  }

  /**
   * A decoded block, from the cache. An index entry that shares the place with it but not the rest
   * (a forged one) does not mean it, and must not get past its own checks.
   */
  #find(block: StoredBlock, length: number): CachedBlock | undefined {
    const cached = this.#cache.find(this.#keyOf(block)) ?? this.#cache.large;
    if (
      cached?.block?.storedOffset !== block.storedOffset ||
      cached.owner !== this ||
      cached.length !== length ||
      cached.block.storedLength !== block.storedLength ||
      cached.block.checksum !== block.checksum
    ) {
      return undefined;
    }
    if (this.#isEncrypted && cached.block.blockIndex !== block.blockIndex) return undefined;
    if (this.#cache.work !== undefined) this.#cache.work.hitBlocks++;
    return cached;
  }

  /** Decodes a block that a reader wants and the cache does not have. */
  #decodeInto(block: StoredBlock, target: Buffer, wantedLength = target.length): void {
    const { work } = this.#cache;
    if (work === undefined) {
      this.#decoder.decode(block, target, wantedLength);
      return;
    }
    const startedAt = performance.now();
    this.#decoder.decode(block, target, wantedLength);
    work.decodeMicroseconds += (performance.now() - startedAt) * 1000;
    work.decodedBlocks++;
  }

  #decodeStart(block: StoredBlock, length: number, wantedLength: number): Buffer {
    const { memory } = this.#cache;
    const start = memory.allocate(length);
    try {
      this.#decodeInto(block, start, wantedLength);
    } finally {
      // Nobody takes it before the next call.
      memory.free(start);
    }
    return start;
  }

  #keyOf({ storedOffset }: StoredBlock): number {
    return storedOffset * MAX_CHAIN_FILES + this.#fileNumber;
  }
}
