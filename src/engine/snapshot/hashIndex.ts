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

/** Equal fingerprints that are compared in full; real files have one or two, forged ones any number. */
const MAX_CANDIDATES = 256;

/**
 * Finds the data blocks of one file by their BLAKE3 hash, for generation B's parent references.
 *
 * One sorted array of numbers, 8 bytes a block: the upper bits are a fingerprint of the hash, the lower
 * ones the block's position in index order. A candidate counts only when the full hash in the index page
 * is the same. Built on first use, then never changed. Blocks beyond the first 2^26 (4 TiB of 64 KiB
 * blocks) are not found.
 */
export class HashIndex {
  readonly #indexes: readonly StreamIndex[];
  readonly #sortedKeys: Float64Array;
  /** Position of the first block of every page, in index order, and the page it belongs to. */
  readonly #pageStarts: number[] = [];
  readonly #pages: { index: StreamIndex; pageNumber: number }[] = [];

  /** @throws HexzError when an index page of the file cannot be used */
  constructor(indexes: readonly StreamIndex[]) {
    this.#indexes = indexes;
    this.#sortedKeys = this.#build().sort();
  }

  /** A data block with this hash, or undefined. */
  find(hash: Buffer): BlockPlace | undefined {
    const fingerprint = fingerprintOf(hash);
    let at = this.#lowerBound(fingerprint * MAX_BLOCKS);
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

  #build(): Float64Array {
    let keys = new Float64Array(4096);
    let keyCount = 0;
    let position = 0;
    for (const index of this.#indexes) {
      for (let pageNumber = 0; pageNumber < index.table.pageCount; pageNumber++) {
        const page = index.loadPage(pageNumber);
        this.#pageStarts.push(position);
        this.#pages.push({ index, pageNumber });
        for (let entry = 0; entry < page.entryCount; entry++, position++) {
          const hash = page.kindOf(entry) === 'data' ? page.hashOf(entry) : undefined;
          if (hash === undefined || position >= MAX_BLOCKS) continue;
          if (keyCount === keys.length) {
            const larger = new Float64Array(keys.length * 2);
            larger.set(keys);
            keys = larger;
          }
          keys[keyCount++] = fingerprintOf(hash) * MAX_BLOCKS + position;
        }
      }
    }
    return keys.slice(0, keyCount);
  }

  #placeOf(position: number): { index: StreamIndex; pageNumber: number; entry: number } {
    const at = upperBound(this.#pageStarts, position) - 1;
    const page = this.#pages[at];
    const start = this.#pageStarts[at];
    if (page === undefined || start === undefined)
      throw new RangeError('position outside the index');
    return { ...page, entry: position - start };
  }

  #lowerBound(key: number): number {
    let low = 0;
    let high = this.#sortedKeys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sortedKeys[middle] as number) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function upperBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

const fingerprintOf = (hash: Buffer): number => hash.readUInt32LE(0) % FINGERPRINTS;
