import { LRUCache } from 'lru-cache';
import { type BlockKind, IndexPage } from '../format/indexPage.js';
import type { StreamTable } from '../format/masterIndex.js';
import { upperBound } from '../format/search.js';
import type { Source } from './source.js';

/** Memory for the index pages of all files of a chain. */
const PAGE_CACHE_BYTES = 24 * 1024 * 1024;

/** Memory of retired pages that is kept for the next ones. */
const MAX_SPARES = 8;

interface PageMemory {
  readonly bytes: Buffer;
  readonly boundaries: Float64Array;
}

/** More than the pages of any stream: the master index is limited to 64 MiB of 28-byte references. */
const PAGES_PER_STREAM = 2 ** 22;

/**
 * Index pages of all files of one chain.
 *
 * Invariant: the pages in `#pages` hold at most PAGE_CACHE_BYTES. A page that is larger than that (one of
 * hundreds of thousands of entries) is kept beside them, in the place of the one before it.
 *
 * A page that has to go is retired, and its memory serves for the next one: random reading would leave
 * gigabytes of garbage otherwise, faster than they are collected. So a page is used at once after it was
 * asked for; whoever keeps one asks `isRetired` first, and whoever needs one for long takes `loadOwnPage`.
 */
export class PageCache {
  #oversized: { readonly key: number; readonly page: IndexPage } | undefined;
  readonly #pages = new LRUCache<number, IndexPage>({
    maxSize: PAGE_CACHE_BYTES,
    sizeCalculation: (page) => page.heldBytes,
    dispose: (page) => {
      if (this.#spares.length < MAX_SPARES) this.#spares.push(page.retire());
      else page.retire();
    },
  });
  readonly #spares: PageMemory[] = [];
  #streamCount = 0;

  /** The first of the keys that are the pages of a new stream. */
  addStream(): number {
    return PAGES_PER_STREAM * this.#streamCount++;
  }

  /** Memory for a page of this many bytes, of a retired page if there is one. */
  takeMemory(pageBytes: number): { bytes: Buffer; boundaries?: Float64Array } {
    const position = this.#spares.findIndex(({ bytes }) => bytes.length === pageBytes);
    const [spare] = position < 0 ? [] : this.#spares.splice(position, 1);
    return spare ?? { bytes: Buffer.allocUnsafeSlow(pageBytes) };
  }

  find(key: number): IndexPage | undefined {
    return this.#oversized?.key === key ? this.#oversized.page : this.#pages.get(key);
  }

  store(key: number, page: IndexPage): void {
    if (page.heldBytes > PAGE_CACHE_BYTES) this.#oversized = { key, page };
    else this.#pages.set(key, page);
  }
}

/**
 * The index of one stream, and a cursor on the entry that covers an offset.
 *
 * Index pages are loaded when they are first needed. `seek` moves the cursor; moving on to the next
 * entry, and staying on one, cost no search.
 *
 * State: the cursor. Before the first `seek` it covers nothing (start = end = 0). After one that returned
 * it covers the offset asked for: start <= offset < end. A `seek` that throws leaves it where it was.
 *
 *   kind      page, entry     the range start..end
 *   data      the entry       one block of this file
 *   zero      the entry       one block of zeros
 *   parent    the entry       one block that a parent holds
 *   uncovered meaningless     from the last entry to the end of the stream
 */
export class StreamIndex {
  readonly table: StreamTable;
  kind: BlockKind | 'uncovered' = 'uncovered';
  page: IndexPage | undefined;
  entry = 0;
  start = 0;
  end = 0;

  readonly #source: Source;
  readonly #entryBytes: number;
  readonly #cache: PageCache;
  readonly #firstKey: number;
  #pageNumber = -1;

  constructor(source: Source, table: StreamTable, entryBytes: number, cache: PageCache) {
    this.#source = source;
    this.table = table;
    this.#entryBytes = entryBytes;
    this.#cache = cache;
    this.#firstKey = cache.addStream();
  }

  /**
   * Puts the cursor on the entry that covers an offset, which must lie inside the stream.
   *
   * @throws HexzError BAD_INDEX, LIMIT, UNREADABLE when the page that covers it cannot be used
   */
  seek(offset: number): void {
    if (this.page?.isRetired === true) this.#forget();
    if (offset >= this.start && offset < this.end) return;
    if (offset === this.end && this.#step()) return;
    const pageNumber = this.#pageNumberAt(offset);
    if (pageNumber >= 0) {
      const page = this.loadPage(pageNumber);
      if (offset < page.endOffset) {
        this.#pageNumber = pageNumber;
        this.#select(page, page.entryAt(offset));
        return;
      }
      this.start = page.endOffset;
    } else {
      this.start = 0;
    }
    this.kind = 'uncovered';
    this.page = undefined;
    this.end = this.table.streamLength;
  }

  /**
   * Loads a page, from the cache if it is there.
   *
   * @throws HexzError BAD_INDEX, LIMIT, UNREADABLE
   */
  loadPage(pageNumber: number): IndexPage {
    if (pageNumber === this.#pageNumber && this.page?.isRetired === false) return this.page;
    const key = this.#firstKey + pageNumber;
    const cached = this.#cache.find(key);
    if (cached !== undefined) return cached;
    const memory = this.#cache.takeMemory(this.table.pageLengths[pageNumber] as number);
    const page = this.#read(pageNumber, memory.bytes, memory.boundaries);
    this.#cache.store(key, page);
    return page;
  }

  /**
   * Loads a page for the caller alone, past the cache: it is never retired.
   *
   * @throws HexzError BAD_INDEX, LIMIT, UNREADABLE
   */
  loadOwnPage(pageNumber: number): IndexPage {
    return this.#read(
      pageNumber,
      Buffer.allocUnsafeSlow(this.table.pageLengths[pageNumber] as number),
    );
  }

  #read(pageNumber: number, bytes: Buffer, boundaries?: Float64Array): IndexPage {
    const { pageOffsets, startOffsets, startBlockIndexes, streamLength } = this.table;
    this.#source.read(bytes, pageOffsets[pageNumber] as number);
    const expectation = {
      entryBytes: this.#entryBytes,
      startOffset: startOffsets[pageNumber] as number,
      startBlockIndex: startBlockIndexes[pageNumber] as number,
      nextStartOffset: startOffsets[pageNumber + 1],
      streamLength,
    };
    return new IndexPage(bytes, expectation, boundaries);
  }

  #forget(): void {
    this.page = undefined;
    this.#pageNumber = -1;
    this.start = 0;
    this.end = 0;
  }

  /** Moves on inside the page; false when the page ends here. */
  #step(): boolean {
    const page = this.page;
    if (page === undefined) return false;
    let next = this.entry + 1;
    while (next < page.entryCount && page.logicalLengthOf(next) === 0) next++;
    if (next >= page.entryCount) return false;
    this.#select(page, next);
    return true;
  }

  #select(page: IndexPage, entry: number): void {
    this.page = page;
    this.entry = entry;
    this.kind = page.kindOf(entry);
    this.start = page.offsetOf(entry);
    this.end = this.start + page.logicalLengthOf(entry);
  }

  /** The last page that starts at or before an offset; -1 when the stream has no pages. */
  #pageNumberAt(offset: number): number {
    return upperBound(this.table.startOffsets, offset) - 1;
  }
}
