import type { ByteSource } from '../byteSource.js';
import { damaged } from './damage.js';

/**
 * Looks at a source through a piece of it that is kept in memory, so that many small reads near each other become
 * few large ones.
 *
 * State: `#buffer` holds `#length` bytes of the source from `#startOffset` on. The source must not change.
 */
export class SourceWindow {
  readonly source: ByteSource;
  readonly #buffer: Buffer;
  #startOffset = 0;
  #length = 0;

  constructor(source: ByteSource, windowBytes = 256 * 1024) {
    this.source = source;
    this.#buffer = Buffer.allocUnsafeSlow(windowBytes);
  }

  /**
   * Bytes of the source, valid until the next call.
   *
   * @param length not more than the window
   * @throws HexzError MEMORY_DAMAGED when the source ends before
   */
  view(offset: number, length: number): Buffer {
    const start = this.#seek(offset, length);
    return this.#buffer.subarray(start, start + length);
  }

  uint8(offset: number): number {
    return this.#buffer.readUInt8(this.#seek(offset, 1));
  }

  uint16BE(offset: number): number {
    return this.#buffer.readUInt16BE(this.#seek(offset, 2));
  }

  uint32BE(offset: number): number {
    return this.#buffer.readUInt32BE(this.#seek(offset, 4));
  }

  /** Fills the target, or throws MEMORY_DAMAGED when the source ends before. */
  copyInto(offset: number, target: Buffer): void {
    if (target.length > this.#buffer.length) {
      this.#check(offset, target.length);
      if (this.source.readInto(offset, target) < target.length)
        throw this.#ended(offset, target.length);
    } else {
      const start = this.#seek(offset, target.length);
      this.#buffer.copy(target, 0, start, start + target.length);
    }
  }

  /** Where in the buffer the bytes at an offset are. */
  #seek(offset: number, length: number): number {
    const start = offset - this.#startOffset;
    if (start >= 0 && start + length <= this.#length) return start;
    this.#check(offset, length);
    this.#startOffset = offset;
    this.#length = 0;
    const wanted = Math.min(this.#buffer.length, this.source.length - offset);
    this.#length = this.source.readInto(offset, this.#buffer.subarray(0, wanted));
    if (this.#length < length) throw this.#ended(offset, length);
    return 0;
  }

  #check(offset: number, length: number): void {
    if (!(offset >= 0 && offset + length <= this.source.length)) throw this.#ended(offset, length);
  }

  #ended(offset: number, length: number) {
    const { length: sourceLength } = this.source;
    return damaged(
      `${length} bytes are wanted at offset ${offset}, but the stream has ${sourceLength}`,
      Math.min(Math.max(0, offset), sourceLength),
    );
  }
}

/** A u64 as a number. What is above 2^53 is rounded, and beyond every limit here. */
export const uint64LE = (bytes: Buffer, offset: number): number =>
  bytes.readUInt32LE(offset + 4) * 2 ** 32 + bytes.readUInt32LE(offset);

export const uint64BE = (bytes: Buffer, offset: number): number =>
  bytes.readUInt32BE(offset) * 2 ** 32 + bytes.readUInt32BE(offset + 4);
