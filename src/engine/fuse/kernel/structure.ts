/** How a member of a structure is stored: in the byte order of the machine, which is little-endian here. */
export type FieldType = 'u16' | 'u32' | 'i32' | 'u64' | 'i64';

const fieldBytes: Readonly<Record<FieldType, number>> = { u16: 2, u32: 4, i32: 4, u64: 8, i64: 8 };

type Values<Name extends string> = { readonly [Field in Name]: number };

/**
 * A structure of C, whose members follow each other without gaps, as those of the FUSE protocol do: each lies at a
 * multiple of its own length. A member of 64 bits is read as a number; what is no longer exact beyond 2^53 is beyond every
 * limit, too.
 */
export class Structure<Name extends string> {
  readonly bytes: number;
  /** Where each member lies. */
  readonly offsets: Values<Name>;
  readonly #fields: readonly (readonly [Name, FieldType, number])[];

  constructor(fields: Readonly<Record<Name, FieldType>>) {
    let offset = 0;
    this.#fields = (Object.entries(fields) as [Name, FieldType][]).map(([name, type]) => {
      const field = [name, type, offset] as const;
      offset += fieldBytes[type];
      return field;
    });
    this.bytes = offset;
    this.offsets = Object.fromEntries(
      this.#fields.map(([name, , at]) => [name, at]),
    ) as Values<Name>;
  }

  /**
   * Reads a structure; members behind the end of the source are 0, as those that an older kernel does not know.
   */
  decode(source: Buffer, startOffset = 0): Values<Name> {
    const values: Partial<Record<Name, number>> = {};
    for (const [name, type, offset] of this.#fields) {
      const at = startOffset + offset;
      values[name] = at + fieldBytes[type] > source.length ? 0 : readField(source, type, at);
    }
    return values as Values<Name>;
  }

  /** Writes a structure; members that are not given are 0. */
  encode(values: Partial<Values<Name>>, target: Buffer, startOffset = 0): void {
    for (const [name, type, offset] of this.#fields) {
      writeField(target, type, startOffset + offset, values[name] ?? 0);
    }
  }
}

function readField(source: Buffer, type: FieldType, at: number): number {
  switch (type) {
    case 'u16':
      return source.readUInt16LE(at);
    case 'u32':
      return source.readUInt32LE(at);
    case 'i32':
      return source.readInt32LE(at);
    case 'u64':
      return Number(source.readBigUInt64LE(at));
    case 'i64':
      return Number(source.readBigInt64LE(at));
  }
}

function writeField(target: Buffer, type: FieldType, at: number, value: number): void {
  switch (type) {
    case 'u16':
      target.writeUInt16LE(value, at);
      break;
    case 'u32':
      target.writeUInt32LE(value, at);
      break;
    case 'i32':
      target.writeInt32LE(value, at);
      break;
    case 'u64':
      target.writeBigUInt64LE(BigInt(value), at);
      break;
    case 'i64':
      target.writeBigInt64LE(BigInt(value), at);
      break;
  }
}
