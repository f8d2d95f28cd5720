import { dirname } from 'node:path';
import { readU64, writeU64 } from '../format/byteReader.js';
import { DirtyPages } from './dirtyPages.js';
import type { DiskNumbers } from './diskNumbers.js';
import { onFile } from './failures.js';
import type { OverlayFile, OverlayFiles } from './files.js';
import { MAX_PAGES } from './pages.js';
import { createBeside } from './sideFile.js';

export const ENTRY_BYTES = 8;
const CHUNK_BYTES = 1024 * 1024;

/** What is found in a list of pages. */
export interface FoundList {
  readonly pages: DirtyPages;
  /** Entries that name a page which an earlier one named. */
  readonly duplicates: number;
  /** Entries beyond the largest disk; they mean nothing. */
  readonly outOfRange: number;
}

/** Reads the whole entries in the first `length` bytes of a file; one that is shorter ends where it ends. */
export function readList(file: OverlayFile, length: number): FoundList {
  const pages = new DirtyPages();
  let duplicates = 0;
  let outOfRange = 0;
  for (const pageIndex of entriesOf(file, length)) {
    if (pageIndex >= MAX_PAGES) outOfRange++;
    else if (!pages.add(pageIndex)) duplicates++;
  }
  return { pages, duplicates, outOfRange };
}

/**
 * The list of the pages that the data file holds (docs/format.md, 13.2), and the same as a set, as a thread that
 * writes has it. Only the thread that owns the overlay flushes and replaces it.
 *
 * Invariant: the first `listLength` bytes of the file are whole entries, and name just the pages of `pages`.
 * What lies behind them is left of an append that failed: the next one overwrites it, `cutBack` removes it.
 *
 * What the system throws comes out as `onFile` says.
 */
export class PageList {
  readonly #path: string;
  #file: OverlayFile;
  readonly pages: DirtyPages;
  readonly #numbers: DiskNumbers;

  constructor(file: OverlayFile, pages: DirtyPages, numbers: DiskNumbers) {
    this.#path = file.path;
    this.#file = file;
    this.pages = pages;
    this.#numbers = numbers;
  }

  get path(): string {
    return this.#path;
  }

  get identity(): string {
    return this.#file.identity;
  }

  /** Names those pages of a range that are not named yet; answers how many. */
  append(firstPageIndex: number, lastPageIndex: number): number {
    const added: number[] = [];
    for (let page = firstPageIndex; page <= lastPageIndex; page++) {
      if (!this.pages.has(page)) added.push(page);
    }
    if (added.length === 0) return 0;
    const entries = encodeEntries(added);
    const { listLength } = this.#numbers;
    this.#attempt('write to', () => this.#file.write(entries, listLength));
    this.#numbers.listLength = listLength + entries.length;
    for (const page of added) this.pages.add(page);
    return added.length;
  }

  /** Cuts off what does not count. */
  cutBack(): void {
    this.#attempt('cut', () => {
      const { listLength } = this.#numbers;
      if (this.#file.length() !== listLength) this.#file.truncate(listLength);
    });
  }

  sync(): void {
    this.#attempt('flush', () => this.#file.sync());
  }

  syncLater(): Promise<void> {
    return this.#file.syncLater();
  }

  /** Writes a list of these pages beside this one, and locks it. */
  prepare(files: OverlayFiles, kept: DirtyPages): OverlayFile {
    return this.#attempt('rewrite', () => {
      const file = createBeside(files, this.#path);
      try {
        writeEntries(file, kept);
        file.sync();
        file.lock('exclusive');
        return file;
      } catch (error) {
        file.close();
        throw error;
      }
    });
  }

  /** Puts a prepared list in the place of this one, which names all pages but those that are dropped. */
  replaceBy(files: OverlayFiles, prepared: OverlayFile, dropped: DirtyPages): void {
    this.#attempt('replace', () => {
      try {
        const length = prepared.length();
        files.rename(prepared.path, this.#path);
        this.#numbers.listLength = length;
        this.#numbers.listDescriptor = prepared.descriptor;
      } catch (error) {
        prepared.close();
        throw error;
      }
      this.#file.close();
      this.#file = prepared;
      for (const { pageIndex, pageCount } of dropped.extents(MAX_PAGES)) {
        for (let page = pageIndex; page < pageIndex + pageCount; page++) this.pages.remove(page);
      }
      files.syncDirectory(dirname(this.#path));
    });
  }

  close(): void {
    this.#file.close();
  }

  #attempt<T>(what: string, action: () => T): T {
    return onFile(this.#path, `${what} the list of pages`, action);
  }
}

function* entriesOf(file: OverlayFile, length: number): Generator<number, void> {
  const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, Math.max(ENTRY_BYTES, length)));
  for (let offset = 0; offset < length; offset += chunk.length) {
    const wanted = chunk.subarray(0, Math.min(chunk.length, length - offset));
    const count = onFile(file.path, 'read the list of pages', () => file.read(wanted, offset));
    for (let at = 0; at + ENTRY_BYTES <= count; at += ENTRY_BYTES) yield readU64(chunk, at);
    if (count < wanted.length) return;
  }
}

function writeEntries(file: OverlayFile, pages: DirtyPages): void {
  let offset = 0;
  let pending: number[] = [];
  const flush = () => {
    file.write(encodeEntries(pending), offset);
    offset += pending.length * ENTRY_BYTES;
    pending = [];
  };
  for (const { pageIndex, pageCount } of pages.extents(MAX_PAGES)) {
    for (let page = pageIndex; page < pageIndex + pageCount; page++) {
      pending.push(page);
      if (pending.length === CHUNK_BYTES / ENTRY_BYTES) flush();
    }
  }
  flush();
}

function encodeEntries(pageIndexes: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(pageIndexes.length * ENTRY_BYTES);
  pageIndexes.forEach((pageIndex, entry) => {
    writeU64(bytes, pageIndex, entry * ENTRY_BYTES);
  });
  return bytes;
}
