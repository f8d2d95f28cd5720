import type { Snapshot } from '../snapshot/snapshot.js';
import type { BlockPipeline } from './blockPipeline.js';
import type { CommitSource } from './commitSource.js';
import type { StoredSource } from './storedSource.js';

/** How the blocks of a commit are made. */
export interface CommitRules {
  readonly base: Snapshot;
  readonly blockBytes: number;
  /** Whether blocks that did not change are borrowed from the base. */
  readonly isThin: boolean;
  /** Where blocks that did not change are copied from; undefined if none can be. */
  readonly storedSource: StoredSource | undefined;
}

/** What a block of the new snapshot is made of. */
export type BlockOrigin = 'parent' | 'zero' | 'base' | 'changed';

/** Blocks between two looks at what is waiting. */
const BLOCKS_AT_ONCE = 1024;

/**
 * What a range of a stream is made of: zero where neither base nor overlay has anything, parent where a thin snapshot
 * borrows it, base where it is as in the base, changed where it has to be read through the overlay.
 */
export function originOf(
  { base, isThin }: Pick<CommitRules, 'base' | 'isThin'>,
  source: CommitSource,
  offset: number,
  length: number,
): BlockOrigin {
  const end = offset + length;
  if (source.isChanged(offset, end)) return 'changed';
  if (offset >= source.baseEnd) return 'zero';
  const isWhole = end <= source.baseEnd;
  // A reference may reach behind the end of the parent, where zeros are; a cut is not one.
  if (isThin) {
    const isBehindEnd = source.baseEnd === base.streamLength(source.stream);
    return isWhole || isBehindEnd ? 'parent' : 'changed';
  }
  return isWhole ? 'base' : 'changed';
}

/**
 * Gives a stream to the pipeline, block by block. Yields how many bytes of it are done.
 *
 * @throws HexzError of base and overlay, and as `BlockPipeline`
 */
export async function* commitStream(
  pipeline: BlockPipeline,
  source: CommitSource,
  rules: CommitRules,
): AsyncGenerator<number, void> {
  const { base, blockBytes, storedSource } = rules;
  const { stream, length: streamLength } = source;
  pipeline.beginStream(stream);
  let count = 0;
  for (let offset = 0; offset < streamLength; offset += blockBytes) {
    const logicalLength = Math.min(blockBytes, streamLength - offset);
    const origin = originOf(rules, source, offset, logicalLength);
    if (origin === 'parent') {
      const block = base.blockAt(stream, offset);
      const isSameRange = block?.offset === offset && block.length === logicalLength;
      const hash = isSameRange ? block.hash : undefined;
      pipeline.addEntry({ kind: 'parent', logicalLength, hash });
    } else if (
      origin === 'zero' ||
      (origin === 'base' && isZeroRun(base, source, offset, logicalLength))
    ) {
      pipeline.addEntry({ kind: 'zero', logicalLength });
    } else {
      const copy =
        origin === 'base' ? storedSource?.find(stream, offset, logicalLength) : undefined;
      if (copy !== undefined) pipeline.addCopy(copy);
      else {
        const bytes = (await pipeline.reserve(logicalLength)).subarray(0, logicalLength);
        source.read(offset, bytes);
        pipeline.addBlock(bytes);
      }
      await pipeline.settle();
      yield offset + logicalLength;
    }
    if (++count % BLOCKS_AT_ONCE === 0) {
      await pipeline.settle();
      yield offset + logicalLength;
    }
  }
  yield streamLength;
}

/** Whether the index of the base says that a range is zero. */
function isZeroRun(
  base: Snapshot,
  { stream }: CommitSource,
  offset: number,
  length: number,
): boolean {
  const run = base.runAt(stream, offset, length);
  return run.kind === 'zero' && run.length === length;
}
