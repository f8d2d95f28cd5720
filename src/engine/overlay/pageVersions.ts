import { PAGE_BYTES, pageOf, pagesIn } from './pages.js';

/** Pages this far from each other share a counter. */
const SLOTS = 64 * 1024;
const CHUNK_PAGES = 64;
/** A page that is written over and over is read over and over, but not for ever. */
const READ_LIMIT_MS = 60_000;
/** A write can take as long as the disk below. */
const WAIT_MS = 1;

const slotOf = (pageIndex: number): number => pageIndex % SLOTS;

/**
 * Tells readers in other threads which pages are being written: the kernel does not keep a read from seeing half of
 * a write.
 *
 * Invariant: the counter of a page is odd exactly while a thread writes it, one at a time. A reader who found it
 * even, and the same before and after, has read the page as it was or as it became.
 */
export class PageVersions {
  readonly #counters: Int32Array<SharedArrayBuffer>;
  readonly #noted = new Int32Array(CHUNK_PAGES);

  constructor(shared = new SharedArrayBuffer(SLOTS * 4)) {
    this.#counters = new Int32Array(shared);
  }

  share(): SharedArrayBuffer {
    return this.#counters.buffer;
  }

  /** A range of bytes is about to be written. `end` follows, whatever becomes of that. */
  begin(offset: number, length: number): void {
    this.#bump(offset, length);
  }

  /** It was written, or as far as it could be. */
  end(offset: number, length: number): void {
    this.#bump(offset, length);
  }

  /**
   * Fills a target with whole pages of one moment each.
   *
   * @param read fills it, perhaps with halves of writes
   * @returns whether every page could be read between two writes
   */
  read(offset: number, target: Buffer, read: (offset: number, target: Buffer) => void): boolean {
    const end = offset + target.length;
    const part = (startOffset: number, endOffset: number) =>
      target.subarray(Math.max(0, startOffset - offset), Math.min(end, endOffset) - offset);
    for (let start = offset; start < end; ) {
      const first = pageOf(start);
      const chunkEnd = Math.min(end, (first + CHUNK_PAGES) * PAGE_BYTES);
      const count = pagesIn(chunkEnd) - first;
      for (let page = 0; page < count; page++) this.#noted[page] = this.#load(first + page);
      read(start, part(start, chunkEnd));
      for (let page = 0; page < count; page++) {
        if (this.#isUntouched(first + page, this.#noted[page] as number)) continue;
        const pageStart = (first + page) * PAGE_BYTES;
        const isRead = this.#readPage(first + page, () =>
          read(Math.max(offset, pageStart), part(pageStart, pageStart + PAGE_BYTES)),
        );
        if (!isRead) return false;
      }
      start = chunkEnd;
    }
    return true;
  }

  #readPage(pageIndex: number, read: () => void): boolean {
    const end = performance.now() + READ_LIMIT_MS;
    while (performance.now() < end) {
      const noted = this.#load(pageIndex);
      if (noted % 2 === 0) {
        read();
        if (this.#isUntouched(pageIndex, noted)) return true;
      } else {
        Atomics.wait(this.#counters, slotOf(pageIndex), noted, WAIT_MS);
      }
    }
    return false;
  }

  #isUntouched(pageIndex: number, noted: number): boolean {
    return noted % 2 === 0 && this.#load(pageIndex) === noted;
  }

  #load(pageIndex: number): number {
    return Atomics.load(this.#counters, slotOf(pageIndex));
  }

  #bump(offset: number, length: number): void {
    const first = pageOf(offset);
    const end = Math.min(pagesIn(offset + length), first + SLOTS);
    for (let page = first; page < end; page++) Atomics.add(this.#counters, slotOf(page), 1);
  }
}
