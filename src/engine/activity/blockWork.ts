/**
 * What the request at hand took of the snapshot's blocks. Whoever reads blocks bumps it in place; the recorder
 * resets it when a request begins and takes it when it ends.
 *
 * Only what was needed counts: a read of dirty pages touches no block, nor does a write of whole pages; one of a
 * part of a clean page touches the block that the rest comes from.
 */
export class BlockWork {
  /** Of the served snapshot, also blocks of zeros and such that a parent holds. -1 while there is none. */
  firstBlockIndex = -1;
  touchedBlocks = 0;
  /** Blocks of any file of the chain that were in the cache, and that were decoded. */
  hitBlocks = 0;
  decodedBlocks = 0;
  /** Reading, checking and decrypting included. */
  decodeMicroseconds = 0;
  #lastBlockIndex = -1;

  reset(): void {
    this.firstBlockIndex = -1;
    this.touchedBlocks = 0;
    this.hitBlocks = 0;
    this.decodedBlocks = 0;
    this.decodeMicroseconds = 0;
    this.#lastBlockIndex = -1;
  }

  /** Counts a block of the served snapshot; one that is touched in several pieces counts once. */
  touch(blockIndex: number): void {
    if (blockIndex === this.#lastBlockIndex) return;
    this.#lastBlockIndex = blockIndex;
    if (this.touchedBlocks === 0) this.firstBlockIndex = blockIndex;
    this.touchedBlocks++;
  }
}
