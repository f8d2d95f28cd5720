import { beyondLimit, hex } from './damage.js';
import { MAX_PHYSICAL_ADDRESS, MAX_RANGES } from './limits.js';

/** Bytes that ranges take their contents from: a whole stream, a RAM block, the pages of a dump. */
export interface MemoryContent {
  /** How many bytes from an offset on are there; looks no further than `limit`. */
  presentLength(offset: number, limit: number): number;
  /** How many bytes from an offset on are not there; looks no further than `limit`. */
  absentLength(offset: number, limit: number): number;
  /** Fills the target with bytes that are all there. */
  readInto(offset: number, target: Buffer): void;
  /** Where in the stream the byte at an offset is stored as it is. */
  streamOffsetAt(offset: number): number | undefined;
  /** The offset whose byte is stored there. */
  offsetAt(streamOffset: number): number | undefined;
}

/** A run of guest-physical addresses and where its bytes are. */
export interface MappedRange {
  readonly startAddress: number;
  readonly length: number;
  /** What holds it: a RAM block by its name, or `memory`. */
  readonly backing: string;
  readonly content: MemoryContent;
  /** The offset in the content that belongs to the start. */
  readonly contentOffset: number;
}

const endOf = ({ startAddress, length }: MappedRange): number => startAddress + length;

/**
 * Guest-physical addresses in order: ranges that are not empty, do not overlap and end below the limit.
 * Whatever a container claims becomes such a map; where two ranges overlap, the one that starts first counts.
 */
export class RangeMap {
  readonly ranges: readonly MappedRange[];
  readonly warnings: readonly string[];
  /** The bytes of all ranges before each one. */
  readonly #sums: Float64Array;
  readonly #byContent = new Map<MemoryContent, MappedRange[]>();

  /** @throws HexzError LIMIT for too many ranges */
  constructor(claimed: readonly MappedRange[]) {
    if (claimed.length > MAX_RANGES) {
      throw beyondLimit(`${claimed.length} ranges of memory; hexz reads ${MAX_RANGES}`, undefined);
    }
    const ranges: MappedRange[] = [];
    const warnings: string[] = [];
    let endAddress = 0;
    for (const range of [...claimed].sort((a, b) => a.startAddress - b.startAddress)) {
      const { startAddress, length } = range;
      if (!(startAddress >= 0 && length >= 0 && endOf(range) <= MAX_PHYSICAL_ADDRESS)) {
        warnings.push(
          `a range at ${hex(startAddress)} is left out: no such guest-physical address`,
        );
        continue;
      }
      const cutLength = Math.min(length, Math.max(0, endAddress - startAddress));
      if (cutLength > 0) {
        warnings.push(`${cutLength} bytes from ${hex(startAddress)} are claimed twice`);
      }
      if (length === cutLength) continue;
      ranges.push({
        ...range,
        startAddress: startAddress + cutLength,
        length: length - cutLength,
        contentOffset: range.contentOffset + cutLength,
      });
      endAddress = endOf(range);
    }
    this.ranges = ranges;
    this.warnings = warnings;
    this.#sums = new Float64Array(ranges.length + 1);
    ranges.forEach(({ length }, index) => {
      this.#sums[index + 1] = (this.#sums[index] as number) + length;
    });
    for (const range of ranges) {
      const siblings = this.#byContent.get(range.content);
      if (siblings === undefined) this.#byContent.set(range.content, [range]);
      else siblings.push(range);
    }
    for (const siblings of this.#byContent.values()) {
      siblings.sort((a, b) => a.contentOffset - b.contentOffset);
    }
  }

  /** The range that holds an address. */
  at(address: number): MappedRange | undefined {
    const range = this.ranges[lastAtOrBelow(this.ranges, 'startAddress', address)];
    return range !== undefined && address < endOf(range) ? range : undefined;
  }

  /** The range that holds an address, or else the first one behind it. */
  from(address: number): MappedRange | undefined {
    return this.at(address) ?? this.ranges[lastAtOrBelow(this.ranges, 'startAddress', address) + 1];
  }

  /** How many bytes of ranges lie before an address. */
  bytesBefore(address: number): number {
    const index = lastAtOrBelow(this.ranges, 'startAddress', address);
    const range = this.ranges[index];
    if (range === undefined) return 0;
    return (this.#sums[index] as number) + Math.min(range.length, address - range.startAddress);
  }

  /** The address whose byte is stored at an offset of the stream. */
  physicalOf(streamOffset: number): number | undefined {
    for (const [content, ranges] of this.#byContent) {
      const offset = content.offsetAt(streamOffset);
      if (offset === undefined) continue;
      const range = ranges[lastAtOrBelow(ranges, 'contentOffset', offset)];
      if (range === undefined) continue;
      const innerOffset = offset - range.contentOffset;
      if (innerOffset < range.length) return range.startAddress + innerOffset;
    }
    return undefined;
  }
}

/** The index of the last range whose key is not above a value, or -1. */
function lastAtOrBelow(
  ranges: readonly MappedRange[],
  key: 'startAddress' | 'contentOffset',
  value: number,
): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle];
    if (range !== undefined && range[key] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
