import { blake3 } from '../codec/blake3.js';
import type { StreamName } from '../format/types.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { isZero } from '../snapshot/zeros.js';

/** A block that the parent holds at the same place, and the hash that a reference to it records. */
export interface BorrowedBlock {
  readonly hash: Buffer | undefined;
}

/**
 * Tells which blocks of a new stream its parent holds at the same place: the only ones that a snapshot of generation
 * A can borrow. Bytes are compared, whatever hashes the parent records: what is in its index is a claim, and a
 * hash that differs only saves the comparison.
 *
 * State: memory for the bytes of the parent.
 */
export class ParentBlocks {
  readonly #parent: Snapshot;
  readonly #stream: StreamName;
  #memory = Buffer.alloc(0);

  constructor(parent: Snapshot, stream: StreamName) {
    this.#parent = parent;
    this.#stream = stream;
  }

  /**
   * @returns undefined where the block cannot be borrowed; blocks of zeros need no parent
   * @throws HexzError as `Snapshot.readInto`
   */
  find(offset: number, bytes: Buffer): BorrowedBlock | undefined {
    if (offset + bytes.length > this.#parent.streamLength(this.#stream)) return undefined;
    const block = this.#parent.blockAt(this.#stream, offset);
    const isSameRange = block?.offset === offset && block.length === bytes.length;
    const recorded = isSameRange ? block.hash : undefined;
    const hash = recorded !== undefined && blake3(bytes).equals(recorded) ? recorded : undefined;
    // Of what the parent borrows itself, the hash may be that of another range.
    const isOther = recorded !== undefined && hash === undefined && block?.kind === 'data';
    if (isOther || isZero(bytes)) return undefined;
    if (this.#memory.length < bytes.length) this.#memory = Buffer.allocUnsafeSlow(bytes.length);
    const held = this.#memory.subarray(0, bytes.length);
    this.#parent.readInto(this.#stream, offset, held);
    return held.equals(bytes) ? { hash } : undefined;
  }
}
