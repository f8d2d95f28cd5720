import { HexzError } from '../errors.js';

const TWO_POW_32 = 0x1_0000_0000;

/**
 * A u64 as a number. Beyond 2^53 the value is rounded; it is then still beyond every file and every
 * limit, so range checks refuse it all the same.
 */
export function readU64(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset + 4) * TWO_POW_32 + buffer.readUInt32LE(offset);
}

/** Writes a u64 that is an exact JavaScript integer. */
export function writeU64(buffer: Buffer, value: number, offset: number): void {
  buffer.writeUInt32LE(value % TWO_POW_32, offset);
  buffer.writeUInt32LE(Math.floor(value / TWO_POW_32), offset + 4);
}

/**
 * Sequential reader of bincode's fixed-width encoding (docs/format.md, "Serialisation"). Every read is
 * checked against the end of the buffer and against the strict rules for tags; what breaks them throws
 * BAD_HEADER.
 */
export class ByteReader {
  readonly #buffer: Buffer;
  #offset: number;

  constructor(buffer: Buffer, offset = 0) {
    this.#buffer = buffer;
    this.#offset = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  bytes(length: number): Buffer {
    const start = this.#advance(length);
    return this.#buffer.subarray(start, start + length);
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#advance(1));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#advance(4));
  }

  u64(): number {
    return readU64(this.#buffer, this.#advance(8));
  }

  boolean(): boolean {
    const value = this.u8();
    if (value > 1) throw new HexzError('BAD_HEADER', `byte ${value} where 0 or 1 must stand`);
    return value === 1;
  }

  optional<T>(read: () => T): T | undefined {
    return this.boolean() ? read() : undefined;
  }

  #advance(length: number): number {
    const start = this.#offset;
    if (length > this.#buffer.length - start) {
      throw new HexzError('BAD_HEADER', 'fields run past the end of the header');
    }
    this.#offset = start + length;
    return start;
  }
}
