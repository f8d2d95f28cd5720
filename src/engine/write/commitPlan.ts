import type { BlockEncoder } from '../codec/blockEncoder.js';
import { LONG_ENTRY_BYTES } from '../format/indexPage.js';
import { maximumStoredBytes } from '../format/limits.js';
import type { StreamName } from '../format/types.js';
import type { ReadableOverlay } from '../overlay/mergedDisk.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import {
  type CommitOutputOptions,
  checkCommitOptions,
  commitRules,
  committedDisk,
  committedStreams,
} from './commitOutput.js';
import { type CommitSource, divideInSteps } from './commitSource.js';
import { type CommitRules, isZeroRun, originOf } from './commitStream.js';
import { EncodingSample } from './encodingSample.js';
import { ParentReferences } from './parentReferences.js';

/** What a stream of the new snapshot will be made of. */
interface PlannedStream {
  /** In bytes. */
  readonly length: number;
  /** Blocks that will be encoded; those that turn out to be zero, or equal to others, take no room. */
  encodedBlocks: number;
  /** Taken from the base, or its parents, as they are stored. */
  copiedBlocks: number;
  zeroBlocks: number;
  /** Borrowed from the base. */
  parentBlocks: number;
  /** An estimate: of copied blocks what they take now, of others as much as those took of them that were encoded for it. */
  estimatedStoredBytes: number;
  /** What the blocks take at most, if none of those that are encoded can be compressed. */
  maximumStoredBytes: number;
  /** How many blocks were encoded to estimate the others. */
  sampledBlocks: number;
}

/** What a commit would make. */
export interface CommitPlan {
  readonly streams: Partial<Record<StreamName, PlannedStream>>;
  /** Dirty pages that would be committed, some of them perhaps in part, and how many bytes of them. */
  readonly committedPages: number;
  readonly committedBytes: number;
  /** Dirty pages that the new snapshot would not hold whole. */
  readonly remainingPages: number;
}

/** How much was looked at; in bytes of all streams. */
export interface PlanProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Blocks, or runs of references, between two looks at whoever waits. */
const BLOCKS_AT_ONCE = 1024;

/**
 * Finds out what a commit would make, from the indexes of the base and the dirty pages; of the blocks that it would
 * encode, some are. Who stops asking for more cancels it.
 *
 * @throws HexzError USAGE; of base and overlay
 */
export function* planCommit(
  base: Snapshot,
  overlay: ReadableOverlay,
  options: Omit<CommitOutputOptions, 'output' | 'memory'>,
  encoder: BlockEncoder,
): Generator<PlanProgress, CommitPlan> {
  const choices = { ...options, output: '' };
  checkCommitOptions(choices);
  const rules = commitRules(base, choices);
  const { selection } = options;
  const sources = committedStreams(base, committedDisk(base, overlay, selection), choices);
  const totalBytes = sources.reduce((sum, { length }) => sum + length, 0);
  const streams: Partial<Record<StreamName, PlannedStream>> = {};
  let doneBytes = 0;
  for (const source of sources) {
    const planned = newStream(source.length);
    if (source.length > 0) streams[source.stream] = planned;
    const sample = new EncodingSample(rules.blockBytes);
    for (const offset of planStream(source, rules, planned, sample)) {
      yield { doneBytes: doneBytes + offset, totalBytes };
    }
    const estimate = sample.measure(source, encoder);
    let step = estimate.next();
    for (; step.done !== true; step = estimate.next()) {
      yield { doneBytes: doneBytes + source.length, totalBytes };
    }
    planned.estimatedStoredBytes += step.value.storedBytes;
    planned.sampledBlocks = step.value.sampledBlocks;
    doneBytes += source.length;
  }
  const division = divideInSteps(overlay, selection);
  for (;;) {
    const step = division.next();
    if (step.done === true) {
      const { remaining, ...committed } = step.value;
      return { streams, ...committed, remainingPages: remaining.size };
    }
    yield { doneBytes: totalBytes, totalBytes };
  }
}

/** Yields how far it is. */
function* planStream(
  source: CommitSource,
  rules: CommitRules,
  planned: PlannedStream,
  sample: EncodingSample,
): Generator<number, void> {
  const { base, blockBytes, isThin } = rules;
  const references = isThin ? new ParentReferences(base, source, blockBytes) : undefined;
  let untilTold = BLOCKS_AT_ONCE;
  for (let offset = 0; offset < source.length; ) {
    const run = (references?.from(offset).length ?? 0) / LONG_ENTRY_BYTES;
    if (run > 0) {
      planned.parentBlocks += run;
      offset += run * blockBytes;
    } else {
      const length = Math.min(blockBytes, source.length - offset);
      planBlock(source, rules, planned, sample, offset, length);
      offset += length;
    }
    if (--untilTold > 0) continue;
    untilTold = BLOCKS_AT_ONCE;
    yield offset;
  }
}

function planBlock(
  source: CommitSource,
  rules: CommitRules,
  planned: PlannedStream,
  sample: EncodingSample,
  offset: number,
  length: number,
): void {
  const { base, storedSource } = rules;
  const { stream } = source;
  const origin = originOf(rules, source, offset, length);
  if (origin === 'parent') {
    planned.parentBlocks++;
    return;
  }
  const isFromBase = origin === 'base';
  if (origin === 'zero' || (isFromBase && isZeroRun(base, source, offset, length))) {
    planned.zeroBlocks++;
    return;
  }
  const copied = isFromBase ? storedSource?.storedLengthOf(stream, offset, length) : undefined;
  if (copied !== undefined) {
    planned.copiedBlocks++;
    planned.estimatedStoredBytes += copied;
    planned.maximumStoredBytes += copied;
  } else {
    planned.encodedBlocks++;
    planned.maximumStoredBytes += maximumStoredBytes(length);
    sample.add(offset, length);
  }
}

const newStream = (length: number): PlannedStream => ({
  length,
  encodedBlocks: 0,
  copiedBlocks: 0,
  zeroBlocks: 0,
  parentBlocks: 0,
  estimatedStoredBytes: 0,
  maximumStoredBytes: 0,
  sampledBlocks: 0,
});
