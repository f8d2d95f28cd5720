import { createHash } from 'node:crypto';
import { HexzError } from '../errors.js';

/** Between which lengths content-defined chunks lie, and around which. */
export interface ChunkSizes {
  readonly minimumBytes: number;
  /** Rounded down to a power of two. */
  readonly averageBytes: number;
  readonly maximumBytes: number;
}

/** What the Rust hexz cuts when it is told nothing else. */
export const DEFAULT_CHUNK_SIZES: ChunkSizes = {
  minimumBytes: 16_384,
  averageBytes: 65_536,
  maximumBytes: 131_072,
};

const LIMITS: Readonly<
  Record<keyof ChunkSizes, readonly [name: string, from: number, to: number]>
> = {
  minimumBytes: ['minimum', 64, 2 ** 20],
  averageBytes: ['average', 256, 2 ** 22],
  maximumBytes: ['maximum', 1024, 2 ** 24],
};

/**
 * The masks of FastCDC by the logarithm of the average, from `FIRST_MASK_BITS` on. No bit is above the 48th,
 * so that only so much of the hash has to be known.
 */
const MASKS = [
  0x18035100n,
  0x1800035300n,
  0x19000353000n,
  0x590003530000n,
  0xd90003530000n,
  0xd90103530000n,
  0xd90303530000n,
  0xd90313530000n,
  0xd90f03530000n,
  0xd90303537000n,
  0xd90703537000n,
  0xd90707537000n,
  0xd91707537000n,
  0xd91747537000n,
  0xd91767537000n,
  0xd93767537000n,
  0xd93777537000n,
];
const FIRST_MASK_BITS = 7;

/** The hash is kept in two parts, so that no sum of the lower one exceeds 31 bits. */
const LOW_BITS = 26;
const LOW_MASK = 2 ** LOW_BITS - 1;

interface Halves {
  low: number;
  high: number;
}

const halvesOf = (value: bigint): Halves => ({
  low: Number(value & BigInt(LOW_MASK)),
  high: Number(BigInt.asIntN(32, value >> BigInt(LOW_BITS))),
});

/** A pseudo-random number for every byte value: the first 8 bytes of the MD5 of 64 such bytes. */
const GEAR = Array.from({ length: 256 }, (_, value) => {
  const digest = createHash('md5').update(Buffer.alloc(64, value)).digest();
  return halvesOf(digest.readBigUInt64BE(0));
});
const GEAR_LOW = Int32Array.from(GEAR, ({ low }) => low);
const GEAR_HIGH = Int32Array.from(GEAR, ({ high }) => high);

/**
 * Holds sizes against what the Rust hexz can cut.
 *
 * @throws HexzError USAGE
 */
export function checkChunkSizes(sizes: ChunkSizes): void {
  for (const part of ['minimumBytes', 'averageBytes', 'maximumBytes'] as const) {
    const [name, from, to] = LIMITS[part];
    const value = sizes[part];
    if (!Number.isInteger(value) || value < from || value > to) {
      throw new HexzError('USAGE', `${value} bytes cannot be the ${name} length of chunks`, {
        hint: `give ${from} to ${to}`,
      });
    }
  }
  const { minimumBytes, averageBytes, maximumBytes } = sizes;
  if (minimumBytes >= averageBytes || averageBytes >= maximumBytes) {
    throw new HexzError(
      'USAGE',
      `chunk sizes of ${minimumBytes}, ${averageBytes} and ${maximumBytes} bytes`,
      { hint: 'the minimum must be below the average, the average below the maximum' },
    );
  }
}

/**
 * Cuts a stream where its content says so (FastCDC, 2020 variant, normalisation level 1), at the same places
 * as the Rust hexz: docs/format.md, "Content-defined chunks". What was inserted or removed somewhere moves only the cuts
 * near it.
 *
 * A rolling hash of the bytes since the minimum is kept; where it is zero under a mask, the chunk ends in
 * front of the byte. Up to the average the mask has more bits than behind it.
 */
export class Chunker {
  readonly maximumBytes: number;
  readonly #minimumBytes: number;
  readonly #averageBytes: number;
  /** Where the hash begins; hashing goes two bytes at a time in the original. */
  readonly #hashedFrom: number;
  readonly #strict: Halves;
  readonly #lenient: Halves;
  readonly #hash: Halves = { low: 0, high: 0 };

  /** @throws HexzError USAGE */
  constructor(sizes: ChunkSizes) {
    checkChunkSizes(sizes);
    const averageBits = Math.floor(Math.log2(sizes.averageBytes));
    this.maximumBytes = sizes.maximumBytes;
    this.#minimumBytes = sizes.minimumBytes;
    this.#averageBytes = 2 ** averageBits;
    this.#hashedFrom = evenBelow(sizes.minimumBytes);
    this.#strict = halvesOf(MASKS[averageBits + 1 - FIRST_MASK_BITS] ?? 0n);
    this.#lenient = halvesOf(MASKS[averageBits - 1 - FIRST_MASK_BITS] ?? 0n);
  }

  /**
   * The length of the chunk that begins at start, which must be before the end. What lies between start
   * and end must hold `maximumBytes`, or reach to the end of the stream.
   */
  nextLength(bytes: Buffer, start: number, end: number): number {
    const available = Math.min(end - start, this.maximumBytes);
    if (available <= this.#minimumBytes) return available;
    const hash = this.#hash;
    hash.low = 0;
    hash.high = 0;
    const from = start + this.#hashedFrom;
    const centre = Math.max(from, start + evenBelow(Math.min(available, this.#averageBytes)));
    const cut =
      findCut(hash, this.#strict, bytes, from, centre) ??
      findCut(hash, this.#lenient, bytes, centre, start + evenBelow(available));
    return cut === undefined ? available : cut - start;
  }
}

const evenBelow = (length: number): number => length - (length % 2);

/**
 * Hashes on from one offset to another, and stops at the byte at which the hash is zero under the mask.
 * Plain as it is: unrolled or without the lower part's carry it is not faster, but its speed varies from one
 * run to the next.
 */
function findCut(
  hash: Halves,
  mask: Halves,
  bytes: Buffer,
  from: number,
  to: number,
): number | undefined {
  const gearLow = GEAR_LOW;
  const gearHigh = GEAR_HIGH;
  const maskLow = mask.low;
  const maskHigh = mask.high;
  let { low, high } = hash;
  for (let offset = from; offset < to; offset++) {
    const byte = bytes[offset] as number;
    low = (low << 1) + (gearLow[byte] as number);
    high = ((high << 1) + (gearHigh[byte] as number) + (low >>> LOW_BITS)) | 0;
    low &= LOW_MASK;
    if ((low & maskLow) === 0 && (high & maskHigh) === 0) return offset;
  }
  hash.low = low;
  hash.high = high;
  return undefined;
}
