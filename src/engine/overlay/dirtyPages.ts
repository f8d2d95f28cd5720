import { MAX_PAGES } from './pages.js';

/** A run of dirty pages. */
export interface Extent {
  readonly pageIndex: number;
  readonly pageCount: number;
}

/** How many pages of a cell are dirty. */
export interface CellCount {
  readonly cell: number;
  readonly pageCount: number;
}

const wordOf = (pageIndex: number): number => Math.floor(pageIndex / 32);

/** Pages that share one count: as many as one 4 KiB of bits. */
const GROUP_PAGES = 32 * 1024;
const GROUP_WORDS = GROUP_PAGES / 32;
const GROUP_BYTES = GROUP_PAGES / 8;

/** Dirty pages as other threads get them: structured-cloneable, and they grow on both sides. */
export interface SharedDirtyPages {
  readonly bits: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
  readonly size: SharedArrayBuffer;
}

/**
 * Which pages of a disk are dirty: one bit a page, in shared memory that grows with the highest page.
 *
 * Invariant: `#counts[g]` is the number of bits set in group g, and `#bits` and `#counts` reach equally
 * far; their sum is `#size`. Groups without a dirty page are skipped in every walk, and the system gives their bits no memory, so
 * that one forged page index at the end of the largest disk costs next to nothing.
 *
 * One thread at a time changes them (`WriteLock`). Another one sees all changes of which it was told, and perhaps some
 * of those that are being made.
 */
export class DirtyPages {
  readonly #bits: Uint32Array<SharedArrayBuffer>;
  readonly #counts: Uint32Array<SharedArrayBuffer>;
  readonly #size: Float64Array<SharedArrayBuffer>;

  constructor(shared: SharedDirtyPages = newShared()) {
    this.#bits = new Uint32Array(shared.bits);
    this.#counts = new Uint32Array(shared.counts);
    this.#size = new Float64Array(shared.size);
  }

  /** The dirty pages of another thread, as they are at every moment. */
  static attach(shared: SharedDirtyPages): DirtyPages {
    return new DirtyPages(shared);
  }

  /** For `attach`. */
  share(): SharedDirtyPages {
    return { bits: this.#bits.buffer, counts: this.#counts.buffer, size: this.#size.buffer };
  }

  /** The same pages, in memory of its own. */
  copy(): DirtyPages {
    const copy = new DirtyPages();
    if (this.#counts.length > copy.#counts.length) copy.#growTo(this.#counts.length);
    copy.#counts.set(this.#counts);
    for (let group = 0; group < this.#counts.length; group++) {
      if (this.#counts[group] === 0) continue;
      const start = group * GROUP_WORDS;
      copy.#bits.set(this.#bits.subarray(start, start + GROUP_WORDS), start);
    }
    copy.#size[0] = this.size;
    return copy;
  }

  /** Those that are not among others. */
  without(others: DirtyPages): DirtyPages {
    const left = this.copy();
    for (const { pageIndex, pageCount } of this.extents(MAX_PAGES)) {
      for (let page = pageIndex; page < pageIndex + pageCount; page++) {
        if (others.has(page)) left.remove(page);
      }
    }
    return left;
  }

  /** How many pages are dirty. */
  get size(): number {
    return this.#size[0] as number;
  }

  has(pageIndex: number): boolean {
    return ((this.#bits[wordOf(pageIndex)] ?? 0) & (1 << (pageIndex & 31))) !== 0;
  }

  /** Whether the page was clean before. */
  add(pageIndex: number): boolean {
    if (this.has(pageIndex)) return false;
    const group = Math.floor(pageIndex / GROUP_PAGES);
    if (group >= this.#counts.length) this.#growTo(group + 1);
    this.#turn(pageIndex, group, 1);
    return true;
  }

  /** Whether the page was dirty before. */
  remove(pageIndex: number): boolean {
    if (!this.has(pageIndex)) return false;
    this.#turn(pageIndex, Math.floor(pageIndex / GROUP_PAGES), -1);
    return true;
  }

  /** How many pages before this one are dirty. */
  countBefore(endPageIndex: number): number {
    const groups = Math.min(this.#counts.length, Math.floor(endPageIndex / GROUP_PAGES));
    let count = 0;
    for (let group = 0; group < groups; group++) count += this.#counts[group] as number;
    if (groups < this.#counts.length) {
      for (let page = groups * GROUP_PAGES; page < endPageIndex; page++)
        count += Number(this.has(page));
    }
    return count;
  }

  /**
   * The first page behind `pageIndex` that is not as dirty or clean as it is; at most `endPageIndex`.
   *
   * @param isDirty as it was found to be: where another thread changes it, asking twice gives two answers
   */
  runEnd(pageIndex: number, endPageIndex: number, isDirty = this.has(pageIndex)): number {
    const uniform = isDirty ? 0xffff_ffff : 0;
    let page = pageIndex + 1;
    while (page < endPageIndex) {
      // Asked first, so that the bits of an empty group are not even looked at.
      if (!isDirty && page % GROUP_PAGES === 0 && !this.#counts[page / GROUP_PAGES]) {
        page += GROUP_PAGES;
      } else if (page % 32 === 0 && (this.#bits[wordOf(page)] ?? 0) === uniform) {
        page += 32;
      } else if (this.has(page) === isDirty) {
        page++;
      } else {
        break;
      }
    }
    return Math.min(page, endPageIndex);
  }

  /** The runs of dirty pages before `endPageIndex`, in order; one that began before `startPageIndex` from there on. */
  *extents(endPageIndex: number, startPageIndex = 0): Generator<Extent, void> {
    const lastEnd = Math.min(endPageIndex, this.#counts.length * GROUP_PAGES);
    let page = startPageIndex;
    while (page < lastEnd) {
      const isDirty = this.has(page);
      const end = this.runEnd(page, lastEnd, isDirty);
      if (isDirty) yield { pageIndex: page, pageCount: end - page };
      page = end;
    }
  }

  /**
   * How many pages of each cell are dirty, in order; cells without any are left out.
   *
   * @param cellPages pages of a cell, a power of two
   */
  *cellCounts(
    cellPages: number,
    startPageIndex: number,
    endPageIndex: number,
  ): Generator<CellCount, void> {
    const words = new Uint32Array(GROUP_WORDS);
    const partPages = Math.min(cellPages, GROUP_PAGES);
    let cell = -1;
    let pageCount = 0;
    for (let group = Math.floor(startPageIndex / GROUP_PAGES); ; group++) {
      const first = group * GROUP_PAGES;
      if (first >= endPageIndex || group >= this.#counts.length) break;
      if (this.#counts[group] === 0) continue;
      this.#copyGroup(group, words, startPageIndex - first, endPageIndex - first);
      for (let page = 0; page < GROUP_PAGES; page += partPages) {
        const pages = countBits(words, page, partPages);
        if (pages === 0) continue;
        const next = Math.floor((first + page) / cellPages);
        if (next !== cell && pageCount > 0) {
          yield { cell, pageCount };
          pageCount = 0;
        }
        cell = next;
        pageCount += pages;
      }
    }
    if (pageCount > 0) yield { cell, pageCount };
  }

  /** Copies the bits of a group, without those of pages outside a range: memory that cannot grow is read much faster. */
  #copyGroup(group: number, words: Uint32Array, startPage: number, endPage: number): void {
    const start = group * GROUP_WORDS;
    words.set(this.#bits.subarray(start, start + GROUP_WORDS));
    for (let page = 0; page < startPage; page++) clearBit(words, page);
    for (let page = endPage; page < GROUP_PAGES; page++) clearBit(words, page);
  }

  #growTo(groups: number): void {
    const wanted = Math.min(Math.max(groups, this.#counts.length * 2), MAX_PAGES / GROUP_PAGES);
    this.#bits.buffer.grow(wanted * GROUP_WORDS * 4);
    this.#counts.buffer.grow(wanted * 4);
  }

  #turn(pageIndex: number, group: number, change: 1 | -1): void {
    const word = wordOf(pageIndex);
    this.#bits[word] = (this.#bits[word] as number) ^ (1 << (pageIndex & 31));
    this.#counts[group] = (this.#counts[group] as number) + change;
    this.#size[0] = this.size + change;
  }
}

const clearBit = (words: Uint32Array, page: number): void => {
  words[page >>> 5] = (words[page >>> 5] as number) & ~(1 << (page & 31));
};

/** Bits that are set from one on; so many that they are a part of a word, or whole words. */
function countBits(words: Uint32Array, first: number, count: number): number {
  const word = words[first >>> 5] as number;
  if (count < 32) return word === 0 ? 0 : bitsOf((word >>> (first & 31)) & (2 ** count - 1));
  let bits = 0;
  const end = (first + count) >>> 5;
  for (let index = first >>> 5; index < end; index++) {
    const each = words[index] as number;
    if (each !== 0) bits += bitsOf(each);
  }
  return bits;
}

/** How many bits of a word are set: added up in pairs, fours, bytes, and then all four of these. */
function bitsOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x5555_5555);
  const fours = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

const newShared = (): SharedDirtyPages => ({
  bits: new SharedArrayBuffer(GROUP_BYTES, { maxByteLength: MAX_PAGES / 8 }),
  counts: new SharedArrayBuffer(4, { maxByteLength: (MAX_PAGES / GROUP_PAGES) * 4 }),
  size: new SharedArrayBuffer(8),
});
