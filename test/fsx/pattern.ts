import { randomFrom } from '../support/overlay/memoryBase.js';

/** No operation is longer. */
export const MAX_TRANSFER_BYTES = 1024 * 1024;
/** What the base holds; what is written has a version from 1 on below it. */
export const BASE_VERSION = 15;

/** Prime, so that no two pages or blocks of a disk hold the same. */
const PERIOD_BYTES = 65_521;
const RUN_BYTES = 64;

const places = makePlaces();
const pools = new Map<number, Buffer>();

/**
 * What a version of a disk holds at an offset: each byte tells by its low half where it belongs, and by its high half
 * which version it is. None is zero. For reading only.
 */
export function bytesOf(version: number, offset: number, length: number): Buffer {
  let pool = pools.get(version);
  if (pool === undefined) {
    pool = Buffer.from(places.map((place) => (version << 4) | place));
    pools.set(version, pool);
  }
  const start = offset % PERIOD_BYTES;
  return pool.subarray(start, start + length);
}

/** A whole disk of what the base holds. */
export function baseDisk(length: number): Buffer {
  const disk = Buffer.alloc(length);
  for (let offset = 0; offset < length; offset += MAX_TRANSFER_BYTES) {
    bytesOf(BASE_VERSION, offset, MAX_TRANSFER_BYTES).copy(disk, offset);
  }
  return disk;
}

/** The offset of the first byte that no version has there; zero is one only where the disk was cut. */
export function findInvented(
  bytes: Buffer,
  offset: number,
  zerosFromOffset: number,
): number | undefined {
  const start = offset % PERIOD_BYTES;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] as number;
    const isVersion = byte >= 0x10 && (byte & 0x0f) === places[start + index];
    const isCut = byte === 0 && offset + index >= zerosFromOffset;
    if (!isVersion && !isCut) return offset + index;
  }
  return undefined;
}

/** Half of it in runs, so that blocks are compressed. */
function makePlaces(): Uint8Array {
  const random = randomFrom(1);
  const made = new Uint8Array(PERIOD_BYTES + MAX_TRANSFER_BYTES);
  for (let start = 0; start < PERIOD_BYTES; start += RUN_BYTES) {
    const end = Math.min(start + RUN_BYTES, PERIOD_BYTES);
    if (random() < 0.5) made.fill(random() * 16, start, end);
    else for (let index = start; index < end; index++) made[index] = random() * 16;
  }
  for (let start = PERIOD_BYTES; start < made.length; start += PERIOD_BYTES) {
    made.set(made.subarray(0, Math.min(PERIOD_BYTES, made.length - start)), start);
  }
  return made;
}
