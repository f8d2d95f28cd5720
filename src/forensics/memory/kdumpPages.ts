import { inflateSync } from 'node:zlib';
import { decodeZstd } from '../../engine/codec/zstd.js';
import { type HexzCode, HexzError } from '../../engine/errors.js';
import type { ByteSource } from '../byteSource.js';
import { damaged, hex, unsupported } from './damage.js';
import type { PageBitmap } from './pageBitmap.js';
import type { MemoryContent } from './rangeMap.js';
import { SourceWindow, uint64LE } from './sourceWindow.js';

const DESCRIPTOR_BYTES = 24;
const AS_IS = 0;
const ZLIB = 1;
const LZO = 2;
const SNAPPY = 4;
const ZSTD = 0x20;
/** Pages that are kept decoded. */
const CACHED_PAGES = 64;
/** What may be wrong with the stored bytes of one page. */
const pageDamage: ReadonlySet<HexzCode> = new Set(['MEMORY_DAMAGED', 'BAD_BLOCK']);
const PAGE_WINDOW_BYTES = 64 * 1024;
const DESCRIPTOR_WINDOW_BYTES = 16 * 1024;

interface KdumpPagesOptions {
  /** The plain dump. */
  readonly source: ByteSource;
  readonly pageBytes: number;
  readonly bitmap: PageBitmap;
  /** Of the first descriptor. */
  readonly descriptorOffset: number;
  /** Where a run of plain bytes is in the stream, if it is there in one piece. */
  readonly streamOffsetOf: (offset: number, length: number) => number | undefined;
}

interface Descriptor {
  offset: number;
  length: number;
  flags: number;
}

interface DecodedPage {
  length: number;
  flags: number;
  readonly bytes: Buffer;
}

/**
 * The pages of a kdump; an offset of the content is a guest-physical address. A page is found by how many are stored
 * before it, and decoded when it is read.
 *
 * State: `#decoded` keeps the last pages by the offset of their stored bytes, so that the one page of zeros which all
 * empty pages share is decoded once. `#descriptor` is the one that was read last.
 */
export class KdumpPages implements MemoryContent {
  readonly #options: KdumpPagesOptions;
  readonly #descriptors: SourceWindow;
  readonly #stored: SourceWindow;
  readonly #decoded = new Map<number, DecodedPage>();
  readonly #descriptor: Descriptor = { offset: 0, length: 0, flags: 0 };

  constructor(options: KdumpPagesOptions) {
    this.#options = options;
    this.#descriptors = new SourceWindow(options.source, DESCRIPTOR_WINDOW_BYTES);
    this.#stored = new SourceWindow(options.source, PAGE_WINDOW_BYTES + options.pageBytes);
  }

  presentLength(offset: number, limit: number): number {
    return this.#runLength(offset, true, limit);
  }

  absentLength(offset: number, limit: number): number {
    return this.#runLength(offset, false, limit);
  }

  readInto(offset: number, target: Buffer): void {
    const { pageBytes } = this.#options;
    let done = 0;
    while (done < target.length) {
      const inner = (offset + done) % pageBytes;
      const page = this.#page((offset + done - inner) / pageBytes);
      done += page.copy(target, done, inner);
    }
  }

  streamOffsetAt(offset: number): number | undefined {
    const { pageBytes, streamOffsetOf } = this.#options;
    const inner = offset % pageBytes;
    const { flags, length, offset: storedOffset } = this.#describe((offset - inner) / pageBytes);
    if (flags !== AS_IS || length !== pageBytes) return undefined;
    return streamOffsetOf(storedOffset + inner, 1);
  }

  /** Descriptors lead from pages to stored bytes, and not back. */
  offsetAt(): undefined {
    return undefined;
  }

  #runLength(offset: number, isStored: boolean, limit: number): number {
    const { pageBytes, bitmap } = this.#options;
    const inner = offset % pageBytes;
    const pages = bitmap.runLength(
      (offset - inner) / pageBytes,
      isStored,
      Math.ceil((inner + limit) / pageBytes),
    );
    return Math.max(0, Math.min(limit, pages * pageBytes - inner));
  }

  #describe(page: number): Descriptor {
    const { bitmap, descriptorOffset } = this.#options;
    const bytes = this.#descriptors.view(
      descriptorOffset + bitmap.rankOf(page) * DESCRIPTOR_BYTES,
      DESCRIPTOR_BYTES,
    );
    this.#descriptor.offset = uint64LE(bytes, 0);
    this.#descriptor.length = bytes.readUInt32LE(8);
    this.#descriptor.flags = bytes.readUInt32LE(12);
    return this.#descriptor;
  }

  #page(page: number): Buffer {
    const { offset, length, flags } = this.#describe(page);
    const cached = this.#decoded.get(offset);
    if (cached?.length === length && cached.flags === flags) {
      // The map keeps the order in which pages were last used.
      this.#decoded.delete(offset);
      this.#decoded.set(offset, cached);
      return cached.bytes;
    }
    const { pageBytes, streamOffsetOf } = this.#options;
    const target = this.#freePage();
    try {
      if (length === 0 || length > pageBytes) throw new Error(`it is stored in ${length} bytes`);
      decodePage(this.#stored.view(offset, length), flags, target);
    } catch (error) {
      if (error instanceof HexzError && !pageDamage.has(error.code)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw damaged(
        `the page at ${hex(page * pageBytes)} cannot be decoded: ${reason}`,
        streamOffsetOf(offset, 1),
      );
    }
    this.#decoded.set(offset, { length, flags, bytes: target });
    return target;
  }

  /** Memory for a page: that of the page which was not used for longest, once the cache is full. */
  #freePage(): Buffer {
    for (const [offset, page] of this.#decoded) {
      if (this.#decoded.size < CACHED_PAGES) break;
      this.#decoded.delete(offset);
      return page.bytes;
    }
    return Buffer.allocUnsafeSlow(this.#options.pageBytes);
  }
}

function decodePage(stored: Buffer, flags: number, target: Buffer): void {
  switch (flags) {
    case AS_IS:
      if (stored.length !== target.length) throw new Error(`it has ${stored.length} bytes`);
      stored.copy(target);
      return;
    case ZLIB: {
      const plain = inflateSync(stored, { maxOutputLength: target.length });
      if (plain.length !== target.length) throw new Error(`it decodes to ${plain.length} bytes`);
      plain.copy(target);
      return;
    }
    case ZSTD:
      decodeZstd(stored, target, undefined);
      return;
    case LZO:
      throw unsupported('the dump is compressed with LZO, which hexz does not read');
    case SNAPPY:
      throw unsupported('the dump is compressed with Snappy, which hexz does not read');
    default:
      throw new Error(`compression ${hex(flags)} is unknown`);
  }
}
