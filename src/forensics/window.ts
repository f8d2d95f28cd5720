import { HexzError } from '../engine/errors.js';
import type { ByteSource } from './byteSource.js';

/**
 * The part of a source that is being looked at, in memory that is used again. What the next window shares with the one
 * before is moved, not read.
 *
 * State: `#memory` begins with the bytes of the source from `#startOffset` up to `#endOffset`.
 */
export class Window {
  readonly #source: ByteSource;
  readonly #memory: Buffer;
  #startOffset = 0;
  #endOffset = 0;

  /** @param capacity the largest window, in bytes */
  constructor(source: ByteSource, capacity: number) {
    this.#source = source;
    this.#memory = Buffer.allocUnsafeSlow(capacity);
  }

  /**
   * @returns the bytes from one offset of the source up to another; valid until the next call
   * @throws HexzError UNREADABLE when the source ends before; what reading throws
   */
  load(startOffset: number, endOffset: number): Buffer {
    const heldStart = this.#startOffset;
    const heldEnd = this.#endOffset;
    // Until all is read, nothing is held: a read that fails leaves no window that looks whole.
    this.#startOffset = 0;
    this.#endOffset = 0;
    if (startOffset >= heldStart && startOffset < heldEnd && endOffset >= heldEnd) {
      this.#memory.copyWithin(0, startOffset - heldStart, heldEnd - heldStart);
      this.#read(startOffset, heldEnd, endOffset);
    } else if (startOffset <= heldStart && endOffset > heldStart && endOffset <= heldEnd) {
      this.#memory.copyWithin(heldStart - startOffset, 0, endOffset - heldStart);
      this.#read(startOffset, startOffset, heldStart);
    } else {
      this.#read(startOffset, startOffset, endOffset);
    }
    this.#startOffset = startOffset;
    this.#endOffset = endOffset;
    return this.#memory.subarray(0, endOffset - startOffset);
  }

  #read(windowOffset: number, fromOffset: number, toOffset: number): void {
    if (fromOffset === toOffset) return;
    const target = this.#memory.subarray(fromOffset - windowOffset, toOffset - windowOffset);
    const count = this.#source.readInto(fromOffset, target);
    if (count < target.length) {
      throw new HexzError('UNREADABLE', 'the source ended while it was read', {
        location: { offset: fromOffset + count },
      });
    }
  }
}
