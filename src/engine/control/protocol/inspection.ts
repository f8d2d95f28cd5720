import { z } from 'zod';
import { activityEvent } from './activity.js';
import { count, portableError, streamName } from './values.js';

/*
 * What is found in streams. Where a memory stream is in a container, `offset` is as the request's `addressing` says, and
 * `streamOffset` the place in the stream, null where it has none (compressed, or filled).
 */

const found = { offset: count, length: count, streamOffset: count.nullable().optional() };

/** Bytes of a stream; where a container holds them, they follow each other there too. */
const piece = z.object({ ...found, /** base64 */ bytes: z.string() });

/** What `read` answers: pieces in order; what lies between them is not present. */
export const readResult = z.object({
  offset: count,
  /** As far as was looked: less than was asked for only at the end of the stream. */
  length: count,
  /** Size of the stream, or behind the last address. */
  endOffset: count,
  pieces: z.array(piece),
});

/** A block of a stream, and where its bytes come from. */
export const listedBlock = z.object({
  stream: streamName,
  blockIndex: count,
  offset: count,
  length: count,
  kind: z.string(),
  /** The file that holds it: the snapshot, or one of its parents. */
  file: z.string(),
  storedOffset: count.nullable(),
  storedLength: count.nullable(),
  /** Stored over logical length. */
  ratio: z.number().nullable(),
  compression: z.string().nullable(),
  isEncrypted: z.boolean(),
  /** BLAKE3, hexadecimal. */
  hash: z.string().nullable(),
  /** Pages of it that are dirty. */
  dirtyPages: count,
  /** Whether the mount has it decoded in memory. One that is read at several places is counted at the first of them. */
  isCached: z.boolean(),
});

const blockPlace = z.object({ stream: streamName, blockIndex: count, offset: count });

export const block = listedBlock.extend({
  /** How many blocks of the file that holds it are the same stored bytes, this one included; null if nobody asked. */
  sharedBy: count.nullable(),
  /** The first of them. */
  sharedAt: z.array(blockPlace),
  /** The last reads of the mount in it, the newest first. */
  lastReads: z.array(activityEvent),
  /** Why it cannot be read; null if it can, or if nobody asked. */
  damage: portableError.nullable(),
});

/** Cells of a stream, one after the other, that are made of the same amounts. */
export const cellRun = z.object({
  firstCell: count,
  cellCount: count,
  /** Bytes of each cell in blocks that are stored, of zeros, and of a parent; what lacks is not known. */
  dataBytes: count,
  zeroBytes: count,
  parentBytes: count,
});

export const match = z.object({
  ...found,
  /** Some bytes around it, as base64; it begins at `previewOffset`. */
  preview: z.string(),
  previewOffset: count,
});

export const encoding = z.enum(['ascii', 'utf-8', 'utf-16le', 'utf-16be']);

export const foundString = z.object({
  ...found,
  encoding,
  text: z.string(),
  /** Whether it goes on in the next item. */
  isCut: z.boolean(),
});

/** Bytes at a place, read as many things. */
export const reading = z.object({
  name: z.string(),
  kind: z.string(),
  /** Bytes that it takes. */
  length: count,
  value: z.string(),
  note: z.string().optional(),
});

const pageClass = z.enum(['zero', 'parent', 'text', 'code', 'entropy', 'other']);

export const classRun = z.object({ ...found, class: pageClass });

const memoryRange = z.object({
  /** Guest-physical. */
  startOffset: count,
  length: count,
  /** What the container calls it. */
  name: z.string().nullable(),
});

export const memoryDescription = z.object({
  container: z.string(),
  ranges: z.array(memoryRange),
  /** Ranges that are not listed. */
  furtherRanges: count,
  /** The kernel's `Linux version …`, if one was found. */
  banner: z.object({ offset: count, text: z.string() }).nullable(),
  properties: z.record(z.string(), z.string()),
  warnings: z.array(z.string()),
});

export const extent = z.object({ pageIndex: count, pageCount: count });

export const difference = z.object({
  stream: streamName,
  kind: z.enum(['changed', 'equal', 'new', 'cut', 'grown', 'removed']),
  offset: count,
  length: count,
  pageIndex: count,
  pageCount: count,
  changedPages: count,
  equalPages: count,
  newPages: count,
  differentBytes: count,
  newBytes: count,
});

export const diffTally = z.object({
  stream: streamName,
  lengthBefore: count.optional(),
  lengthAfter: count.optional(),
  extents: count,
  changedPages: count,
  equalPages: count,
  newPages: count,
  differentBytes: count,
  newBytes: count,
  cutRanges: count,
  cutBytes: count,
  grownBytes: count,
  removedBytes: count,
});

/** Base and overlay beside each other. */
export const diffRow = z.union([
  z.object({
    row: z.object({
      offset: count,
      /** base64, shorter where that side ends. */
      before: z.string(),
      after: z.string(),
      /** False for rows around those that have changed. */
      isChanged: z.boolean(),
    }),
  }),
  /** Rows that are the same on both sides. */
  z.object({ skippedRows: count }),
  /** One side ends here. */
  z.object({ end: difference }),
]);

export type ListedBlock = z.output<typeof listedBlock>;
export type Block = z.output<typeof block>;
export type WireCellRun = z.output<typeof cellRun>;
export type Match = z.output<typeof match>;
export type FoundString = z.output<typeof foundString>;
export type Reading = z.output<typeof reading>;
export type WireExtent = z.output<typeof extent>;
export type WireDifference = z.output<typeof difference>;
export type WireDiffTally = z.output<typeof diffTally>;
export type WireDiffRow = z.output<typeof diffRow>;
