import { blake3 } from '../codec/blake3.js';
import { HexzError } from '../errors.js';
import { type StreamName, streamNames } from '../format/types.js';
import type { Block } from './fileIndex.js';
import type { Snapshot } from './snapshot.js';

/** What was checked in one file so far; `Blocks` count index entries, bytes are logical. */
export interface FileTally {
  readonly path: string;
  dataBlocks: number;
  zeroBlocks: number;
  parentBlocks: number;
  /** Data blocks whose BLAKE3 hash was recorded, and compared. */
  hashedBlocks: number;
  checkedBytes: number;
  /** Bytes behind the last block, which read as zeros or from a parent. */
  uncoveredBytes: number;
  badBlocks: number;
}

/** Something damaged: one block, or all blocks of an index page that cannot be used. */
export interface Finding {
  readonly file: string;
  readonly stream: StreamName;
  readonly blockIndex: number | undefined;
  readonly offset: number;
  readonly length: number;
  readonly error: HexzError;
}

/** What `verifyChain` yields: a finding, or just how far it is. */
export interface VerifyStep {
  readonly tally: FileTally;
  readonly finding: Finding | undefined;
}

/**
 * Reads and checks every block of every stream of a snapshot and all its parents: place, CRC, decryption,
 * decoded length, BLAKE3 where recorded, and that every parent reference leads to a block. Goes on behind
 * damage. Yields after every block, so that the caller decides about progress and about stopping.
 */
export function* verifyChain(snapshot: Snapshot): Generator<VerifyStep, FileTally[]> {
  const tallies: FileTally[] = [];
  for (const file of snapshot.chain()) {
    const tally = emptyTally(file.path);
    tallies.push(tally);
    for (const stream of streamNames) yield* verifyStream(file, stream, tally);
  }
  return tallies;
}

function* verifyStream(
  file: Snapshot,
  stream: StreamName,
  tally: FileTally,
): Generator<VerifyStep, void> {
  const { pageCount, streamLength } = file.index.masterIndex[stream];
  let coveredBytes = 0;
  for (let pageNumber = 0; pageNumber < pageCount; pageNumber++) {
    coveredBytes = yield* verifyPage(file, stream, pageNumber, tally);
  }
  tally.uncoveredBytes += streamLength - coveredBytes;
}

/**
 * The same for the blocks of one index page.
 *
 * @param tally counts on with them
 * @param isDecoded whether a data block is decoded, too; of others only the stored bytes are checked
 * @returns where the page ends in the stream
 */
export function* verifyPage(
  file: Snapshot,
  stream: StreamName,
  pageNumber: number,
  tally: FileTally,
  isDecoded: (block: Block) => boolean = () => true,
): Generator<VerifyStep, number> {
  const { startOffsets, streamLength } = file.index.masterIndex[stream];
  const pageStart = startOffsets[pageNumber] as number;
  const pageEnd = startOffsets[pageNumber + 1] ?? streamLength;
  const blocks = file.index.blocksOfPage(stream, pageNumber);
  let plain = Buffer.alloc(0);
  let end = pageStart;
  for (;;) {
    let block: Block;
    try {
      const next = blocks.next();
      if (next.done === true) return end;
      block = next.value;
    } catch (error) {
      tally.badBlocks++;
      const finding = findingOf(error, file, stream, undefined, pageStart, pageEnd - pageStart);
      yield { tally, finding };
      return pageEnd;
    }
    end = block.offset + block.length;
    let finding: Finding | undefined;
    try {
      if (block.kind === 'data' && !isDecoded(block)) {
        file.storedBytes(block);
      } else if (block.kind === 'data') {
        if (plain.length < block.length) plain = Buffer.allocUnsafeSlow(block.length);
        checkDataBlock(file, block, plain.subarray(0, block.length), tally);
      } else if (block.kind === 'parent') {
        file.checkParentReference(block);
      } else {
        checkZeroBlock(block);
      }
    } catch (error) {
      tally.badBlocks++;
      finding = findingOf(error, file, stream, block.blockIndex, block.offset, block.length);
    }
    if (block.kind === 'data') tally.dataBlocks++;
    else if (block.kind === 'zero') tally.zeroBlocks++;
    else tally.parentBlocks++;
    tally.checkedBytes += block.length;
    yield { tally, finding };
  }
}

/** A tally of nothing yet. */
export const emptyTally = (path: string): FileTally => ({
  path,
  dataBlocks: 0,
  zeroBlocks: 0,
  parentBlocks: 0,
  hashedBlocks: 0,
  checkedBytes: 0,
  uncoveredBytes: 0,
  badBlocks: 0,
});

function checkDataBlock(file: Snapshot, block: Block, plain: Buffer, tally: FileTally): void {
  file.decodeBlock(block, plain);
  if (block.hash === undefined) return;
  tally.hashedBlocks++;
  if (!blake3(plain).equals(block.hash)) {
    throw new HexzError('HASH', 'the block decodes, but to other bytes than its BLAKE3 hash says');
  }
}

/** A data entry whose length was set to 0 reads as zeros; what else it records gives it away. */
function checkZeroBlock({ storedOffset, checksum, hash, length }: Block): void {
  const isZeroHash = hash === undefined || blake3(Buffer.alloc(length)).equals(hash);
  if (storedOffset === 0 && checksum === 0 && isZeroHash) return;
  throw new HexzError('BAD_INDEX', 'a zero block that records stored bytes, a checksum or a hash');
}

function findingOf(
  error: unknown,
  file: Snapshot,
  stream: StreamName,
  blockIndex: number | undefined,
  offset: number,
  length: number,
): Finding {
  if (!(error instanceof HexzError)) throw error;
  const located = error.at({ file: file.path, stream, blockIndex, offset });
  return { file: file.path, stream, blockIndex, offset, length, error: located };
}
