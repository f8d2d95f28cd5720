import { HexzError } from '../errors.js';
import { readU64, writeU64 } from './byteReader.js';
import { MAX_BLOCK_BYTES, MAX_PAGE_ENTRIES } from './limits.js';
import { upperBound } from './search.js';

/** Bytes of an entry in generation A4, which stores no hashes. */
export const SHORT_ENTRY_BYTES = 20;
/** Bytes of an entry in generations A and B. */
export const LONG_ENTRY_BYTES = 52;
const PAGE_HEADER_BYTES = 8;
const HASH_BYTES = 32;
const HASH_OFFSET = 20;
const UINT32_MAX = 0xffff_ffff;

export const MIN_PAGE_BYTES = PAGE_HEADER_BYTES + SHORT_ENTRY_BYTES;
export const MAX_PAGE_BYTES = PAGE_HEADER_BYTES + MAX_PAGE_ENTRIES * LONG_ENTRY_BYTES;

/** data: stored in this file. zero: nothing stored, all bytes 0. parent: taken from a parent snapshot. */
export type BlockKind = 'data' | 'zero' | 'parent';

/** What an entry says about a data block in the file. */
export interface StoredBlock {
  readonly storedOffset: number;
  readonly storedLength: number;
  /** CRC-32 of the stored bytes. */
  readonly checksum: number;
  /** Global number of the block; the nonce of an encrypted one. */
  readonly blockIndex: number;
}

/**
 * Entry size of a page, told from its length and its entry count.
 *
 * @throws HexzError BAD_INDEX
 */
export function entryBytesOfPage(pageLength: number, entryCount: number): number {
  if (entryCount > MAX_PAGE_ENTRIES) {
    const fits = entryCount * SHORT_ENTRY_BYTES <= pageLength;
    throw new HexzError(fits ? 'LIMIT' : 'BAD_INDEX', `an index page of ${entryCount} entries`);
  }
  const entryBytes = (pageLength - PAGE_HEADER_BYTES) / entryCount;
  if (entryBytes !== SHORT_ENTRY_BYTES && entryBytes !== LONG_ENTRY_BYTES) {
    throw new HexzError(
      'BAD_INDEX',
      `an index page of ${pageLength} bytes cannot hold ${entryCount} entries`,
    );
  }
  return entryBytes;
}

/** What the master index says about a page, and what the page must agree with. */
export interface PageExpectation {
  readonly entryBytes: number;
  /** Logical offset and global block index of the first entry. */
  readonly startOffset: number;
  readonly startBlockIndex: number;
  /** Where the next page begins; undefined for the last page of a stream. */
  readonly nextStartOffset: number | undefined;
  readonly streamLength: number;
}

/**
 * One index page: up to 4096 (at most 2^20) entries, as stored, beside the running sum of their lengths.
 *
 * Invariant: no entry is longer than MAX_BLOCK_BYTES, and the entries cover exactly the range from
 * `startOffset` to the start of the next page (the last page: at most to the end of the stream).
 * What an entry says about its stored bytes is not checked here but when that block is used: one bad
 * entry costs one block, not the page.
 *
 * A page that is retired has given its memory away: nothing of it may be read any more.
 */
export class IndexPage {
  readonly entryCount: number;
  readonly startBlockIndex: number;
  isRetired = false;
  readonly #bytes: Buffer;
  readonly #entryBytes: number;
  /** Logical start of every entry; one more element than entries, the last is the end. */
  readonly #boundaries: Float64Array;

  /**
   * @param bytes the whole page
   * @param boundaries memory of a retired page of the same number of entries, if there is any
   * @throws HexzError BAD_INDEX, LIMIT
   */
  constructor(bytes: Buffer, expectation: PageExpectation, boundaries?: Float64Array) {
    const entryCount = readU64(bytes, 0);
    const entryBytes = entryBytesOfPage(bytes.length, entryCount);
    if (entryBytes !== expectation.entryBytes) {
      throw new HexzError('BAD_INDEX', 'index pages with entries of different sizes');
    }
    this.entryCount = entryCount;
    this.startBlockIndex = expectation.startBlockIndex;
    this.#bytes = bytes;
    this.#entryBytes = entryBytes;
    this.#boundaries =
      boundaries?.length === entryCount + 1 ? boundaries : new Float64Array(entryCount + 1);
    let offset = expectation.startOffset;
    for (let entry = 0; entry < entryCount; entry++) {
      this.#boundaries[entry] = offset;
      const logicalLength = bytes.readUInt32LE(this.#entryOffset(entry) + 12);
      if (logicalLength > MAX_BLOCK_BYTES) {
        throw new HexzError(
          'LIMIT',
          `a block of ${logicalLength} bytes (at most ${MAX_BLOCK_BYTES})`,
          { location: { blockIndex: this.startBlockIndex + entry, offset } },
        );
      }
      offset += logicalLength;
    }
    this.#boundaries[entryCount] = offset;
    const { nextStartOffset, streamLength } = expectation;
    if (nextStartOffset === undefined ? offset > streamLength : offset !== nextStartOffset) {
      const should =
        nextStartOffset === undefined
          ? `the stream ends at ${streamLength}`
          : `the next page starts at ${nextStartOffset}`;
      throw new HexzError(
        'BAD_INDEX',
        `the blocks of an index page reach to ${offset}, but ${should}`,
      );
    }
  }

  /** Logical offset behind the last entry. */
  get endOffset(): number {
    return this.#boundaries[this.entryCount] as number;
  }

  /** Memory that the page holds. */
  get heldBytes(): number {
    return this.#bytes.length + this.#boundaries.byteLength;
  }

  /** Ends the use of the page and hands its memory to another. */
  retire(): { readonly bytes: Buffer; readonly boundaries: Float64Array } {
    this.isRetired = true;
    return { bytes: this.#bytes, boundaries: this.#boundaries };
  }

  /** The entry that holds a logical offset, which must lie inside the page. */
  entryAt(offset: number): number {
    return upperBound(this.#boundaries, offset, this.entryCount) - 1;
  }

  /** Logical offset of an entry. */
  offsetOf(entry: number): number {
    return this.#boundaries[entry] as number;
  }

  logicalLengthOf(entry: number): number {
    return (this.#boundaries[entry + 1] as number) - (this.#boundaries[entry] as number);
  }

  kindOf(entry: number): BlockKind {
    const at = this.#entryOffset(entry);
    if (
      this.#bytes.readUInt32LE(at) === UINT32_MAX &&
      this.#bytes.readUInt32LE(at + 4) === UINT32_MAX
    ) {
      return 'parent';
    }
    return this.#bytes.readUInt32LE(at + 8) === 0 ? 'zero' : 'data';
  }

  storedOffsetOf(entry: number): number {
    return readU64(this.#bytes, this.#entryOffset(entry));
  }

  storedLengthOf(entry: number): number {
    return this.#bytes.readUInt32LE(this.#entryOffset(entry) + 8);
  }

  storedBlock(entry: number): StoredBlock {
    const at = this.#entryOffset(entry);
    return {
      storedOffset: readU64(this.#bytes, at),
      storedLength: this.#bytes.readUInt32LE(at + 8),
      checksum: this.#bytes.readUInt32LE(at + 16),
      blockIndex: this.startBlockIndex + entry,
    };
  }

  /** A copy of the BLAKE3 hash of an entry, or undefined where none is recorded. */
  hashOf(entry: number): Buffer | undefined {
    if (this.#entryBytes === SHORT_ENTRY_BYTES) return undefined;
    const start = this.#entryOffset(entry) + HASH_OFFSET;
    for (let word = start; word < start + HASH_BYTES; word += 4) {
      if (this.#bytes.readUInt32LE(word) !== 0) {
        return Buffer.from(this.#bytes.subarray(start, start + HASH_BYTES));
      }
    }
    return undefined;
  }

  /**
   * Entries as they are stored, from one on: as many as have this logical length, at most so many. A view that is
   * valid as long as the page. None of generation A4, whose entries are shorter.
   */
  encodedEntries(firstEntry: number, logicalLength: number, maximum: number): Buffer {
    const start = this.#entryOffset(firstEntry);
    const end = this.#entryBytes === LONG_ENTRY_BYTES ? firstEntry + maximum : firstEntry;
    const last = Math.min(this.entryCount, end);
    let entry = firstEntry;
    while (entry < last && this.logicalLengthOf(entry) === logicalLength) entry++;
    return this.#bytes.subarray(start, this.#entryOffset(entry));
  }

  #entryOffset(entry: number): number {
    return PAGE_HEADER_BYTES + entry * this.#entryBytes;
  }
}

/** One entry, for encoding. */
export type EncodableEntry =
  | { readonly kind: 'zero'; readonly logicalLength: number }
  | { readonly kind: 'parent'; readonly logicalLength: number; readonly hash: Buffer | undefined }
  | {
      readonly kind: 'data';
      readonly logicalLength: number;
      readonly storedOffset: number;
      readonly storedLength: number;
      readonly checksum: number;
      readonly hash: Buffer | undefined;
    };

/** Encodes an index page of generation A or B (52-byte entries). */
export function encodeIndexPage(entries: readonly EncodableEntry[]): Buffer {
  const page = new IndexPageBuilder(entries.length);
  for (const entry of entries) page.add(entry);
  return page.encode();
}

/**
 * An index page of generation A or B (52-byte entries) in the making, in memory that serves for the next one, too.
 *
 * State: the first `entryCount` entries are encoded; what lies behind them means nothing.
 */
export class IndexPageBuilder {
  readonly #bytes: Buffer;
  #entryCount = 0;

  constructor(maximumEntries: number) {
    this.#bytes = Buffer.alloc(PAGE_HEADER_BYTES + maximumEntries * LONG_ENTRY_BYTES);
  }

  get entryCount(): number {
    return this.#entryCount;
  }

  /** How many entries it still takes. */
  get room(): number {
    return (this.#bytes.length - PAGE_HEADER_BYTES) / LONG_ENTRY_BYTES - this.#entryCount;
  }

  add(entry: EncodableEntry): void {
    const at = this.#endOffset;
    const bytes = this.#bytes;
    bytes.fill(0, at, at + LONG_ENTRY_BYTES);
    this.#entryCount++;
    bytes.writeUInt32LE(entry.logicalLength, at + 12);
    if (entry.kind === 'zero') return;
    entry.hash?.copy(bytes, at + HASH_OFFSET);
    if (entry.kind === 'parent') {
      bytes.fill(0xff, at, at + 8);
      return;
    }
    writeU64(bytes, entry.storedOffset, at);
    bytes.writeUInt32LE(entry.storedLength, at + 8);
    bytes.writeUInt32LE(entry.checksum, at + 16);
  }

  /** Adds entries that are encoded already. */
  addEncoded(entries: Buffer): void {
    entries.copy(this.#bytes, this.#endOffset);
    this.#entryCount += entries.length / LONG_ENTRY_BYTES;
  }

  /** An entry of a data block that was added. */
  dataEntryAt(entry: number): DataEntry {
    const at = PAGE_HEADER_BYTES + entry * LONG_ENTRY_BYTES;
    return parseDataEntry(this.#bytes.subarray(at, at + LONG_ENTRY_BYTES));
  }

  /** The page as it is stored; a view that is valid until the next `add`. */
  encode(): Buffer {
    writeU64(this.#bytes, this.#entryCount, 0);
    return this.#bytes.subarray(0, this.#endOffset);
  }

  clear(): void {
    this.#entryCount = 0;
  }

  get #endOffset(): number {
    return PAGE_HEADER_BYTES + this.#entryCount * LONG_ENTRY_BYTES;
  }
}

/** The entry of a data block. */
export type DataEntry = Extract<EncodableEntry, { kind: 'data' }>;

/** Decodes one long entry that is known to be of a data block. */
export function parseDataEntry(bytes: Buffer): DataEntry {
  const hash = Buffer.from(bytes.subarray(HASH_OFFSET, HASH_OFFSET + HASH_BYTES));
  return {
    kind: 'data',
    logicalLength: bytes.readUInt32LE(12),
    storedOffset: readU64(bytes, 0),
    storedLength: bytes.readUInt32LE(8),
    checksum: bytes.readUInt32LE(16),
    hash: hash.some((byte) => byte !== 0) ? hash : undefined,
  };
}

/** Makes encoded entries of any kind references to the same blocks of a parent, whose hashes they have. */
export function makeReferences(entries: Buffer): void {
  for (let at = 0; at < entries.length; at += LONG_ENTRY_BYTES) {
    entries.writeUInt32LE(UINT32_MAX, at);
    entries.writeUInt32LE(UINT32_MAX, at + 4);
    entries.writeUInt32LE(0, at + 8);
    entries.writeUInt32LE(0, at + 16);
  }
}
