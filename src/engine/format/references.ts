import { HexzError } from '../errors.js';
import type { SnapshotHeader } from './header.js';
import { MAX_PAGE_BYTES, MIN_PAGE_BYTES } from './indexPage.js';
import {
  HEADER_BYTES,
  MAX_BLOCK_BYTES,
  MAX_DICTIONARY_BYTES,
  MAX_KDF_ITERATIONS,
  MAX_METADATA_BYTES,
  MIN_KDF_ITERATIONS,
} from './limits.js';
import type { MasterIndex, StreamTable } from './masterIndex.js';
import type { FileRange } from './types.js';

/**
 * Holds the index offset of a header against the file.
 *
 * @throws HexzError BAD_OFFSET
 */
export function checkIndexOffset(header: SnapshotHeader, fileLength: number): void {
  const { indexOffset } = header;
  if (indexOffset < HEADER_BYTES || indexOffset >= fileLength) {
    throw new HexzError(
      'BAD_OFFSET',
      `the master index is said to be at ${indexOffset}, but the file has ${fileLength} bytes`,
      indexOffset < HEADER_BYTES ? {} : { hint: 'was the file copied completely?' },
    );
  }
}

/**
 * Every reference and value of header and master index that contradicts the file or a limit, also those
 * that reading would never touch. In the order of the file, one at a time: a forged index has millions.
 * None for a sound snapshot.
 */
export function* findProblems(
  header: SnapshotHeader,
  index: MasterIndex,
  fileLength: number,
): Generator<HexzError, void> {
  yield* headerProblems(header, fileLength);
  yield* indexProblems(index, fileLength);
}

function* headerProblems(header: SnapshotHeader, fileLength: number): Generator<HexzError> {
  const { blockSize, encryption } = header;
  if (blockSize < 1 || blockSize > MAX_BLOCK_BYTES) {
    yield new HexzError('LIMIT', `block size ${blockSize} (1 to ${MAX_BLOCK_BYTES})`);
  }
  yield* rangeProblems('dictionary', header.dictionary, MAX_DICTIONARY_BYTES, fileLength);
  yield* rangeProblems('metadata', header.metadata, MAX_METADATA_BYTES, fileLength);
  yield* rangeProblems('signature', header.signature, undefined, fileLength);
  if (
    encryption !== undefined &&
    (encryption.iterations < MIN_KDF_ITERATIONS || encryption.iterations > MAX_KDF_ITERATIONS)
  ) {
    yield new HexzError(
      'LIMIT',
      `${encryption.iterations} key derivation iterations (${MIN_KDF_ITERATIONS} to ${MAX_KDF_ITERATIONS})`,
    );
  }
}

function* rangeProblems(
  name: string,
  range: FileRange | undefined,
  limit: number | undefined,
  fileLength: number,
): Generator<HexzError> {
  // Writers record an absent dictionary or message as an empty range; where it lies means nothing then.
  if (range === undefined || range.length === 0) return;
  if (limit !== undefined && range.length > limit) {
    yield new HexzError('LIMIT', `${name} of ${range.length} bytes (at most ${limit})`);
  } else if (!liesInFile(range.offset, range.length, fileLength)) {
    yield new HexzError('BAD_OFFSET', `${name} ${outside(range.offset, range.length, fileLength)}`);
  }
}

function* indexProblems(index: MasterIndex, fileLength: number): Generator<HexzError> {
  let pageBytes = 0;
  for (const table of [index.disk, index.memory]) {
    let previousBlockIndex = -1;
    for (let page = 0; page < table.pageCount; page++) {
      const problem = pageProblem(table, page, previousBlockIndex, fileLength);
      if (problem !== undefined) yield problem.at({ stream: table.stream });
      previousBlockIndex = table.startBlockIndexes[page] as number;
      pageBytes += table.pageLengths[page] as number;
    }
  }
  // Pages that lie on each other could claim any number of blocks in a small file.
  if (pageBytes > fileLength) {
    yield new HexzError(
      'BAD_INDEX',
      `index pages of ${pageBytes} bytes in a file of ${fileLength}`,
    );
  }
}

function pageProblem(
  table: StreamTable,
  page: number,
  previousBlockIndex: number,
  fileLength: number,
): HexzError | undefined {
  const offset = table.pageOffsets[page] as number;
  const length = table.pageLengths[page] as number;
  const startOffset = table.startOffsets[page] as number;
  const startBlockIndex = table.startBlockIndexes[page] as number;
  if (!liesInFile(offset, length, fileLength)) {
    return new HexzError('BAD_OFFSET', `index page ${page} ${outside(offset, length, fileLength)}`);
  }
  if (length < MIN_PAGE_BYTES) {
    return new HexzError('BAD_INDEX', `index page ${page} of ${length} bytes`);
  }
  if (length > MAX_PAGE_BYTES) {
    return new HexzError(
      'LIMIT',
      `index page ${page} of ${length} bytes (at most ${MAX_PAGE_BYTES})`,
    );
  }
  const previousStart = page === 0 ? 0 : (table.startOffsets[page - 1] as number);
  if (page === 0 ? startOffset !== 0 : startOffset < previousStart) {
    return new HexzError(
      'BAD_INDEX',
      `index page ${page} starts at ${startOffset}, behind a page that starts at ${previousStart}`,
    );
  }
  if (startOffset > table.streamLength) {
    return new HexzError(
      'BAD_INDEX',
      `index page ${page} starts at ${startOffset}, the stream ends at ${table.streamLength}`,
    );
  }
  if (startBlockIndex <= previousBlockIndex || startBlockIndex > Number.MAX_SAFE_INTEGER) {
    return new HexzError(
      'BAD_INDEX',
      `index page ${page} starts with block ${startBlockIndex}, the page before with ${previousBlockIndex}`,
    );
  }
  return undefined;
}

/** Whether a range lies behind the header and inside the file. */
export function liesInFile(offset: number, length: number, fileLength: number): boolean {
  return offset >= HEADER_BYTES && length <= fileLength && offset <= fileLength - length;
}

/** The words for a range that does not. */
export function outside(offset: number, length: number, fileLength: number): string {
  return offset < HEADER_BYTES
    ? `at ${offset} lies in the header`
    : `at ${offset}, ${length} bytes, ends outside the file (${fileLength} bytes)`;
}
