/** A number in a container that somebody may set to something else. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly length: 1 | 2 | 4 | 8;
  readonly isLittleEndian: boolean;
}

export interface BuiltContainer {
  readonly bytes: Buffer;
  readonly fields: readonly Field[];
}

/** Writes a container from its start on and takes note of where its numbers are. */
export class ContainerWriter {
  readonly #isLittleEndian: boolean;
  readonly #pieces: Buffer[] = [];
  readonly #fields: Field[] = [];
  length = 0;

  constructor(endian: 'little' | 'big') {
    this.#isLittleEndian = endian === 'little';
  }

  number(name: string, length: Field['length'], value: number | bigint): this {
    const field = { name, offset: this.length, length, isLittleEndian: this.#isLittleEndian };
    const bytes = Buffer.alloc(length);
    putNumber(bytes, { ...field, offset: 0 }, BigInt(value));
    this.#fields.push(field);
    return this.bytes(bytes);
  }

  bytes(bytes: Buffer | string): this {
    const piece = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    this.#pieces.push(piece);
    this.length += piece.length;
    return this;
  }

  /** A name behind its length. */
  named(name: string, text: string): this {
    return this.number(`${name} length`, 1, text.length).bytes(text);
  }

  zeros(length: number): this {
    return this.bytes(Buffer.alloc(length));
  }

  zerosUpTo(offset: number): this {
    if (offset < this.length) throw new Error(`offset ${offset} was passed`);
    return this.zeros(offset - this.length);
  }

  finish(): BuiltContainer {
    return { bytes: Buffer.concat(this.#pieces), fields: this.#fields };
  }
}

export function putNumber(bytes: Buffer, { offset, length, isLittleEndian }: Field, value: bigint) {
  for (let index = 0; index < length; index++) {
    const at = offset + (isLittleEndian ? index : length - 1 - index);
    bytes[at] = Number((value >> BigInt(8 * index)) & 0xffn);
  }
}
