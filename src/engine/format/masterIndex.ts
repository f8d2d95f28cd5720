import { HexzError } from '../errors.js';
import { readU64, writeU64 } from './byteReader.js';
import { MAX_MASTER_INDEX_BYTES, MAX_STREAM_BYTES } from './limits.js';
import type { StreamName } from './types.js';

const PAGE_REFERENCE_BYTES = 28;

/**
 * Where the index pages of one stream lie, one element per page in every array. Plain arrays of numbers:
 * a snapshot of 1 TiB in 4 KiB blocks has 65,536 pages.
 */
export interface StreamTable {
  readonly stream: StreamName;
  /** Size of the stream in bytes; blocks may cover less. */
  readonly streamLength: number;
  readonly pageCount: number;
  /** File offset of each page. */
  readonly pageOffsets: Float64Array;
  /** Length in bytes of each page. */
  readonly pageLengths: Uint32Array;
  /** Global block index of the first entry of each page. */
  readonly startBlockIndexes: Float64Array;
  /** Logical offset of the first entry of each page. */
  readonly startOffsets: Float64Array;
}

export interface MasterIndex {
  readonly disk: StreamTable;
  readonly memory: StreamTable;
  /** Bytes that the master index itself takes in the file. */
  readonly encodedLength: number;
}

/**
 * Decodes the master index.
 *
 * @param bytes the file from the index offset on: to its end, or MAX_MASTER_INDEX_BYTES
 * @param bytesToFileEnd how many bytes the file holds from the index offset on
 * @throws HexzError TRUNCATED, LIMIT
 */
export function parseMasterIndex(bytes: Buffer, bytesToFileEnd: number): MasterIndex {
  let offset = 0;
  const take = (length: number, what: string): number => {
    if (length > bytesToFileEnd - offset) {
      throw new HexzError('TRUNCATED', `the file ends inside the master index (${what})`);
    }
    if (length > bytes.length - offset) {
      throw new HexzError(
        'LIMIT',
        `the master index is longer than ${MAX_MASTER_INDEX_BYTES} bytes`,
      );
    }
    const start = offset;
    offset += length;
    return start;
  };
  const takeCount = (stream: StreamName): { count: number; start: number } => {
    const count = readU64(bytes, take(8, `number of ${stream} pages`));
    return { count, start: take(count * PAGE_REFERENCE_BYTES, `${count} ${stream} pages`) };
  };
  const takeSize = (stream: StreamName): number => {
    const size = readU64(bytes, take(8, `size of the ${stream} stream`));
    if (size > MAX_STREAM_BYTES) {
      throw new HexzError('LIMIT', `the ${stream} stream claims more than 2^53 - 1 bytes`);
    }
    return size;
  };
  const diskPages = takeCount('disk');
  const memoryPages = takeCount('memory');
  const diskLength = takeSize('disk');
  const memoryLength = takeSize('memory');
  if (diskLength + memoryLength > MAX_STREAM_BYTES) {
    throw new HexzError('LIMIT', 'the streams together claim more than 2^53 - 1 bytes');
  }
  return {
    disk: parseStreamTable(bytes, 'disk', diskPages, diskLength),
    memory: parseStreamTable(bytes, 'memory', memoryPages, memoryLength),
    encodedLength: offset,
  };
}

function parseStreamTable(
  bytes: Buffer,
  stream: StreamName,
  { count, start }: { count: number; start: number },
  streamLength: number,
): StreamTable {
  const table = {
    stream,
    streamLength,
    pageCount: count,
    pageOffsets: new Float64Array(count),
    pageLengths: new Uint32Array(count),
    startBlockIndexes: new Float64Array(count),
    startOffsets: new Float64Array(count),
  };
  for (let page = 0; page < count; page++) {
    const offset = start + page * PAGE_REFERENCE_BYTES;
    table.pageOffsets[page] = readU64(bytes, offset);
    table.pageLengths[page] = bytes.readUInt32LE(offset + 8);
    table.startBlockIndexes[page] = readU64(bytes, offset + 12);
    table.startOffsets[page] = readU64(bytes, offset + 20);
  }
  return table;
}

/** One page of a stream, for encoding. */
export interface PageReference {
  readonly offset: number;
  readonly length: number;
  readonly startBlockIndex: number;
  readonly startOffset: number;
}

/** Encodes a master index from the pages and sizes of both streams. */
export function encodeMasterIndex(
  pages: Readonly<Record<StreamName, readonly PageReference[]>>,
  sizes: Readonly<Record<StreamName, number>>,
): Buffer {
  const count = pages.disk.length + pages.memory.length;
  const bytes = Buffer.alloc(32 + count * PAGE_REFERENCE_BYTES);
  let offset = 0;
  const u64 = (value: number) => {
    writeU64(bytes, value, offset);
    offset += 8;
  };
  for (const references of [pages.disk, pages.memory]) {
    u64(references.length);
    for (const reference of references) {
      u64(reference.offset);
      offset = bytes.writeUInt32LE(reference.length, offset);
      u64(reference.startBlockIndex);
      u64(reference.startOffset);
    }
  }
  u64(sizes.disk);
  u64(sizes.memory);
  return bytes;
}
