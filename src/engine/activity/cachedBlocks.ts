import type { StreamName } from '../format/types.js';

const MIN_UNIT_BYTES = 4096;
/** So that each block of 64 KiB of a disk of a TiB has a count of its own. */
const MAX_UNITS = 2 ** 24;
/** Units that share one count, so that those who look pass over what is empty. */
const GROUP_UNITS = 4096;

/**
 * How many blocks of a stream are cached, by where they begin: one count for each unit, and one for some units
 * together. As long as there are no more units than may be, at most one block begins in each.
 */
export interface SharedCachedBlocks {
  readonly unitBytes: number;
  readonly counts: SharedArrayBuffer;
  readonly groups: SharedArrayBuffer;
}

type SharedStreams = Readonly<Partial<Record<StreamName, SharedCachedBlocks>>>;

/** @param stream its length, and that of its blocks, which may all be shorter where that is variable */
export function createCachedBlocks({
  length,
  blockBytes,
  isVariable = false,
}: {
  readonly length: number;
  readonly blockBytes: number;
  readonly isVariable?: boolean;
}): SharedCachedBlocks {
  let unitBytes = MIN_UNIT_BYTES;
  while ((!isVariable && unitBytes * 2 <= blockBytes) || length > unitBytes * MAX_UNITS) {
    unitBytes *= 2;
  }
  const unitCount = Math.max(1, Math.ceil(length / unitBytes));
  return {
    unitBytes,
    counts: new SharedArrayBuffer(unitCount * 2),
    groups: new SharedArrayBuffer(Math.ceil(unitCount / GROUP_UNITS) * 4),
  };
}

interface StreamCounts {
  readonly unitBytes: number;
  readonly counts: Uint16Array;
  readonly groups: Int32Array;
}

const attach = ({ unitBytes, counts, groups }: SharedCachedBlocks): StreamCounts => ({
  unitBytes,
  counts: new Uint16Array(counts),
  groups: new Int32Array(groups),
});

/** That a block is not counted anywhere. */
export const NO_PLACE = -1;

/**
 * Tells others which blocks a cache of decoded blocks holds, for the thread whose cache it is.
 *
 * State: the place in the served streams that is being read, which whoever reads says with `at`. A block that is
 * stored is counted there, with whatever file of the chain it lies in, until it is removed. A place is a number that
 * the cache keeps beside the block: twice the unit, plus one for the memory.
 */
export class CacheMarks {
  readonly #disk: StreamCounts | undefined;
  readonly #memory: StreamCounts | undefined;
  #stream: StreamName = 'disk';
  #offset = 0;

  constructor({ disk, memory }: SharedStreams) {
    this.#disk = disk && attach(disk);
    this.#memory = memory && attach(memory);
  }

  /** The block that begins there is read now. */
  at(stream: StreamName, offset: number): void {
    this.#stream = stream;
    this.#offset = offset;
  }

  /** The block that is read now is cached from now on; answers its place. */
  add(): number {
    const isDisk = this.#stream === 'disk';
    const marks = isDisk ? this.#disk : this.#memory;
    if (marks === undefined) return NO_PLACE;
    const unit = unitAt(marks, this.#offset);
    change(marks, unit, 1);
    return unit * 2 + Number(!isDisk);
  }

  /** @param place as `add` has answered it */
  remove(place: number): void {
    if (place === NO_PLACE) return;
    const marks = place % 2 === 0 ? this.#disk : this.#memory;
    if (marks !== undefined) change(marks, Math.floor(place / 2), -1);
  }
}

/** Which blocks the caches of the serving threads hold, as they are at every moment, for any other thread. */
export class CachedBlocks {
  readonly #streams: Partial<Record<StreamName, StreamCounts>> = {};

  constructor({ disk, memory }: SharedStreams) {
    if (disk !== undefined) this.#streams.disk = attach(disk);
    if (memory !== undefined) this.#streams.memory = attach(memory);
  }

  /** Whether a block that begins there is cached. */
  has(stream: StreamName, offset: number): boolean {
    const marks = this.#streams[stream];
    return marks !== undefined && marks.counts[unitAt(marks, offset)] !== 0;
  }

  /** Behind it is no block of a stream. */
  endOf(stream: StreamName): number {
    const marks = this.#streams[stream];
    return marks === undefined ? 0 : marks.counts.length * marks.unitBytes;
  }

  /** Where cached blocks begin, in order, within a unit, and how many there. */
  *from(stream: StreamName, offset: number): Generator<{ offset: number; blocks: number }, void> {
    const marks = this.#streams[stream];
    if (marks === undefined) return;
    const { counts, groups, unitBytes } = marks;
    for (let unit = Math.floor(offset / unitBytes); unit < counts.length; unit++) {
      if (unit % GROUP_UNITS === 0 && groups[unit / GROUP_UNITS] === 0) {
        unit += GROUP_UNITS - 1;
        continue;
      }
      const blocks = counts[unit] as number;
      if (blocks > 0) yield { offset: unit * unitBytes, blocks };
    }
  }
}

const unitAt = ({ unitBytes, counts }: StreamCounts, offset: number): number =>
  Math.min(counts.length - 1, Math.floor(offset / unitBytes));

function change({ counts, groups }: StreamCounts, unit: number, by: 1 | -1): void {
  Atomics.add(counts, unit, by);
  Atomics.add(groups, Math.floor(unit / GROUP_UNITS), by);
}
