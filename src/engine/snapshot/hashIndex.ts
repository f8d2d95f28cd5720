import { HexzError } from '../errors.js';
import { type IndexPage, LONG_ENTRY_BYTES } from '../format/indexPage.js';
import type { StreamTable } from '../format/masterIndex.js';
import { lowerBound, upperBound } from '../format/search.js';
import type { StreamName } from '../format/types.js';
import type { StreamIndex } from './streamIndex.js';

/** Where a block stands in the index of a file. */
export interface BlockPlace {
  readonly stream: StreamName;
  readonly pageNumber: number;
  readonly entry: number;
}

/** 2^27 fingerprints times 2^26 blocks fill the 53 bits of an exact number. */
const FINGERPRINTS = 2 ** 27;
const MAX_BLOCKS = 2 ** 26;

/** Equal fingerprints that are compared in full: different blocks have one or two, forged ones any number. */
const MAX_CANDIDATES = 256;

/**
 * Finds the data blocks of one file by their BLAKE3 hash, for generation B's parent references.
 *
 * One sorted array of numbers, 8 bytes a block: the upper bits are a fingerprint of the hash, the lower
 * ones the block's position in index order. A candidate counts only when the full hash in the index page
 * is the same. Entries that share their stored bytes with an earlier one are left out: a zero block may
 * have thousands. Index pages that cannot be used are left out too, and `damage` says so. Built on first
 * use, then never changed. Blocks beyond the first 2^26 (4 TiB of 64 KiB blocks) are not found.
 */
export class HashIndex {
  /** The first error met in an index page; its blocks are not found here. */
  readonly damage: HexzError | undefined;
  readonly #sortedKeys: Float64Array;
  /** Position of the first block of every page, in index order, and the page it belongs to. */
  readonly #pageStarts: Float64Array;
  readonly #pages: { index: StreamIndex; pageNumber: number }[] = [];

  constructor(streams: readonly StreamIndex[]) {
    const pageCount = streams.reduce((sum, { table }) => sum + table.pageCount, 0);
    this.#pageStarts = new Float64Array(pageCount);
    const capacity = streams.reduce((sum, { table }) => sum + maximumEntries(table), 0);
    const keys = new Float64Array(Math.min(capacity, MAX_BLOCKS));
    const stored = new FirstOffsets(keys.length);
    let keyCount = 0;
    let position = 0;
    for (const index of streams) {
      for (let pageNumber = 0; pageNumber < index.table.pageCount; pageNumber++) {
        let page: IndexPage;
        try {
          page = index.loadOwnPage(pageNumber);
        } catch (error) {
          if (!(error instanceof HexzError)) throw error;
          this.damage ??= error.at({ stream: index.table.stream });
          continue;
        }
        this.#pageStarts[this.#pages.length] = position;
        this.#pages.push({ index, pageNumber });
        for (let entry = 0; entry < page.entryCount; entry++, position++) {
          if (page.kindOf(entry) !== 'data' || position >= MAX_BLOCKS) continue;
          const hash = page.hashOf(entry);
          if (hash === undefined || !stored.add(page.storedOffsetOf(entry))) continue;
          keys[keyCount++] = fingerprintOf(hash) * MAX_BLOCKS + position;
        }
      }
    }
    this.#sortedKeys = keys.subarray(0, keyCount).sort();
  }

  /** A data block with this hash, or undefined. */
  find(hash: Buffer): BlockPlace | undefined {
    const fingerprint = fingerprintOf(hash);
    let at = lowerBound(this.#sortedKeys, fingerprint * MAX_BLOCKS);
    for (let candidate = 0; candidate < MAX_CANDIDATES; candidate++, at++) {
      const key = this.#sortedKeys[at];
      if (key === undefined || Math.floor(key / MAX_BLOCKS) !== fingerprint) return undefined;
      const place = this.#placeOf(key % MAX_BLOCKS);
      if (place.index.loadPage(place.pageNumber).hashOf(place.entry)?.equals(hash) === true) {
        const { stream } = place.index.table;
        return { stream, pageNumber: place.pageNumber, entry: place.entry };
      }
    }
    return undefined;
  }

  #placeOf(position: number): { index: StreamIndex; pageNumber: number; entry: number } {
    const at = upperBound(this.#pageStarts, position, this.#pages.length) - 1;
    const page = this.#pages[at];
    const start = this.#pageStarts[at];
    if (page === undefined || start === undefined) {
      throw new RangeError('position outside the index');
    }
    return { ...page, entry: position - start };
  }
}

/** No more entries than the pages of a stream have room for; every page lies inside the file. */
const maximumEntries = ({ pageLengths }: StreamTable): number =>
  pageLengths.reduce((sum, length) => sum + Math.floor(length / LONG_ENTRY_BYTES), 0);

/**
 * Stored offsets met so far. Writers append, so a block met for the first time lies behind all others:
 * the offsets come sorted, and only one that does not is searched for. Offsets out of order (no writer
 * makes them) count as new each time.
 */
class FirstOffsets {
  readonly #sorted: Float64Array;
  #count = 0;

  constructor(capacity: number) {
    this.#sorted = new Float64Array(capacity);
  }

  /** Whether the offset is new. */
  add(offset: number): boolean {
    if (this.#count === 0 || offset > (this.#sorted[this.#count - 1] as number)) {
      this.#sorted[this.#count++] = offset;
      return true;
    }
    return this.#sorted[lowerBound(this.#sorted, offset, this.#count)] !== offset;
  }
}

const fingerprintOf = (hash: Buffer): number => hash.readUInt32LE(0) % FINGERPRINTS;
