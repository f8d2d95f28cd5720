const FIRST_SLOTS = 2 ** 14;
/** 128 MiB of memory: 6 million different blocks, 384 GiB in blocks of 64 KiB. */
const MOST_SLOTS = 2 ** 23;

/**
 * Which block of a new snapshot has which contents: the first 8 bytes of a hash lead to the index of the block.
 * Who finds one holds the whole hash against that block's entry.
 *
 * Invariant: at most three quarters of the slots are used; a slot is free when its block index is -1. The table
 * doubles up to MOST_SLOTS and then takes nothing new: what comes later is stored again rather than found. So
 * memory stays bounded, and equal input gives equal output.
 */
export class DeduplicationTable {
  #slots = FIRST_SLOTS;
  #low = new Uint32Array(FIRST_SLOTS);
  #high = new Uint32Array(FIRST_SLOTS);
  #blockIndexes = new Float64Array(FIRST_SLOTS).fill(-1);
  #used = 0;

  /** The block that was added under this beginning of a hash; undefined if none was. */
  find(low: number, high: number): number | undefined {
    const slot = this.#slotOf(low, high);
    const blockIndex = this.#blockIndexes[slot] as number;
    return blockIndex < 0 ? undefined : blockIndex;
  }

  /** Adds a block whose key is not in the table. */
  add(low: number, high: number, blockIndex: number): void {
    if (this.#used >= this.#slots * 0.75) {
      if (this.#slots === MOST_SLOTS) return;
      this.#double();
    }
    const slot = this.#slotOf(low, high);
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#blockIndexes[slot] = blockIndex;
    this.#used++;
  }

  /** The slot that holds a key, or the free one where it belongs. */
  #slotOf(low: number, high: number): number {
    const mask = this.#slots - 1;
    let slot = low & mask;
    while ((this.#blockIndexes[slot] as number) >= 0) {
      if (this.#low[slot] === low && this.#high[slot] === high) return slot;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #double(): void {
    const [low, high, blockIndexes] = [this.#low, this.#high, this.#blockIndexes];
    const oldSlots = this.#slots;
    this.#slots *= 2;
    this.#low = new Uint32Array(this.#slots);
    this.#high = new Uint32Array(this.#slots);
    this.#blockIndexes = new Float64Array(this.#slots).fill(-1);
    for (let old = 0; old < oldSlots; old++) {
      const blockIndex = blockIndexes[old] as number;
      if (blockIndex < 0) continue;
      const slot = this.#slotOf(low[old] as number, high[old] as number);
      this.#low[slot] = low[old] as number;
      this.#high[slot] = high[old] as number;
      this.#blockIndexes[slot] = blockIndex;
    }
  }
}
