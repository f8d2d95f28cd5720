import { LRUCache } from 'lru-cache';
import type { BlockWork } from '../activity/blockWork.js';
import { type CacheMarks, NO_PLACE } from '../activity/cachedBlocks.js';
import { DecoderMemory } from '../codec/decoderMemory.js';
import { HexzError } from '../errors.js';
import type { StoredBlock } from '../format/indexPage.js';

/** Blocks that are remembered as touched; a prime number, so that they spread whatever the block size. */
const TOUCH_PLACES = 4093;

/**
 * Decoded blocks of all files of one chain, in memory that is used again.
 *
 * A block lives in a slot: a buffer from a size class a little larger than the block. `lru-cache` maps a
 * block to its slot and decides which block goes; its memory then returns to the free list of its class.
 *
 * Invariant: the bytes of all slots, used and free, never exceed `capacityBytes`. A slot is in exactly
 * one state:
 *
 *   free     in #free, its contents mean nothing
 *   filling  handed out by `reserve`, owned by the caller until `store` or `release`
 *   stored   in #stored under its key
 *
 * A caller reads a stored slot before it asks the cache for anything else: the next `reserve` may take it.
 * Blocks larger than a quarter of the capacity are refused (`reserve` answers undefined). Of these the
 * last one is kept beside the slots, as `large`: a reader that goes through it in small steps decodes it
 * once. It counts beyond the capacity, once for the whole chain.
 */
export class BlockCache {
  readonly capacityBytes: number;
  /** Where the slots lie; for what else is stored or decoded, too. */
  readonly memory: DecoderMemory;
  /** Told of every block that is found or decoded, if anybody wants to know. */
  work: BlockWork | undefined;
  /** Told of every block that comes and goes. */
  marks: CacheMarks | undefined;
  readonly #stored: LRUCache<number, CachedBlock> | undefined;
  readonly #free = new Map<number, CachedBlock[]>();
  readonly #touched = new Float64Array(TOUCH_PLACES).fill(-1);
  #large: CachedBlock | undefined;
  #slotBytes = 0;
  #fileCount = 0;

  /** @throws HexzError USAGE for what is no number of bytes */
  constructor(capacityBytes: number) {
    if (!(capacityBytes >= 0 && capacityBytes <= Number.MAX_SAFE_INTEGER)) {
      throw new HexzError('USAGE', `a cache of ${capacityBytes} bytes cannot be`);
    }
    this.capacityBytes = Math.floor(capacityBytes);
    this.memory = new DecoderMemory(this.capacityBytes);
    this.#stored =
      this.capacityBytes === 0
        ? undefined
        : new LRUCache<number, CachedBlock>({
            maxSize: this.capacityBytes,
            sizeCalculation: (block) => block.memory.length,
            dispose: (block) => {
              this.#unmark(block);
              this.release(block);
            },
          });
  }

  /** The last block that was too large for a slot; without `block` while it is being decoded. */
  get large(): CachedBlock | undefined {
    return this.#large;
  }

  /** Memory for another large block, in the place of the last one. */
  replaceLarge(length: number): CachedBlock {
    this.#dropLarge();
    this.#large = newSlot(this.memory.allocate(length), length);
    return this.#large;
  }

  /** Makes that memory the block which it holds now. */
  storeLarge(large: CachedBlock, owner: object, block: StoredBlock): void {
    large.owner = owner;
    large.block = block;
    this.#mark(large);
  }

  /** Bytes of all slots. */
  get slotBytes(): number {
    return this.#slotBytes;
  }

  /** A number for a file of the chain, which makes its stored offsets unique keys. */
  addFile(): number {
    return this.#fileCount++;
  }

  /** Whether a block was not touched lately; from now on it was. */
  isFirstTouch(key: number): boolean {
    const place = key % TOUCH_PLACES;
    if (this.#touched[place] === key) return false;
    this.#touched[place] = key;
    return true;
  }

  find(key: number): CachedBlock | undefined {
    return this.#stored?.get(key);
  }

  /** A slot to decode a block into; it must go to `store` or `release` next. */
  reserve(logicalLength: number): CachedBlock | undefined {
    const slotLength = slotLengthFor(logicalLength);
    if (this.#stored === undefined || slotLength > this.capacityBytes / 4) return undefined;
    for (;;) {
      const reused = this.#free.get(slotLength)?.pop();
      if (reused !== undefined) return reused;
      if (this.#slotBytes + slotLength <= this.capacityBytes) break;
      if (!this.#dropFreeSlot()) this.#stored.pop();
    }
    this.#slotBytes += slotLength;
    return newSlot(this.memory.allocate(slotLength), 0);
  }

  store(key: number, block: CachedBlock): void {
    this.#mark(block);
    this.#stored?.set(key, block);
  }

  release(block: CachedBlock): void {
    const slotLength = block.memory.length;
    const list = this.#free.get(slotLength);
    if (list === undefined) this.#free.set(slotLength, [block]);
    else list.push(block);
  }

  /** Lets go of all memory. */
  clear(): void {
    this.#stored?.clear();
    this.#free.clear();
    this.#slotBytes = 0;
    this.#dropLarge();
    this.memory.letGo();
  }

  #dropLarge(): void {
    if (this.#large === undefined) return;
    this.#unmark(this.#large);
    this.memory.free(this.#large.memory);
    this.#large = undefined;
  }

  #mark(block: CachedBlock): void {
    if (this.marks !== undefined) block.place = this.marks.add();
  }

  #unmark(block: CachedBlock): void {
    this.marks?.remove(block.place);
    block.place = NO_PLACE;
  }

  #dropFreeSlot(): boolean {
    for (const list of this.#free.values()) {
      const block = list.pop();
      if (block === undefined) continue;
      this.#slotBytes -= block.memory.length;
      this.memory.free(block.memory);
      return true;
    }
    return false;
  }
}

/** A slot, and the block whose plaintext its first `length` bytes are. */
export interface CachedBlock {
  readonly memory: Buffer;
  /** Whose block it is. */
  owner: object | undefined;
  length: number;
  block: StoredBlock | undefined;
  /** Where `marks` count it. */
  place: number;
}

const newSlot = (memory: Buffer, length: number): CachedBlock => ({
  memory,
  owner: undefined,
  length,
  block: undefined,
  place: NO_PLACE,
});

/** Size classes: eight steps between two powers of two, so that at most an eighth is unused. */
function slotLengthFor(logicalLength: number): number {
  if (logicalLength <= 64) return 64;
  const step = 2 ** (Math.ceil(Math.log2(logicalLength)) - 4);
  return Math.ceil(logicalLength / step) * step;
}
