import { z } from 'zod';
import { count, path, streamName, text } from './values.js';

/** What is to be made of the live overlay. */
export const commitParams = {
  output: path,
  force: z.boolean().default(false),
  thin: z.boolean().default(false),
  compression: z.enum(['lz4', 'zstd']).default('lz4'),
  blockBytes: count.optional(),
  message: text.optional(),
  dropsMemory: z.boolean().default(false),
  /** Encrypt the new snapshot with this. */
  password: text.optional(),
  /** Leave out what the review drops. */
  usesReview: z.boolean().default(true),
  verifiesAll: z.boolean().default(false),
};

const streamCounts = z.object({
  length: count,
  encodedBlocks: count,
  copiedBlocks: count,
  sharedBlocks: count,
  zeroBlocks: count,
  parentBlocks: count,
  storedBytes: count,
});

const streams = z.partialRecord(streamName, streamCounts);

/** What was made: the last document of `hexz commit --json`. */
export const commitReport = z.object({
  output: z.string(),
  fileBytes: count,
  streams,
  encoder: z.string(),
  seconds: z.number(),
  warnings: z.array(z.string()).readonly(),
  base: z.string(),
  baseBytes: count,
  /** Dirty pages that were committed. */
  committedPages: count,
  /** Pages that stay in the overlay. */
  remainingPages: count,
  overlay: z.enum(['deleted', 'kept', 'rebound']),
  /** What was read back and compared before the file got its name: of blocks that it holds, or (`isWhole`) every byte. */
  verified: z.object({ blocks: count, bytes: count, isWhole: z.boolean() }),
});

/** What a commit would make. */
export const commitPlan = z.object({
  streams: z.partialRecord(
    streamName,
    z.object({
      length: count,
      /** Blocks that would be encoded; those that turn out to be zero, or equal to others, take no room. */
      encodedBlocks: count,
      copiedBlocks: count,
      zeroBlocks: count,
      parentBlocks: count,
      /** What the blocks would take; an estimate, for which `sampledBlocks` of those to be encoded were. */
      estimatedStoredBytes: count,
      /** What they take at most. */
      maximumStoredBytes: count,
      sampledBlocks: count,
    }),
  ),
  committedPages: count,
  committedBytes: count,
  remainingPages: count,
});

export type CommitReport = z.output<typeof commitReport>;
export type CommitPlan = z.output<typeof commitPlan>;
