import { readU64, writeU64 } from '../format/byteReader.js';
import { DirtyPages } from './dirtyPages.js';
import type { OverlayFile } from './files.js';
import { MAX_PAGES } from './pages.js';

export const ENTRY_BYTES = 8;
const CHUNK_BYTES = 1024 * 1024;

/** What a list of pages says (docs/format.md, 13.2). */
export interface PageList {
  readonly pages: DirtyPages;
  /** Entries that name a page which an earlier one named. */
  readonly duplicates: number;
  /** Entries beyond the largest disk; they mean nothing. */
  readonly outOfRange: number;
}

/**
 * Reads the whole entries in the first `length` bytes of a list.
 *
 * @throws the system's errors; a list that is shorter ends where it ends
 */
export function readPageList(file: OverlayFile, length: number): PageList {
  const pages = new DirtyPages();
  let duplicates = 0;
  let outOfRange = 0;
  const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, Math.max(ENTRY_BYTES, length)));
  for (let offset = 0; offset < length; offset += chunk.length) {
    const count = file.read(chunk.subarray(0, Math.min(chunk.length, length - offset)), offset);
    for (let at = 0; at + ENTRY_BYTES <= count; at += ENTRY_BYTES) {
      const pageIndex = readU64(chunk, at);
      if (pageIndex >= MAX_PAGES) outOfRange++;
      else if (!pages.add(pageIndex)) duplicates++;
    }
    if (count < chunk.length) break;
  }
  return { pages, duplicates, outOfRange };
}

/**
 * Writes a list of these pages, as far as they lie before `endPage`, into an empty file; answers its length.
 *
 * @throws the system's errors
 */
export function writePageList(file: OverlayFile, pages: DirtyPages, endPage: number): number {
  let length = 0;
  let pending: number[] = [];
  const flush = () => {
    file.write(encodeEntries(pending), length);
    length += pending.length * ENTRY_BYTES;
    pending = [];
  };
  for (const { pageIndex, pageCount } of pages.extents(endPage)) {
    for (let page = pageIndex; page < pageIndex + pageCount; page++) {
      pending.push(page);
      if (pending.length === CHUNK_BYTES / ENTRY_BYTES) flush();
    }
  }
  flush();
  return length;
}

/** The entries of these pages. */
export function encodeEntries(pageIndexes: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(pageIndexes.length * ENTRY_BYTES);
  pageIndexes.forEach((pageIndex, entry) => {
    writeU64(bytes, pageIndex, entry * ENTRY_BYTES);
  });
  return bytes;
}
