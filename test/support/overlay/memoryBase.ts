import { HexzError } from '../../../src/engine/errors.js';
import type { BaseDisk } from '../../../src/engine/overlay/mergedDisk.js';
import type { Random } from './simulatedFiles.js';

/** Bytes in memory as the base of an overlay; reads of a range that is marked as damaged fail. */
export class MemoryBase implements BaseDisk {
  readonly path = '/base.hxz';
  readonly bytes: Buffer;
  /** Offsets from here on cannot be read. */
  damagedFrom = Number.POSITIVE_INFINITY;
  readonly #identity: string;

  constructor(bytes: Buffer, identity = 'identity of the base') {
    this.bytes = bytes;
    this.#identity = identity;
  }

  get length(): number {
    return this.bytes.length;
  }

  readInto(offset: number, target: Buffer): number {
    const end = Math.min(offset + target.length, this.bytes.length);
    if (end > this.damagedFrom) throw new HexzError('CRC', 'the CRC-32 of a block is wrong');
    return end <= offset ? 0 : this.bytes.copy(target, 0, offset, end);
  }

  identity(): string {
    return this.#identity;
  }
}

/** Numbers that are the same for the same seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Bytes without a zero, the same for the same seed: what is lost or invented shows. */
export function markedBytes(length: number, seed: number): Buffer {
  const random = randomFrom(seed);
  const bytes = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index++) bytes[index] = 1 + Math.floor(random() * 255);
  return bytes;
}
