import type { StreamName } from '../format/types.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { isZero } from './zeros.js';

/**
 * Tells which blocks of a new stream its parent holds at the same place: the only ones that a snapshot of generation
 * A can borrow.
 */
export class ParentBlocks {
  readonly #parent: Snapshot;
  readonly #stream: StreamName;
  #scratch = Buffer.alloc(0);

  constructor(parent: Snapshot, stream: StreamName) {
    this.#parent = parent;
    this.#stream = stream;
  }

  /**
   * What the parent has in the place of a block.
   *
   * @returns the hash of a block of just this range, for whoever hashes the new one; 'same' for bytes that were
   *   compared and are the same; undefined where the block cannot be borrowed
   * @throws HexzError as `Snapshot.readInto`
   */
  find(offset: number, bytes: Buffer): Buffer | 'same' | undefined {
    if (offset + bytes.length > this.#parent.streamLength(this.#stream)) return undefined;
    const block = this.#parent.blockAt(this.#stream, offset);
    if (block?.offset === offset && block.length === bytes.length) {
      if (block.hash !== undefined) return block.hash;
      if (block.kind === 'zero') return undefined;
    }
    // Blocks of zeros need no parent.
    if (isZero(bytes)) return undefined;
    if (this.#scratch.length < bytes.length) this.#scratch = Buffer.allocUnsafeSlow(bytes.length);
    const held = this.#scratch.subarray(0, bytes.length);
    this.#parent.readInto(this.#stream, offset, held);
    return held.equals(bytes) ? 'same' : undefined;
  }
}
