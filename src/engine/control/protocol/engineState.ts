import { z } from 'zod';
import { count, streamName } from './values.js';

const streamState = z.object({ length: count });

/** What an engine is and does at one moment. */
export const engineState = z.object({
  pid: count,
  version: z.string(),
  startedAt: z.iso.datetime(),
  snapshot: z.object({
    path: z.string(),
    fileBytes: count,
    compression: z.string(),
    blockBytes: count,
    isVariable: z.boolean(),
    isEncrypted: z.boolean(),
    /** Parents, the nearest first. */
    parents: z.array(z.string()),
    streams: z.partialRecord(streamName, streamState),
  }),
  /** Null without a mount. */
  mount: z
    .object({
      mountpoint: z.string(),
      backend: z.string(),
      mode: z.enum(['ro', 'rw']),
      /** Of the kernel's NBD client, whose file system is mounted; null where streams are mounted as files. */
      device: z.string().nullable(),
    })
    .nullable(),
  /** Addresses where NBD clients are served. */
  nbd: z.array(z.string()).default([]),
  /** Null without an overlay. */
  overlay: z
    .object({
      path: z.string(),
      isTemporary: z.boolean(),
      isWritable: z.boolean(),
      /** Size of the disk as it is now. */
      diskLength: count,
      dirtyPages: count,
      dirtyBytes: count,
    })
    .nullable(),
  /** Paths of everything that it reads and writes, and that no output may replace: snapshots, and all names of the overlay. */
  files: z.array(z.string()),
  cacheBytes: count,
  /**
   * Who ends it: `mount` (it ends when unmounted), `bound` (with the connection that holds the lease), `terminal` (its
   * terminal ends it), `orphaned` (its terminal was killed; whoever attaches may end it).
   */
  lease: z.enum(['mount', 'bound', 'terminal', 'orphaned']),
  watchers: count,
  /** Whether writes are held. */
  isQuiesced: z.boolean(),
  /** Grows with every change of the review. */
  reviewRevision: count,
  warnings: z.array(z.string()),
});

export type EngineState = z.output<typeof engineState>;
