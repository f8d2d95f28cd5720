import { z } from 'zod';
import { count, streamName } from './values.js';

/** One request of a program to the mount, as the engine answered it. */
export const activityEvent = z.object({
  /** Milliseconds since 1970, with fractions. */
  time: z.number(),
  kind: z.enum(['read', 'write', 'truncate', 'sync']),
  stream: streamName,
  offset: count,
  length: count,
  /** Blocks of the snapshot that were needed, none for dirty pages or for writes of whole pages; then null and 0. */
  firstBlockIndex: count.nullable(),
  blockCount: count,
  hitBlocks: count,
  decodedBlocks: count,
  decodeMicroseconds: z.number(),
  /** From request to answer. */
  microseconds: z.number(),
  /** Pages that turned dirty. */
  newDirtyPages: count,
  hasFailed: z.boolean(),
});

const streamCounters = z.object({
  reads: count,
  readBytes: count,
  writes: count,
  writtenBytes: count,
  errors: count,
});

/** Sums since the engine began. */
const activityCounters = z.object({
  streams: z.partialRecord(streamName, streamCounters),
  hitBlocks: count,
  decodedBlocks: count,
  decodeMicroseconds: z.number(),
});

const percentiles = z.object({ p50: z.number(), p99: z.number() });

/** Runs of cells: first cell, number of cells, and so on. */
const cellRuns = z.array(count).readonly();

/** What happened since the last sample of this watcher. */
export const activitySample = z.object({
  /** Milliseconds since 1970, with fractions. */
  time: z.number(),
  /** Since the last sample of this watcher. */
  seconds: z.number(),
  counters: activityCounters,
  /** Of the requests since the last sample, in microseconds; null if there was none. */
  readLatency: percentiles.nullable(),
  writeLatency: percentiles.nullable(),
  /** Cells that were touched since then; a cell is `cellBytes` of the stream. */
  touched: z.partialRecord(
    streamName,
    z.object({ cellBytes: count, read: cellRuns, written: cellRuns }),
  ),
  events: z.array(activityEvent).readonly(),
  /** Events that are not in `events`: the ring went round, or the watcher asked for fewer. */
  lostEvents: count,
  /** Of the overlay. */
  dirtyPages: count,
  diskLength: count,
});

/** Cells of a stream that are not as the snapshot alone has them: first a cell, then how many, and so on. */
const cellCounts = z.array(count).readonly();

/** What of the cells of a stream is dirty and cached at one moment. */
export const occupancy = z.object({
  /** Cell, dirty pages, and so on; cells without any are left out. */
  dirty: cellCounts,
  /** Cell, blocks in the memory for decoded blocks, and so on; each is counted where it begins. */
  cached: cellCounts,
  /** Of the overlay. */
  dirtyPages: count,
  diskLength: count,
});

export type ActivityEvent = z.output<typeof activityEvent>;
export type ActivityCounters = z.output<typeof activityCounters>;
export type ActivitySample = z.output<typeof activitySample>;
