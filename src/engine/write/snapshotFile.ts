import { readSync } from 'node:fs';
import { encodeHeader, type SnapshotHeader } from '../format/header.js';
import {
  type DataEntry,
  type EncodableEntry,
  IndexPageBuilder,
  LONG_ENTRY_BYTES,
  parseDataEntry,
} from '../format/indexPage.js';
import { HEADER_BYTES } from '../format/limits.js';
import { encodeMasterIndex, type PageReference } from '../format/masterIndex.js';
import type { StreamName } from '../format/types.js';
import { writeFully } from './outputFile.js';
import { attempt, type TemporaryFile } from './temporaryFile.js';

/** What the writer of a file decides, and what the file cannot know by itself. */
export type HeaderChoices = Omit<
  SnapshotHeader,
  'layout' | 'indexOffset' | 'hasDisk' | 'hasMemory' | 'dictionary' | 'metadata' | 'signature'
>;

/** Entries of an index page, as the Rust hexz writes them. */
const PAGE_ENTRIES = 4096;
const BUFFER_BYTES = 1024 * 1024;

/** Larger pieces go to the file without a detour. */
const DIRECT_BYTES = BUFFER_BYTES / 4;

/**
 * A snapshot of generation A while it is written, front to back: blocks as they come, an index page whenever
 * 4096 entries are together, at the end master index and metadata, and the header last of all.
 *
 * State: `#end` is where the next byte goes. What lies from `#end - #buffered` on is still in `#buffer`. Entries
 * of the page that is not full yet are in `#page`; the disk's come first, `beginStream` ends a page early.
 *
 * Invariant: every entry refers to bytes that were appended before it. Until `finish`, the header is zeros, so
 * that no reader takes an unfinished file for a snapshot.
 */
export class SnapshotFile {
  readonly #file: TemporaryFile;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #buffered = 0;
  #end = 0;
  #stream: StreamName = 'disk';
  readonly #page = new IndexPageBuilder(PAGE_ENTRIES);
  #pageStartBlockIndex = 0;
  #pageStartOffset = 0;
  #blockCount = 0;
  readonly #dictionary: Buffer | undefined;
  readonly #lengths: Record<StreamName, number> = { disk: 0, memory: 0 };
  readonly #pages: Record<StreamName, PageReference[]> = { disk: [], memory: [] };

  /** @param dictionary a trained one, which lies between header and blocks */
  constructor(file: TemporaryFile, dictionary?: Buffer) {
    this.#file = file;
    this.#dictionary = dictionary;
    this.append(Buffer.alloc(HEADER_BYTES));
    if (dictionary !== undefined) this.append(dictionary);
  }

  /** Entries of both streams so far: the global index of the next block. */
  get blockCount(): number {
    return this.#blockCount;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#end;
  }

  streamLength(stream: StreamName): number {
    return this.#lengths[stream];
  }

  beginStream(stream: StreamName): void {
    this.#flushPage();
    this.#stream = stream;
    this.#pageStartOffset = 0;
  }

  /**
   * Appends stored bytes of a block.
   *
   * @returns where they lie
   * @throws HexzError OUTPUT_FAILED
   */
  append(bytes: Buffer): number {
    const offset = this.#end;
    if (bytes.length > BUFFER_BYTES - this.#buffered || bytes.length >= DIRECT_BYTES) this.#flush();
    if (bytes.length >= DIRECT_BYTES) this.#writeAt(bytes, offset);
    else {
      bytes.copy(this.#buffer, this.#buffered);
      this.#buffered += bytes.length;
    }
    this.#end += bytes.length;
    return offset;
  }

  /** Adds the entry of the next block. */
  add(entry: EncodableEntry): void {
    this.#page.add(entry);
    this.#lengths[this.#stream] += entry.logicalLength;
    this.#blockCount++;
    if (this.#page.room === 0) this.#flushPage();
  }

  /** Adds encoded entries of the next blocks, all of one length. */
  addEncoded(entries: Buffer, logicalLength: number): void {
    for (let start = 0; start < entries.length; ) {
      const end = Math.min(entries.length, start + this.#page.room * LONG_ENTRY_BYTES);
      const count = (end - start) / LONG_ENTRY_BYTES;
      this.#page.addEncoded(entries.subarray(start, end));
      this.#lengths[this.#stream] += count * logicalLength;
      this.#blockCount += count;
      if (this.#page.room === 0) this.#flushPage();
      start = end;
    }
  }

  /** The entry of a data block that was added before. */
  entryAt(blockIndex: number): DataEntry {
    const recent = blockIndex - this.#pageStartBlockIndex;
    if (recent >= 0) return this.#page.dataEntryAt(recent);
    const page = this.#pageOf(blockIndex);
    const at = page.offset + 8 + (blockIndex - page.startBlockIndex) * LONG_ENTRY_BYTES;
    if (at + LONG_ENTRY_BYTES > this.#end - this.#buffered) this.#flush();
    const bytes = Buffer.allocUnsafe(LONG_ENTRY_BYTES);
    attempt(this.#file.path, () => {
      const count = readSync(this.#file.descriptor, bytes, 0, bytes.length, at);
      if (count < bytes.length) throw new Error('it was cut off meanwhile');
    });
    return parseDataEntry(bytes);
  }

  /**
   * Writes the last index page, master index, metadata and header. What is in the file then is a snapshot, but not
   * yet safe on the disk.
   *
   * @throws HexzError OUTPUT_FAILED, LIMIT
   */
  finish(choices: HeaderChoices, metadata?: Buffer): SnapshotHeader {
    this.#flushPage();
    const indexOffset = this.append(encodeMasterIndex(this.#pages, this.#lengths));
    const metadataOffset = metadata === undefined ? 0 : this.append(metadata);
    const header: SnapshotHeader = {
      ...choices,
      layout: 'A',
      indexOffset,
      hasDisk: this.#pages.disk.length > 0,
      hasMemory: this.#pages.memory.length > 0,
      dictionary:
        this.#dictionary === undefined
          ? undefined
          : { offset: HEADER_BYTES, length: this.#dictionary.length },
      metadata:
        metadata === undefined ? undefined : { offset: metadataOffset, length: metadata.length },
      signature: undefined,
    };
    this.#flush();
    this.#writeAt(encodeHeader(header), 0);
    return header;
  }

  #pageOf(blockIndex: number): PageReference {
    for (const pages of [this.#pages.memory, this.#pages.disk]) {
      const [first] = pages;
      if (first === undefined || blockIndex < first.startBlockIndex) continue;
      const number = Math.floor((blockIndex - first.startBlockIndex) / PAGE_ENTRIES);
      const page = pages[number];
      if (page !== undefined) return page;
    }
    throw new Error(`block ${blockIndex} is in no index page`);
  }

  #flushPage(): void {
    if (this.#page.entryCount > 0) {
      const bytes = this.#page.encode();
      this.#pages[this.#stream].push({
        offset: this.append(bytes),
        length: bytes.length,
        startBlockIndex: this.#pageStartBlockIndex,
        startOffset: this.#pageStartOffset,
      });
      this.#page.clear();
    }
    this.#pageStartBlockIndex = this.#blockCount;
    this.#pageStartOffset = this.#lengths[this.#stream];
  }

  #flush(): void {
    if (this.#buffered === 0) return;
    this.#writeAt(this.#buffer.subarray(0, this.#buffered), this.#end - this.#buffered);
    this.#buffered = 0;
  }

  #writeAt(bytes: Buffer, offset: number): void {
    attempt(this.#file.path, () => writeFully(this.#file.descriptor, bytes, offset));
  }
}
