import { HexzError } from '../errors.js';
import { readU64 } from '../format/byteReader.js';
import { MAGIC, notASnapshot, parseHeader, type SnapshotHeader } from '../format/header.js';
import {
  type BlockKind,
  entryBytesOfPage,
  type IndexPage,
  LONG_ENTRY_BYTES,
  SHORT_ENTRY_BYTES,
  type StoredBlock,
} from '../format/indexPage.js';
import { HEADER_BYTES, MAX_MASTER_INDEX_BYTES } from '../format/limits.js';
import { type MasterIndex, parseMasterIndex } from '../format/masterIndex.js';
import { checkIndexOffset, findProblems } from '../format/references.js';
import { type StreamName, streamNames } from '../format/types.js';
import { type BlockPlace, HashIndex } from './hashIndex.js';
import type { Source } from './source.js';
import { type PageCache, StreamIndex } from './streamIndex.js';

/** A4: written by hexz 0.4, no hashes. A: by 0.5. B: by 0.8, parents are found by hash. */
export type Generation = 'A4' | 'A' | 'B';

/** One entry of the index. Offsets and lengths in bytes; what is stored counts only for data blocks. */
export interface Block extends StoredBlock {
  readonly stream: StreamName;
  readonly kind: BlockKind;
  /** Logical range in the stream. */
  readonly offset: number;
  readonly length: number;
  /** BLAKE3 of the plaintext, where one is recorded. */
  readonly hash: Buffer | undefined;
}

/** What header and master index say, before anything of it is held against the file. */
export interface SnapshotOutline {
  readonly header: SnapshotHeader;
  readonly masterIndex: MasterIndex;
}

/** Pages of a stream that may tell the size of entries: a damaged one must not cost the others. */
const PAGES_TRIED = 16;

/**
 * Reads header and master index.
 *
 * @throws HexzError TRUNCATED, BAD_MAGIC, BAD_VERSION, BAD_HEADER, BAD_OFFSET, LIMIT, UNREADABLE
 */
export function readOutline(source: Source): SnapshotOutline {
  return inFile(source, () => {
    if (source.length < HEADER_BYTES) {
      const start = Buffer.alloc(Math.min(MAGIC.length, source.length));
      source.read(start, 0);
      if (!start.equals(MAGIC.subarray(0, start.length))) throw notASnapshot();
      throw new HexzError(
        'TRUNCATED',
        `${source.length} bytes are too few for a snapshot, whose header takes ${HEADER_BYTES}`,
      );
    }
    const headerBytes = Buffer.alloc(HEADER_BYTES);
    source.read(headerBytes, 0);
    const header = parseHeader(headerBytes);
    checkIndexOffset(header, source.length);
    const bytesToFileEnd = source.length - header.indexOffset;
    const indexBytes = Buffer.allocUnsafeSlow(Math.min(bytesToFileEnd, MAX_MASTER_INDEX_BYTES));
    source.read(indexBytes, header.indexOffset);
    return { header, masterIndex: parseMasterIndex(indexBytes, bytesToFileEnd) };
  });
}

/**
 * Entry size of the index pages, told from the first page that is sound; 52 for a file without pages.
 *
 * @throws HexzError BAD_INDEX, UNREADABLE
 */
export function readEntryBytes(source: Source, { header, masterIndex }: SnapshotOutline): number {
  if (header.layout === 'B') return LONG_ENTRY_BYTES;
  let firstError: unknown;
  for (const stream of streamNames) {
    const { pageCount, pageOffsets, pageLengths } = masterIndex[stream];
    for (let page = 0; page < Math.min(pageCount, PAGES_TRIED); page++) {
      try {
        return inFile(source, () =>
          entryBytesOf(source, pageOffsets[page] as number, pageLengths[page] as number),
        );
      } catch (error) {
        firstError ??= error;
      }
    }
  }
  if (firstError !== undefined) throw firstError;
  return LONG_ENTRY_BYTES;
}

function entryBytesOf(source: Source, pageOffset: number, pageLength: number): number {
  const count = Buffer.alloc(8);
  source.read(count, pageOffset);
  return entryBytesOfPage(pageLength, readU64(count, 0));
}

/** Whether a snapshot has a stream, whatever its flag says; it may still be empty. */
export function hasStream({ header, masterIndex }: SnapshotOutline, stream: StreamName): boolean {
  const flag = stream === 'disk' ? header.hasDisk : header.hasMemory;
  return flag || masterIndex[stream].streamLength > 0;
}

/** The generation that a header layout and an entry size make. */
export function generationOf({ layout }: SnapshotHeader, entryBytes: number): Generation {
  if (layout === 'B') return 'B';
  return entryBytes === SHORT_ENTRY_BYTES ? 'A4' : 'A';
}

/**
 * The index of one snapshot file: what its blocks are and where they lie. Needs neither password nor
 * parents, and decodes nothing.
 */
export class FileIndex {
  readonly source: Source;
  readonly header: SnapshotHeader;
  readonly masterIndex: MasterIndex;
  readonly generation: Generation;
  readonly streams: Readonly<Record<StreamName, StreamIndex>>;
  #hashIndex: HashIndex | undefined;

  /**
   * Reads header and master index and holds every reference in them against the file; index pages are
   * read when they are needed.
   *
   * @throws HexzError with the file
   */
  constructor(source: Source, pageCache: PageCache) {
    const outline = readOutline(source);
    const { header, masterIndex } = outline;
    const [problem] = findProblems(header, masterIndex, source.length);
    if (problem !== undefined) throw problem.at({ file: source.path });
    const entryBytes = readEntryBytes(source, outline);
    this.source = source;
    this.header = header;
    this.masterIndex = masterIndex;
    this.generation = generationOf(header, entryBytes);
    this.streams = {
      disk: new StreamIndex(source, masterIndex.disk, entryBytes, pageCache),
      memory: new StreamIndex(source, masterIndex.memory, entryBytes, pageCache),
    };
  }

  /** Where the data block with a hash stands. The first call reads the whole index. */
  placeOf(hash: Buffer): BlockPlace | undefined {
    this.#hashIndex ??= new HashIndex(streamNames.map((stream) => this.streams[stream]));
    return this.#hashIndex.find(hash);
  }

  /** What kept `placeOf` from seeing all blocks. */
  get hashDamage(): HexzError | undefined {
    return this.#hashIndex?.damage;
  }

  /**
   * All blocks of a stream in order, also empty ones; holds one index page at a time.
   *
   * @throws HexzError when an index page cannot be used
   */
  *blocks(stream: StreamName): Generator<Block, void> {
    for (let page = 0; page < this.masterIndex[stream].pageCount; page++) {
      yield* this.blocksOfPage(stream, page);
    }
  }

  /**
   * The blocks of one index page.
   *
   * @throws HexzError when the page cannot be used
   */
  *blocksOfPage(stream: StreamName, pageNumber: number): Generator<Block, void> {
    const page = inFile(this.source, () => this.streams[stream].loadOwnPage(pageNumber), stream);
    for (let entry = 0; entry < page.entryCount; entry++) yield describeBlock(stream, page, entry);
  }
}

/** An index entry as a value of its own. */
export function describeBlock(stream: StreamName, page: IndexPage, entry: number): Block {
  return {
    stream,
    kind: page.kindOf(entry),
    offset: page.offsetOf(entry),
    length: page.logicalLengthOf(entry),
    ...page.storedBlock(entry),
    hash: page.hashOf(entry),
  };
}

/** Runs an action and adds the file to what it throws. */
function inFile<T>(source: Source, action: () => T, stream?: StreamName): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof HexzError ? error.at({ file: source.path, stream }) : error;
  }
}
