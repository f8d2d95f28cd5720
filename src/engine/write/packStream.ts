import type { StreamName } from '../format/types.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { MAX_BLOCKS } from './blockBatch.js';
import type { BlockPipeline } from './blockPipeline.js';
import type { Chunker } from './chunking.js';
import type { StreamInput } from './input.js';
import { type BorrowedBlock, ParentBlocks } from './parentBlocks.js';

/** Blocks of zeros between two looks at what is waiting. */
const ZEROS_AT_ONCE = 4096;

/** How much is read ahead of the chunker. */
const READ_BYTES = 1024 * 1024;

/**
 * Gives a whole input to the pipeline as one stream. Yields how many bytes of it are done.
 *
 * @param cutter the length of blocks, or what cuts them by their contents
 * @throws HexzError of the input, the parent, and as `BlockPipeline`
 */
export async function* packStream(
  pipeline: BlockPipeline,
  stream: StreamName,
  input: StreamInput,
  cutter: number | Chunker,
  parent: Snapshot | undefined,
): AsyncGenerator<number, void> {
  pipeline.beginStream(stream);
  const parentBlocks = parent === undefined ? undefined : new ParentBlocks(parent, stream);
  if (typeof cutter === 'number') yield* packBlocks(pipeline, input, cutter, parentBlocks);
  else yield* packChunks(pipeline, input, cutter, parentBlocks);
}

async function* packBlocks(
  pipeline: BlockPipeline,
  input: StreamInput,
  blockBytes: number,
  parent: ParentBlocks | undefined,
): AsyncGenerator<number, void> {
  const readBytes = Math.min(MAX_BLOCKS, Math.floor(pipeline.batchBytes / blockBytes)) * blockBytes;
  let offset = 0;
  for (;;) {
    const hole = wholeBlocks(input, offset, blockBytes);
    if (hole > 0) {
      input.skip(hole);
      for (let left = hole, count = 1; left > 0; left -= blockBytes, count++) {
        pipeline.addEntry({ kind: 'zero', logicalLength: Math.min(blockBytes, left) });
        if (count % ZEROS_AT_ONCE !== 0) continue;
        await pipeline.settle();
        yield offset + count * blockBytes;
      }
      offset += hole;
      yield offset;
      continue;
    }
    // A hole that is no whole block is read with the block that it begins in.
    const worthReading = input.holeLength() > 0 ? 1 : input.dataLength();
    const dataBytes = Math.ceil(worthReading / blockBytes) * blockBytes;
    const room = (await pipeline.reserve(pipeline.batchBytes)).subarray(
      0,
      Math.min(readBytes, dataBytes),
    );
    const bytes = room.subarray(0, await input.read(room));
    for (let start = 0; start < bytes.length; start += blockBytes) {
      const block = bytes.subarray(start, start + blockBytes);
      give(pipeline, block, parent?.find(offset + start, block));
    }
    offset += bytes.length;
    await pipeline.settle();
    yield offset;
    if (bytes.length < room.length) return;
  }
}

/** How much of the hole at the input's position is whole blocks, the last one of the input included. */
function wholeBlocks(input: StreamInput, offset: number, blockBytes: number): number {
  const hole = input.holeLength();
  if (hole > 0 && offset + hole === input.length) return hole;
  return hole - (hole % blockBytes);
}

async function* packChunks(
  pipeline: BlockPipeline,
  input: StreamInput,
  chunker: Chunker,
  parent: ParentBlocks | undefined,
): AsyncGenerator<number, void> {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES + chunker.maximumBytes);
  let offset = 0;
  let start = 0;
  let end = 0;
  let isAtEnd = false;
  for (;;) {
    buffer.copyWithin(0, start, end);
    end -= start;
    start = 0;
    while (!isAtEnd && end < buffer.length) {
      // Chunks depend on all bytes, so that those of a hole are made here, but not read.
      const hole = Math.min(input.holeLength(), buffer.length - end);
      const room = buffer.subarray(end, hole > 0 ? end + hole : undefined);
      if (hole > 0) {
        input.skip(hole);
        room.fill(0);
        end += hole;
      } else {
        const count = await input.read(room);
        end += count;
        isAtEnd = count < room.length;
      }
    }
    while (start < end && (isAtEnd || end - start >= chunker.maximumBytes)) {
      const length = chunker.nextLength(buffer, start, end);
      const block = (await pipeline.reserve(length)).subarray(0, length);
      buffer.copy(block, 0, start, start + length);
      give(pipeline, block, parent?.find(offset, block));
      start += length;
      offset += length;
    }
    await pipeline.settle();
    yield offset;
    if (isAtEnd) return;
  }
}

function give(pipeline: BlockPipeline, block: Buffer, borrowed: BorrowedBlock | undefined): void {
  if (borrowed === undefined) pipeline.addBlock(block);
  else pipeline.addEntry({ kind: 'parent', logicalLength: block.length, hash: borrowed.hash });
}
