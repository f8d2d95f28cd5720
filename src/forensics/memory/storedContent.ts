import type { ByteSource } from '../byteSource.js';
import { damaged } from './damage.js';
import type { MemoryContent } from './rangeMap.js';

/** A stream in which memory is stored as it is: an offset of the content is one of the stream. */
export class StoredContent implements MemoryContent {
  readonly #source: ByteSource;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  presentLength(offset: number, limit: number): number {
    return Math.max(0, Math.min(limit, this.#source.length - offset));
  }

  absentLength(offset: number, limit: number): number {
    return limit - this.presentLength(offset, limit);
  }

  readInto(offset: number, target: Buffer): void {
    if (this.#source.readInto(offset, target) < target.length) {
      throw damaged('the stream became shorter while it was read', offset);
    }
  }

  streamOffsetAt(offset: number): number {
    return offset;
  }

  offsetAt(streamOffset: number): number {
    return streamOffset;
  }
}
