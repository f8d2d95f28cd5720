import { closeSync, openSync, writeSync } from 'node:fs';
import zlib from 'node:zlib';
import lz4 from 'lz4-napi';
import { blake3 } from '../../src/engine/codec/blake3.js';
import { encodeHeader, type SnapshotHeader } from '../../src/engine/format/header.js';
import { type EncodableEntry, encodeIndexPage } from '../../src/engine/format/indexPage.js';
import { HEADER_BYTES } from '../../src/engine/format/limits.js';
import { encodeMasterIndex, type PageReference } from '../../src/engine/format/masterIndex.js';
import type { Compression, StreamName } from '../../src/engine/format/types.js';

export type Packer = (plain: Buffer) => Buffer;

/** Blocks as the LZ4 pipeline stores them; lz4-napi writes the same length prefix as the format. */
export const packLz4: Packer = (plain) => lz4.compressSync(plain);

const PAGE_ENTRIES = 4096;

/** The header of a snapshot that has nothing. */
export const EMPTY_HEADER: SnapshotHeader = {
  layout: 'A',
  blockSize: 65536,
  indexOffset: 0,
  parentPaths: [],
  dictionary: undefined,
  metadata: undefined,
  signature: undefined,
  encryption: undefined,
  compression: 'lz4',
  hasDisk: false,
  hasMemory: false,
  variableBlocks: false,
  chunking: undefined,
};

/**
 * A minimal writer of generation A snapshots for tests and benchmarks: the caller says for every block
 * what it is. Blocks of one content given twice may share their storage by `addShared`.
 */
export class SnapshotWriter {
  readonly #descriptor: number;
  readonly #header: SnapshotHeader;
  readonly #pack: Packer;
  #end = HEADER_BYTES;
  #blockCount = 0;
  #entries: EncodableEntry[] = [];
  #stream: StreamName = 'disk';
  readonly #lengths: Record<StreamName, number> = { disk: 0, memory: 0 };
  readonly #pages: Record<StreamName, PageReference[]> = { disk: [], memory: [] };
  #pageStart = { blockIndex: 0, offset: 0 };

  constructor(
    path: string,
    header: Partial<SnapshotHeader> & { readonly compression?: Compression } = {},
    pack: Packer = packLz4,
  ) {
    this.#descriptor = openSync(path, 'w');
    this.#header = { ...EMPTY_HEADER, ...header };
    this.#pack = pack;
  }

  /** Turns to the memory stream. */
  beginMemory(): void {
    this.#flushPage();
    this.#stream = 'memory';
    this.#pageStart = { blockIndex: this.#blockCount, offset: 0 };
  }

  /** Stores a block and returns its entry, for `addShared`. */
  addData(plain: Buffer): EncodableEntry {
    const stored = this.#pack(plain);
    writeSync(this.#descriptor, stored, 0, stored.length, this.#end);
    const entry: EncodableEntry = {
      kind: 'data',
      logicalLength: plain.length,
      storedOffset: this.#end,
      storedLength: stored.length,
      checksum: zlib.crc32(stored),
      hash: blake3(plain),
    };
    this.#end += stored.length;
    this.#add(entry);
    return entry;
  }

  addShared(entry: EncodableEntry): void {
    this.#add(entry);
  }

  addZero(logicalLength: number): void {
    this.#add({ kind: 'zero', logicalLength });
  }

  addParent(logicalLength: number, hash?: Buffer): void {
    this.#add({ kind: 'parent', logicalLength, hash });
  }

  /** Writes index and header and closes the file. */
  finish(): void {
    this.#flushPage();
    const master = encodeMasterIndex(this.#pages, this.#lengths);
    writeSync(this.#descriptor, master, 0, master.length, this.#end);
    const header = encodeHeader({
      ...this.#header,
      indexOffset: this.#end,
      hasDisk: this.#pages.disk.length > 0,
      hasMemory: this.#pages.memory.length > 0,
    });
    writeSync(this.#descriptor, header, 0, header.length, 0);
    closeSync(this.#descriptor);
  }

  #add(entry: EncodableEntry): void {
    this.#entries.push(entry);
    this.#lengths[this.#stream] += entry.logicalLength;
    this.#blockCount++;
    if (this.#entries.length === PAGE_ENTRIES) this.#flushPage();
  }

  #flushPage(): void {
    if (this.#entries.length > 0) {
      const bytes = encodeIndexPage(this.#entries);
      writeSync(this.#descriptor, bytes, 0, bytes.length, this.#end);
      this.#pages[this.#stream].push({
        offset: this.#end,
        length: bytes.length,
        startBlockIndex: this.#pageStart.blockIndex,
        startOffset: this.#pageStart.offset,
      });
      this.#end += bytes.length;
      this.#entries = [];
    }
    this.#pageStart = { blockIndex: this.#blockCount, offset: this.#lengths[this.#stream] };
  }
}
