import type { DiskNumbers } from './diskNumbers.js';
import { asOverlayError, onFile, tooLarge } from './failures.js';
import type { PageList } from './pageList.js';
import { MAX_DISK_BYTES, PAGE_BYTES, pageOf } from './pages.js';
import type { SharedDataFile } from './sharedDataFile.js';

/** Fills a target with what clean pages show. */
export type ReadBase = (offset: number, target: Buffer) => void;

const NOTHING = Buffer.alloc(0);

/**
 * Writes pages: in the thread that owns an overlay, and in those that are attached to it, one at a time (`WriteLock`).
 *
 * Invariants:
 * - The data file is not longer than the disk. So what the disk gains when it grows is zero, and after a kill the
 *   length of the data file tells how far a write had made it grow (`recoverState`).
 * - A page is in the data file, as far as the disk goes, before the list names it; and the list holds whole entries. So
 *   a kill loses no write that was answered, and shows none half seeded.
 *
 * A page that is written in part becomes dirty as a whole: the rest of it comes from the base first. Where that cannot
 * be read, the write fails and nothing has changed.
 */
export class PageWriter {
  readonly #data: SharedDataFile;
  readonly #list: PageList;
  readonly #numbers: DiskNumbers;
  readonly #onUnknown: (error: unknown) => void;
  readonly #head = Buffer.alloc(PAGE_BYTES);
  readonly #tail = Buffer.alloc(PAGE_BYTES);

  /** @param onUnknown told when a write has failed and nobody knows what it left */
  constructor(
    data: SharedDataFile,
    list: PageList,
    numbers: DiskNumbers,
    onUnknown: (error: unknown) => void,
  ) {
    this.#data = data;
    this.#list = list;
    this.#numbers = numbers;
    this.#onUnknown = onUnknown;
  }

  /**
   * Writes all bytes, one at least; the disk grows to just behind the last one where it was shorter.
   *
   * @returns how many pages turned dirty
   * @throws HexzError NO_SPACE, DISK_TOO_LARGE, OVERLAY_UNUSABLE, and of the base; the disk is then as before, but for
   *   bytes of pages that were dirty
   */
  write(offset: number, bytes: Buffer, readBase: ReadBase): number {
    const end = offset + bytes.length;
    if (end > MAX_DISK_BYTES) throw tooLarge(this.#data.path);
    const head = this.#seedBefore(pageOf(offset), offset, readBase);
    const tail = this.#seedBehind(pageOf(end - 1), end, readBase);
    let pageCount: number;
    try {
      this.#writeData(head, offset - head.length);
      this.#writeData(bytes, offset);
      this.#writeData(tail, end);
      pageCount = this.#data.withRoom(() => this.#list.append(pageOf(offset), pageOf(end - 1)));
    } catch (error) {
      this.undo();
      throw error;
    }
    const numbers = this.#numbers;
    numbers.dataLength = Math.max(numbers.dataLength, end + tail.length);
    numbers.length = Math.max(numbers.length, end);
    return pageCount;
  }

  /** After a write that failed: what it left behind the end of the disk would count as growth. */
  undo(): void {
    const numbers = this.#numbers;
    try {
      if (this.#data.length() > numbers.length) this.#data.truncate(numbers.length);
      numbers.dataLength = Math.max(numbers.dataLength, this.#data.length());
      this.#list.cutBack();
    } catch (error) {
      this.#onUnknown(asOverlayError(error, this.#data.path, 'undo a failed write'));
    }
  }

  #writeData(bytes: Buffer, offset: number): void {
    if (bytes.length === 0) return;
    onFile(this.#data.path, 'write to the overlay', () => this.#data.write(bytes, offset));
  }

  /** The bytes of a page before those that are written, if it is clean. */
  #seedBefore(pageIndex: number, offset: number, readBase: ReadBase): Buffer {
    const start = pageIndex * PAGE_BYTES;
    if (offset === start || this.#list.pages.has(pageIndex)) return NOTHING;
    const seed = this.#head.subarray(0, offset - start);
    readBase(start, seed);
    return seed;
  }

  /** The bytes of a page behind those that are written, as far as the disk goes, if it is clean. */
  #seedBehind(pageIndex: number, offset: number, readBase: ReadBase): Buffer {
    const end = Math.min((pageIndex + 1) * PAGE_BYTES, this.#numbers.length);
    if (offset >= end || this.#list.pages.has(pageIndex)) return NOTHING;
    const seed = this.#tail.subarray(0, end - offset);
    readBase(offset, seed);
    return seed;
  }
}
