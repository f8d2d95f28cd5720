import { HexzError } from '../../engine/errors.js';
import type { ContainerName, MemoryContainer, MemoryMetadata } from './container.js';
import { hex } from './damage.js';
import { type MappedRange, RangeMap } from './rangeMap.js';

/** A damaged container may be odd in every one of its ranges. */
const MAX_WARNINGS = 100;

/** A run of guest-physical addresses, and what holds them. */
export type MemoryRange = Pick<MappedRange, 'startAddress' | 'length' | 'backing'>;

/** A run of guest-physical addresses whose bytes are all there. */
export interface PresentRun {
  readonly address: number;
  readonly length: number;
}

/**
 * The memory of a guest by guest-physical addresses, whatever container it came in (docs/memory.md).
 *
 * An address is present when the container holds its byte. All others are not present, which is not zero: no
 * read ever makes up a byte. A range may have holes in it (pages that a dump left out).
 *
 * State: none that changes but caches in the contents of the ranges. Reads are synchronous and may be interleaved; the
 * source must stay open and unchanged.
 */
export class GuestMemory {
  readonly container: ContainerName;
  readonly metadata: MemoryMetadata;
  readonly warnings: readonly string[];
  readonly #map: RangeMap;

  /** @throws HexzError LIMIT */
  constructor({ name, ranges, metadata, warnings }: MemoryContainer) {
    this.container = name;
    this.metadata = metadata;
    this.#map = new RangeMap(ranges);
    const all = [...warnings, ...this.#map.warnings];
    const more = all.length - MAX_WARNINGS;
    this.warnings =
      more <= 0 ? all : [...all.slice(0, MAX_WARNINGS), `and ${more} more of the kind`];
  }

  /** In the order of addresses; they do not overlap. */
  get ranges(): readonly MemoryRange[] {
    return this.#map.ranges;
  }

  /** Where the last range ends. */
  get endAddress(): number {
    const last = this.#map.ranges.at(-1);
    return last === undefined ? 0 : last.startAddress + last.length;
  }

  /** How many bytes of ranges lie before an address, holes in them included: for telling how far a pass is. */
  rangeBytesBefore(address: number): number {
    return this.#map.bytesBefore(address);
  }

  /** How many bytes from an address on are present without a gap; looks no further than `limit`. */
  presentLength(address: number, limit = Number.POSITIVE_INFINITY): number {
    let length = 0;
    while (length < limit) {
      const piece = this.#presentPiece(address + length, limit - length);
      if (piece === 0) break;
      length += piece;
    }
    return length;
  }

  /** All runs of present bytes between two addresses, in order. */
  *presentRuns(
    startAddress = 0,
    endAddress = Number.POSITIVE_INFINITY,
  ): Generator<PresentRun, void> {
    let address = startAddress;
    while (address < endAddress) {
      const length = this.presentLength(address, endAddress - address);
      if (length > 0) yield { address, length };
      address += length;
      if (address >= endAddress) return;
      const range = this.#map.from(address);
      if (range === undefined) return;
      if (range.startAddress > address) {
        address = range.startAddress;
      } else {
        const innerOffset = address - range.startAddress;
        address += range.content.absentLength(
          range.contentOffset + innerOffset,
          range.length - innerOffset,
        );
      }
    }
  }

  /**
   * Reads from an address on, up to the first byte that is not present.
   *
   * @returns how many bytes of the target were filled
   * @throws HexzError when the container is damaged there (MEMORY_DAMAGED, BAD_BLOCK) or cannot be read
   */
  readAvailable(address: number, target: Buffer): number {
    let done = 0;
    while (done < target.length) {
      const range = this.#map.at(address + done);
      if (range === undefined) break;
      const length = this.#presentPiece(address + done, target.length - done);
      if (length === 0) break;
      const offset = range.contentOffset + address + done - range.startAddress;
      range.content.readInto(offset, target.subarray(done, done + length));
      done += length;
    }
    return done;
  }

  /**
   * Fills the target from an address on.
   *
   * @throws HexzError NOT_PRESENT naming the first address that is not there; as `readAvailable`
   */
  read(address: number, target: Buffer): void {
    const length = this.readAvailable(address, target);
    if (length < target.length) {
      throw new HexzError(
        'NOT_PRESENT',
        `the memory holds nothing at guest-physical address ${hex(address + length)}`,
      );
    }
  }

  /** Where in the stream the byte of an address is stored as it is; not for what is compressed, filled or absent. */
  streamOffsetOf(address: number): number | undefined {
    const range = this.#map.at(address);
    if (range === undefined || this.#presentPiece(address, 1) === 0) return undefined;
    return range.content.streamOffsetAt(range.contentOffset + address - range.startAddress);
  }

  /** The address whose byte is stored at an offset of the stream; undefined for headers and compressed pages. */
  physicalOf(streamOffset: number): number | undefined {
    return this.#map.physicalOf(streamOffset);
  }

  #presentPiece(address: number, limit: number): number {
    const range = this.#map.at(address);
    if (range === undefined) return 0;
    const innerOffset = address - range.startAddress;
    return range.content.presentLength(
      range.contentOffset + innerOffset,
      Math.min(limit, range.length - innerOffset),
    );
  }
}
