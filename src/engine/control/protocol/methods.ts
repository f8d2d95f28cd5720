import { z } from 'zod';
import { activitySample, occupancy } from './activity.js';
import { commitParams, commitPlan, commitReport } from './commit.js';
import { engineState } from './engineState.js';
import {
  block,
  cellRun,
  classRun,
  difference,
  diffRow,
  diffTally,
  encoding,
  extent,
  foundString,
  listedBlock,
  match,
  memoryDescription,
  reading,
  readResult,
} from './inspection.js';
import { hunk, reviewAction, reviewCounts } from './review.js';
import {
  bytes,
  cellBytes,
  count,
  pageRange,
  path,
  place,
  portableError,
  side,
  stretch,
  text,
} from './values.js';

/** Bytes that one `read` answers with. */
export const MAX_READ_BYTES = 1024 * 1024;
/** Bytes that one `write` takes. */
export const MAX_WRITE_BYTES = 8 * 1024 * 1024;
/** Extents or hunks that one answer holds. */
export const MAX_LISTED = 4096;
/** Bytes that one `locate` looks at. */
export const MAX_LOCATED_BYTES = 256 * 1024;
/** Blocks that one answer describes. */
export const MAX_LISTED_BLOCKS = 1024;
/** Cells of one question about what is dirty and cached. */
export const MAX_OCCUPANCY_CELLS = 65_536;
/** Samples in a second. */
export const MAX_RATE_HZ = 30;
/** Events in one sample: as many as an engine remembers. */
export const MAX_SAMPLE_EVENTS = 16_384;
/** How long writes can be held, in milliseconds. */
export const MAX_QUIESCE_MS = 10_000;

const nothing = z.strictObject({});

interface MethodShape {
  /** One sentence for docs/control-protocol.md. */
  readonly summary: string;
  readonly params: z.ZodType;
  /** What it yields before its result, in batches; absent for methods that yield nothing. */
  readonly item?: z.ZodType;
  readonly result: z.ZodType;
}

const logLine = z.object({
  time: z.number(),
  level: z.enum(['info', 'warning', 'error']),
  text: z.string(),
  code: z.string().optional(),
  /** Of an error that was met while serving. */
  error: portableError.optional(),
});

const limit = z.int().min(1).max(MAX_LISTED).default(MAX_LISTED);

/** Everything that can be asked of an engine. */
export const methods = {
  state: {
    summary: 'What the engine is and does.',
    params: nothing,
    result: engineState,
  },
  watch: {
    summary:
      'Yields samples of the activity at the chosen rate, changes of the state, and lines of the log, since `start` also those that were said before, until it is cancelled. A watcher that does not keep up gets fewer samples, each with all that it missed.',
    params: z.strictObject({
      rateHz: z.number().min(0.1).max(MAX_RATE_HZ).default(10),
      /** Events a sample holds at most, the newest ones. */
      maximumEvents: z.int().min(0).max(MAX_SAMPLE_EVENTS).default(64),
      /** What the first sample tells: all since the engine began, as far as it is still known, or nothing. */
      since: z.enum(['start', 'now']).default('now'),
      /** Whether a sample is sent also when nothing happened. */
      sendsIdle: z.boolean().default(false),
    }),
    item: z.union([
      z.object({ activity: activitySample }),
      z.object({ state: engineState }),
      z.object({ log: logLine }),
    ]),
    result: nothing,
  },
  info: {
    summary: 'What header and index say of the snapshot: the document of `hexz info --json`.',
    params: z.strictObject({ countsBlocks: z.boolean().default(false) }),
    result: z.record(z.string(), z.unknown()),
  },
  read: {
    summary: `Reads at most ${MAX_READ_BYTES} bytes of a stream.`,
    params: z.strictObject({
      ...place,
      offset: count,
      length: z.int().min(0).max(MAX_READ_BYTES),
    }),
    result: readResult,
  },
  inspect: {
    summary: 'Reads the bytes at a place as numbers, times, identifiers and text.',
    params: z.strictObject({ ...place, offset: count }),
    result: z.object({ offset: count, readings: z.array(reading) }),
  },
  block: {
    summary: 'Describes the block that covers an offset of a stream, and where its bytes lie.',
    params: z.strictObject({
      stream: place.stream,
      offset: count,
      /** Look through the whole index for blocks that are the same stored bytes. */
      findsShared: z.boolean().default(false),
      /** Read it, to find out whether that can be done. */
      checks: z.boolean().default(false),
    }),
    result: block,
  },
  blocks: {
    summary: `Lists at most ${MAX_LISTED_BLOCKS} blocks of a stream, from the one on that covers an offset.`,
    params: z.strictObject({
      stream: place.stream,
      offset: count.default(0),
      limit: z.int().min(1).max(MAX_LISTED_BLOCKS).default(MAX_LISTED_BLOCKS),
    }),
    result: z.object({
      blocks: z.array(listedBlock),
      /** Where to go on; null at the end. */
      nextOffset: count.nullable(),
    }),
  },
  map: {
    summary:
      'Yields what a stream of the snapshot is made of, in cells of so many bytes, as its index says. Cell n begins at n times `cellBytes`; cells of a damaged part of the index are not known.',
    params: z.strictObject({
      stream: place.stream,
      cellBytes,
      offset: count.default(0),
      length: count.optional(),
    }),
    item: cellRun,
    result: z.object({ cells: count, damage: z.array(portableError) }),
  },
  occupancy: {
    summary: `Says what of at most ${MAX_OCCUPANCY_CELLS} cells of a stream is dirty, and what of it the mount has decoded in memory.`,
    params: z.strictObject({
      stream: place.stream,
      cellBytes,
      offset: count.default(0),
      length: count.optional(),
    }),
    result: occupancy,
  },
  hash: {
    summary:
      'SHA-256 of a stretch of a stream, hexadecimal. One that goes beyond the end has none (NOT_PRESENT).',
    params: z.strictObject(stretch),
    result: z.object({ offset: count, length: count, sha256: z.string() }),
  },
  search: {
    summary: 'Yields the places where a pattern is found (docs/search.md), in order.',
    params: z.strictObject({
      ...stretch,
      pattern: text,
      isBackward: z.boolean().default(false),
      /** Ends after so many. */
      maximum: count.optional(),
    }),
    item: match,
    result: z.object({ found: count, searchedBytes: count }),
  },
  strings: {
    summary: 'Yields the texts in a stretch of a stream.',
    params: z.strictObject({
      ...stretch,
      /** In characters. */
      minimumLength: z.int().min(1).max(65_536).default(4),
      /** Default: UTF-8 and UTF-16LE. */
      encodings: z.array(encoding).min(1).max(4).optional(),
      maximum: count.optional(),
    }),
    item: foundString,
    result: z.object({ found: count, searchedBytes: count }),
  },
  classify: {
    summary: 'Yields the runs of pages of a stretch that look alike.',
    params: z.strictObject(stretch),
    item: classRun,
    result: z.object({ pages: z.record(z.string(), count) }),
  },
  memory: {
    summary: 'Describes the container of the memory stream, its ranges and the kernel in it.',
    params: z.strictObject({ side: side.default('merged') }),
    result: memoryDescription,
  },
  locate: {
    summary: `Says which guest-physical addresses bytes of a memory stream in a container have: of at most ${MAX_LISTED} stretches with ${MAX_LOCATED_BYTES} bytes.`,
    params: z.strictObject({
      stretches: z
        .array(z.strictObject({ offset: count, length: z.int().min(1).max(MAX_LOCATED_BYTES) }))
        .max(MAX_LISTED)
        .refine(
          (stretches) =>
            stretches.reduce((sum, { length }) => sum + length, 0) <= MAX_LOCATED_BYTES,
          'too many bytes',
        ),
    }),
    result: z.object({
      /** Without a container, addresses are the offsets of the stream, and there are no runs. */
      isContainer: z.boolean(),
      /** The stretches, cut where memory does not go on; `guestOffset` is null for what no address has. */
      runs: z.array(z.object({ offset: count, length: count, guestOffset: count.nullable() })),
    }),
  },
  dirty: {
    summary: `Lists at most ${MAX_LISTED} runs of dirty pages, from a page on.`,
    params: z.strictObject({ fromPage: count.default(0), limit }),
    result: z.object({
      extents: z.array(extent),
      /** Where to go on; null at the end. */
      nextPage: count.nullable(),
      dirtyPages: count,
      diskLength: count,
    }),
  },
  diff: {
    summary: 'Yields what the overlay has changed against its base.',
    params: z.strictObject({
      granularity: z.enum(['extent', 'run', 'page']).default('extent'),
      /** Look at these bytes only. */
      offset: count.optional(),
      length: count.optional(),
    }),
    item: difference,
    result: diffTally,
  },
  diffRows: {
    summary: 'Yields rows of base and overlay beside each other, where they differ.',
    params: z.strictObject({
      offset: count.default(0),
      length: count.optional(),
      /** Bytes of a row. */
      rowBytes: z.literal([8, 16, 32, 64]).default(16),
      /** Equal rows shown around different ones. */
      contextRows: z.int().min(0).max(1024).default(3),
      maximum: count.optional(),
    }),
    item: diffRow,
    result: z.object({ changedRows: count }),
  },
  review: {
    summary: `Lists at most ${MAX_LISTED} hunks of the review, from a page on.`,
    params: z.strictObject({ fromPage: count.default(0), limit }),
    result: z.object({ hunks: z.array(hunk), nextPage: count.nullable(), counts: reviewCounts }),
  },
  decide: {
    summary:
      'Changes the review. With `revision` only if nobody else has changed it since (REVIEW_CHANGED).',
    params: z.strictObject({ change: reviewAction, revision: count.optional() }),
    result: reviewCounts,
  },
  selection: {
    summary: 'Yields the lines of a selection: all that is dirty and not dropped (`--select`).',
    params: nothing,
    item: z.string(),
    result: z.object({ pages: count }),
  },
  select: {
    summary:
      'Takes decisions from the text of a selection: keep what it names, drop the rest. `revision` as for `decide`.',
    params: z.strictObject({
      selection: z.string().max(16 * 1024 * 1024),
      revision: count.optional(),
    }),
    result: reviewCounts,
  },
  planCommit: {
    summary: 'Says what a commit would make, without making it.',
    params: z.strictObject(commitParams),
    result: commitPlan,
  },
  commit: {
    summary:
      'Makes a snapshot of the disk as it is at one instant, while the mount goes on. The overlay stays on its base.',
    params: z.strictObject(commitParams),
    result: commitReport,
  },
  write: {
    summary:
      'Writes bytes into the overlay, within the disk. Refused while something above keeps bytes of its own (DISK_IN_USE).',
    params: z.strictObject({
      offset: count,
      bytes: bytes.max(Math.ceil(MAX_WRITE_BYTES / 3) * 4),
      /** Write although something above keeps bytes of its own. */
      force: z.boolean().default(false),
    }),
    result: z.object({ written: count }),
  },
  drop: {
    summary:
      'Takes dirty pages out of the overlay of the live mount: these, or those that the review drops. Refused while something above keeps bytes of its own (DISK_IN_USE).',
    params: z.strictObject({
      pages: z.array(pageRange).min(1).max(MAX_LISTED).optional(),
      force: z.boolean().default(false),
    }),
    result: z.object({ droppedPages: count }),
  },
  sync: {
    summary: 'Brings everything that was written onto the disk.',
    params: nothing,
    result: nothing,
  },
  quiesce: {
    summary:
      'Brings everything onto the disk and holds further writes, until `resume`, the end of the connection, or the time.',
    params: z.strictObject({
      milliseconds: z.int().min(1).max(MAX_QUIESCE_MS).default(MAX_QUIESCE_MS),
    }),
    result: nothing,
  },
  resume: {
    summary: 'Lets writes go on.',
    params: nothing,
    result: nothing,
  },
  mount: {
    summary: 'Mounts the volume of an engine that has no mount.',
    params: z.strictObject({ mountpoint: path, allowOther: z.boolean().default(false) }),
    result: engineState,
  },
  unmount: {
    summary: 'Takes the mount away. An engine whose lease is held goes on without.',
    params: z.strictObject({ isLazy: z.boolean().default(false) }),
    result: nothing,
  },
  serveNbd: {
    summary:
      'Serves the volume to NBD clients, too, until the engine ends (docs/nbd.md). On loopback, or at a Unix socket; elsewhere with TLS only.',
    params: z.strictObject({
      port: z.int().min(0).max(65_535).optional(),
      socket: path.optional(),
      bind: z.string().max(64).optional(),
      exportName: z.string().min(1).max(4096).optional(),
      /** Serve the memory, too. */
      memory: z.boolean().default(false),
      tlsCertificate: path.optional(),
      tlsKey: path.optional(),
      tlsClientCa: path.optional(),
      tlsPsk: path.optional(),
    }),
    result: z.object({ url: z.string() }),
  },
  lease: {
    summary:
      'Makes this connection the one that ends the engine: `bound` when it closes, `terminal` when it says `shutdown`.',
    params: z.strictObject({ kind: z.enum(['bound', 'terminal']) }),
    result: engineState,
  },
  shutdown: {
    summary:
      'Unmounts and ends the engine; what is temporary is removed. With `keepsOverlay` a temporary overlay with changes stays.',
    params: z.strictObject({
      isLazy: z.boolean().default(false),
      keepsOverlay: z.boolean().default(false),
    }),
    result: z.object({ keptOverlay: z.string().nullable() }),
  },
} as const satisfies Record<string, MethodShape>;

type Methods = typeof methods;
export type MethodName = keyof Methods;
/** As the engine gets them, with defaults filled in. */
export type Params<Name extends MethodName> = z.output<Methods[Name]['params']>;
/** As a watcher gives them. */
export type GivenParams<Name extends MethodName> = z.input<Methods[Name]['params']>;
export type Result<Name extends MethodName> = z.output<Methods[Name]['result']>;
export type Item<Name extends MethodName> = Methods[Name] extends { readonly item: z.ZodType }
  ? z.output<Methods[Name]['item']>
  : never;

export const isMethodName = (name: string): name is MethodName => Object.hasOwn(methods, name);
