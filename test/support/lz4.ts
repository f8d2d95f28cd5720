import fc from 'fast-check';
import { DecoderMemory } from '../../src/engine/codec/decoderMemory.js';
import { decodeLz4 } from '../../src/engine/codec/lz4.js';
import { libraryLz4 } from '../../src/engine/codec/lz4Library.js';
import { blockContents, outcomeOf } from './blocks.js';
import { codeOf } from './errors.js';
import { packLz4 } from './snapshotWriter.js';
import { expectSameBytes } from './streams.js';

const PREFIX_BYTES = 4;
const GUARD_BYTES = 64;

/** A stored block, with its length prefix. */
const storedOf = (block: Buffer, length: number): Buffer => {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32LE(length, 0);
  return Buffer.concat([prefix, block]);
};

/** One sequence as an encoder would write it, but of any lengths and any distance. */
const sequence = fc
  .record({
    literals: fc.oneof(
      { weight: 6, arbitrary: fc.uint8Array({ maxLength: 18 }) },
      { weight: 1, arbitrary: fc.uint8Array({ minLength: 200, maxLength: 700 }) },
    ),
    distance: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.nat(600), fc.nat(65_535)),
    matchLength: fc.oneof(fc.integer({ min: 4, max: 24 }), fc.integer({ min: 4, max: 900 })),
  })
  .map(({ literals, distance, matchLength }) => ({
    length: literals.length + matchLength,
    bytes: Buffer.concat([
      Buffer.from([
        (Math.min(15, literals.length) << 4) | Math.min(15, matchLength - 4),
        ...furtherBytes(literals.length),
      ]),
      literals,
      Buffer.from([distance & 0xff, distance >> 8, ...furtherBytes(matchLength - 4)]),
    ]),
  }));

/** What follows the four bits of a length. */
function furtherBytes(length: number): number[] {
  if (length < 15) return [];
  return [...new Array<number>(Math.floor((length - 15) / 255)).fill(255), (length - 15) % 255];
}

/** Sequences that lead somewhere or not, and literals to end with. */
const sequences = fc
  .tuple(fc.array(sequence, { maxLength: 60 }), fc.uint8Array({ maxLength: 14 }))
  .map(([list, tail]) => ({
    length: list.reduce((sum, { length }) => sum + length, tail.length),
    block: Buffer.concat([
      ...list.map(({ bytes }) => bytes),
      Buffer.from([tail.length << 4]),
      tail,
    ]),
  }));

const encoded = blockContents.map((plain) => ({
  length: plain.length,
  block: packLz4(plain).subarray(PREFIX_BYTES),
}));

const changes = fc.array(fc.record({ at: fc.nat(), value: fc.nat(255) }), { maxLength: 3 });

/** Blocks, sound and damaged in every way, with the length that an index claims for them. */
export const lz4Blocks: fc.Arbitrary<Lz4Case> = fc
  .record({
    input: fc.oneof(
      encoded,
      sequences,
      sequences,
      fc.record({
        length: fc.nat(600),
        block: fc.uint8Array({ minLength: 1, maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      }),
    ),
    changes: fc.oneof(fc.constant([]), changes),
    cut: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(40)),
    lengthen: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: -20, max: 20 })),
    wanted: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ input, changes, cut, lengthen, wanted }) => {
    const block = Buffer.from(input.block.subarray(0, Math.max(1, input.block.length - cut)));
    for (const { at, value } of changes) block[at % block.length] = value;
    const length = Math.max(0, input.length + lengthen);
    return { block, length, wantedLength: Math.floor(wanted * length) };
  });

/** A raw block, how long its plaintext should be, and how much of that somebody wants. */
export interface Lz4Case {
  readonly block: Buffer;
  readonly length: number;
  readonly wantedLength: number;
}

/** A block decoded byte by byte, as the description of the format has it; undefined for one that is damaged. */
function decodeByTheBook(block: Buffer, length: number): Buffer | undefined {
  const plain: number[] = [];
  let at = 0;
  const readLength = (bits: number): number | undefined => {
    let sum = bits;
    for (let more = 255; bits === 15 && more === 255; sum += more) {
      if (at >= block.length) return undefined;
      more = block[at++] as number;
    }
    return sum;
  };
  while (at < block.length) {
    const token = block[at++] as number;
    const literals = readLength(token >> 4);
    if (literals === undefined || at + literals > block.length) return undefined;
    for (const byte of block.subarray(at, at + literals)) plain.push(byte);
    at += literals;
    if (plain.length > length) return undefined;
    if (at === block.length) return plain.length === length ? Buffer.from(plain) : undefined;
    if (at + 2 > block.length) return undefined;
    const distance = block.readUInt16LE(at);
    at += 2;
    const matchLength = readLength(token & 15);
    if (matchLength === undefined || distance === 0 || distance > plain.length) return undefined;
    if (plain.length + matchLength + 4 > length) return undefined;
    for (let left = matchLength + 4; left > 0; left--) {
      plain.push(plain[plain.length - distance] as number);
    }
  }
  return undefined;
}

/**
 * Decodes a block in every way: by the book, with lz4-napi, and with our decoder from and to its own memory, from and to
 * anywhere, and in part. Throws where they disagree, or where ours minds or changes what lies around.
 */
export class Lz4Comparison {
  readonly #memory = new DecoderMemory(0);

  check({ block, length, wantedLength }: Lz4Case): void {
    const stored = storedOf(block, length);
    const plain = decodeByTheBook(block, length);
    const expected = plain ?? 'BAD_BLOCK';
    const outside = outcomeOf(length, (target) =>
      decodeLz4(stored, target, this.#memory.decodeLz4),
    );
    expectSame(outside, expected, 'from and to anywhere');
    for (const around of [0x00, 0xff]) {
      expectSame(this.#decodeInside(stored, length, around, length), expected, 'in its memory');
      const part = this.#decodeInside(stored, length, around, wantedLength);
      // What is damaged behind the part is not looked at, and what is damaged within it may be beyond the part.
      if (plain !== undefined) {
        if (!Buffer.isBuffer(part))
          throw new Error(`refuses ${wantedLength} bytes of a sound block`);
        expectSameBytes(part.subarray(0, wantedLength), plain.subarray(0, wantedLength));
      }
    }
    const library = outcomeOf(length, (target) => decodeLz4(stored, target, libraryLz4));
    if (!Buffer.isBuffer(library) || plain !== undefined) expectSame(library, expected, 'lz4-napi');
  }

  /** With these bytes before and behind the source, and before, in and behind the target. */
  #decodeInside(stored: Buffer, length: number, around: number, wantedLength: number) {
    const source = this.#memory.allocate(stored.length + 2 * GUARD_BYTES).fill(around);
    const target = this.#memory.allocate(length + 2 * GUARD_BYTES).fill(around);
    stored.copy(source, GUARD_BYTES);
    const plain = target.subarray(GUARD_BYTES, GUARD_BYTES + length);
    const code = codeOf(() =>
      decodeLz4(
        source.subarray(GUARD_BYTES, GUARD_BYTES + stored.length),
        plain,
        this.#memory.decodeLz4,
        wantedLength,
      ),
    );
    const outcome = code === 'ok' ? Buffer.from(plain) : code;
    const guards = [target.subarray(0, GUARD_BYTES), target.subarray(GUARD_BYTES + length)];
    this.#memory.free(source);
    this.#memory.free(target);
    for (const guard of guards) expectSameBytes(guard, Buffer.alloc(GUARD_BYTES, around));
    return outcome;
  }
}

function expectSame(actual: Buffer | string, expected: Buffer | string, way: string): void {
  if (Buffer.isBuffer(actual) && Buffer.isBuffer(expected)) expectSameBytes(actual, expected);
  else if (actual !== expected)
    throw new Error(`${way}: ${describe(actual)}, by the book ${describe(expected)}`);
}

const describe = (outcome: Buffer | string): string =>
  Buffer.isBuffer(outcome) ? `${outcome.length} bytes` : outcome;
