import zlib from 'node:zlib';
import fc from 'fast-check';

/** One change to the bytes of a file. */
export type Mutation =
  | { readonly kind: 'flip'; readonly at: Place; readonly bit: number }
  | { readonly kind: 'byte'; readonly at: Place; readonly value: number }
  | { readonly kind: 'field'; readonly at: Place; readonly width: 4 | 8; readonly value: bigint }
  | { readonly kind: 'truncate'; readonly at: Place }
  | { readonly kind: 'splice'; readonly from: Place; readonly to: Place; readonly length: number }
  | { readonly kind: 'remove'; readonly at: Place; readonly length: number }
  | { readonly kind: 'insert'; readonly at: Place; readonly bytes: Uint8Array }
  | { readonly kind: 'append'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'payload';
      readonly share: number;
      readonly at: number;
      readonly bytes: Uint8Array;
    };

/** Where in a file: in a field of a structure, or at any byte; `share` is how far, in millionths. */
export interface Place {
  readonly area: 'header' | 'master index' | 'index page' | 'stored block' | 'anywhere';
  readonly share: number;
}

/** What the mutations need to know of the structures of a file. */
export interface FileMap {
  /** Offsets of fields that begin in each area. */
  readonly fields: Readonly<Record<Exclude<Place['area'], 'anywhere'>, readonly number[]>>;
  /** Data blocks, and where their checksum stands in the index. */
  readonly blocks: readonly {
    readonly storedOffset: number;
    readonly storedLength: number;
    readonly checksumOffset: number;
  }[];
}

const MILLION = 1_000_000;

const share = (): fc.Arbitrary<number> => fc.noBias(fc.nat(MILLION - 1));

const place = (): fc.Arbitrary<Place> =>
  fc.record({
    area: fc.constantFrom(
      'header' as const,
      'master index' as const,
      'index page' as const,
      'stored block' as const,
      'anywhere' as const,
    ),
    share: share(),
  });

/** Values that lengths and offsets turn bad with. */
const extreme = (): fc.Arbitrary<bigint> =>
  fc.oneof(
    fc.constantFrom(
      0n,
      1n,
      4095n,
      4096n,
      0x7fff_ffffn,
      0x8000_0000n,
      0xffff_fff0n,
      0xffff_ffffn,
      2n ** 32n,
      2n ** 53n - 1n,
      2n ** 53n,
      2n ** 63n - 1n,
      2n ** 63n,
      2n ** 64n - 2n,
      2n ** 64n - 1n,
    ),
    fc.bigInt({ min: 0n, max: 100_000n }),
  );

export const mutation = (): fc.Arbitrary<Mutation> =>
  fc.oneof(
    often(fc.record({ kind: fc.constant('flip' as const), at: place(), bit: fc.nat(7) })),
    often(fc.record({ kind: fc.constant('byte' as const), at: place(), value: fc.nat(255) })),
    often(
      fc.record({
        kind: fc.constant('field' as const),
        at: place(),
        width: fc.constantFrom(4 as const, 8 as const),
        value: extreme(),
      }),
    ),
    often(
      fc.record({
        kind: fc.constant('payload' as const),
        share: share(),
        at: share(),
        bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }),
      }),
    ),
    fc.record({ kind: fc.constant('truncate' as const), at: place() }),
    fc.record({
      kind: fc.constant('splice' as const),
      from: place(),
      to: place(),
      length: fc.nat(300),
    }),
    fc.record({ kind: fc.constant('remove' as const), at: place(), length: fc.nat(100) }),
    fc.record({
      kind: fc.constant('insert' as const),
      at: place(),
      bytes: fc.uint8Array({ maxLength: 64 }),
    }),
    fc.record({ kind: fc.constant('append' as const), bytes: fc.uint8Array({ maxLength: 64 }) }),
  );

const often = <T>(arbitrary: fc.Arbitrary<T>) => ({ weight: 5, arbitrary });

/** A changed copy of the file. */
export function mutate(original: Buffer, mutations: readonly Mutation[], map: FileMap): Buffer {
  return mutations.reduce<Buffer>(
    (file, change) => apply(file, change, map),
    Buffer.from(original),
  );
}

function apply(file: Buffer, change: Mutation, map: FileMap): Buffer {
  const at = (where: Place) => offsetOf(where, file.length, map);
  switch (change.kind) {
    case 'flip':
    case 'byte': {
      const offset = at(change.at);
      const old = file[offset];
      if (old === undefined) return file;
      file[offset] = change.kind === 'byte' ? change.value : old ^ (1 << change.bit);
      return file;
    }
    case 'field': {
      const offset = at(change.at);
      if (offset + change.width > file.length) return file;
      if (change.width === 4) file.writeUInt32LE(Number(change.value & 0xffff_ffffn), offset);
      else file.writeBigUInt64LE(change.value, offset);
      return file;
    }
    case 'truncate':
      return file.subarray(0, at(change.at));
    case 'splice':
      file.copy(file, at(change.to), at(change.from), at(change.from) + change.length);
      return file;
    case 'remove': {
      const offset = at(change.at);
      return Buffer.concat([file.subarray(0, offset), file.subarray(offset + change.length)]);
    }
    case 'insert': {
      const offset = at(change.at);
      return Buffer.concat([file.subarray(0, offset), change.bytes, file.subarray(offset)]);
    }
    case 'append':
      return Buffer.concat([file, change.bytes]);
    case 'payload':
      return changePayload(file, change, map);
  }
}

/** Changes stored bytes of one block and makes its checksum right again, so that the decoder sees them. */
function changePayload(
  file: Buffer,
  { share, at, bytes }: Extract<Mutation, { kind: 'payload' }>,
  { blocks }: FileMap,
): Buffer {
  const block = blocks[Math.floor((share / MILLION) * blocks.length)];
  if (block === undefined || block.checksumOffset + 4 > file.length) return file;
  const end = block.storedOffset + block.storedLength;
  if (end > file.length) return file;
  const offset = block.storedOffset + Math.floor((at / MILLION) * block.storedLength);
  file.set(bytes.subarray(0, end - offset), offset);
  const checksum = zlib.crc32(file.subarray(block.storedOffset, end));
  for (const other of blocks) {
    if (other.storedOffset !== block.storedOffset) continue;
    if (other.checksumOffset + 4 <= file.length) file.writeUInt32LE(checksum, other.checksumOffset);
  }
  return file;
}

function offsetOf({ area, share }: Place, length: number, { fields }: FileMap): number {
  const offsets = area === 'anywhere' ? [] : fields[area];
  const field = offsets[Math.floor((share / MILLION) * offsets.length)];
  return Math.min(field ?? Math.floor((share / MILLION) * length), length);
}
