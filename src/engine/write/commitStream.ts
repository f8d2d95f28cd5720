import { LONG_ENTRY_BYTES } from '../format/indexPage.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import type { BlockPipeline } from './blockPipeline.js';
import type { CommitSource } from './commitSource.js';
import { ParentReferences } from './parentReferences.js';
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

/** Blocks without bytes between two looks at what is waiting. */
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
  if (source.firstChange(offset, end) !== undefined) return 'changed';
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
  const { base, blockBytes, isThin } = rules;
  const { stream, length: streamLength } = source;
  const references = isThin ? new ParentReferences(base, source, blockBytes) : undefined;
  pipeline.beginStream(stream);
  let untilSettled = BLOCKS_AT_ONCE;
  for (let offset = 0; offset < streamLength; ) {
    const run = references?.from(offset);
    if (run !== undefined && run.length > 0) {
      pipeline.addReferences(run, blockBytes);
      offset += (run.length / LONG_ENTRY_BYTES) * blockBytes;
      untilSettled = 0;
    } else {
      const logicalLength = Math.min(blockBytes, streamLength - offset);
      const isHeavy = await giveBlock(pipeline, source, rules, offset, logicalLength);
      offset += logicalLength;
      untilSettled = isHeavy ? 0 : untilSettled - 1;
    }
    if (untilSettled > 0) continue;
    untilSettled = BLOCKS_AT_ONCE;
    await pipeline.settle();
    yield offset;
  }
}

/** Gives one block; answers whether it has bytes. */
async function giveBlock(
  pipeline: BlockPipeline,
  source: CommitSource,
  rules: CommitRules,
  offset: number,
  logicalLength: number,
): Promise<boolean> {
  const { base, storedSource } = rules;
  const { stream } = source;
  const origin = originOf(rules, source, offset, logicalLength);
  if (origin === 'parent') {
    const block = base.blockAt(stream, offset);
    const isSameRange = block?.offset === offset && block.length === logicalLength;
    const hash = isSameRange ? block.hash : undefined;
    pipeline.addEntry({ kind: 'parent', logicalLength, hash });
    return false;
  }
  const isFromBase = origin === 'base';
  if (origin === 'zero' || (isFromBase && isZeroRun(base, source, offset, logicalLength))) {
    pipeline.addEntry({ kind: 'zero', logicalLength });
    return false;
  }
  const copy = isFromBase ? storedSource?.find(stream, offset, logicalLength) : undefined;
  if (copy !== undefined) pipeline.addCopy(copy);
  else {
    const bytes = (await pipeline.reserve(logicalLength)).subarray(0, logicalLength);
    source.read(offset, bytes);
    pipeline.addBlock(bytes);
  }
  return true;
}

/** Whether the index of the base says that a range is zero. */
export function isZeroRun(
  base: Snapshot,
  { stream }: CommitSource,
  offset: number,
  length: number,
): boolean {
  const run = base.runAt(stream, offset, length);
  return run.kind === 'zero' && run.length === length;
}
