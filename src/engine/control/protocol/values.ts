import { z } from 'zod';

/*
 * Values that messages are made of. Offsets and lengths are in bytes; page numbers count 4 KiB pages of the disk.
 * Objects are strict: a field that is not known is refused, so that a misspelt one is not passed over.
 */

/** No disk, and no address of a guest, is larger. */
const MAX_OFFSET = Number.MAX_SAFE_INTEGER;
/** Longer texts in requests are refused. */
const MAX_TEXT_LENGTH = 64 * 1024;

export const count = z.int().min(0).max(MAX_OFFSET);
export const text = z.string().max(MAX_TEXT_LENGTH);
export const path = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^\/[^\0]*$/, 'not an absolute path');
/** Bytes, as base64. */
export const bytes = z.base64();

export const streamName = z.enum(['disk', 'memory']);

/** `merged`: what the mount shows. `base`: the snapshot alone. */
export const side = z.enum(['merged', 'base']);

/**
 * How offsets of a memory stream in a container are meant: `guest` are guest-physical addresses, `raw` bytes of
 * the stream. Streams without a container know only `raw`, and take the other for it.
 */
const addressing = z.enum(['guest', 'raw']);

/** Where a method looks. */
export const place = {
  stream: streamName,
  side: side.default('merged'),
  addressing: addressing.default('guest'),
};

/** A stretch of a stream; without `length` up to its end. */
export const stretch = { ...place, offset: count.default(0), length: count.optional() };

/** Cells are not smaller than a page; the largest disk is one. */
const MIN_CELL_BYTES = 4096;
const MAX_CELL_BYTES = 2 ** 44;

/** Bytes of a cell: a stream is looked at in equal parts. */
export const cellBytes = z
  .int()
  .min(MIN_CELL_BYTES)
  .max(MAX_CELL_BYTES)
  .refine((bytes) => Number.isInteger(Math.log2(bytes)), 'not a power of two')
  .describe('a power of two');

export const pageRange = z.strictObject({ pageIndex: count, pageCount: count.min(1) });

/** How far something is; `totalBytes` is absent where nobody knows. */
export const progress = z.object({
  phase: z.string().optional(),
  doneBytes: count,
  totalBytes: count.optional(),
});

/** Where an error was met; offsets are those of the stream. */
const errorLocation = z
  .object({
    file: z.string(),
    line: z.number(),
    column: z.number(),
    stream: streamName,
    blockIndex: z.number(),
    offset: z.number(),
  })
  .partial();

export const portableError = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  location: errorLocation.optional(),
});

export type Progress = z.output<typeof progress>;
export type Side = z.output<typeof side>;
export type Addressing = z.output<typeof addressing>;
