import { z } from 'zod';
import { count, pageRange } from './values.js';

/** A run of dirty pages that is decided as one. */
export const hunk = z.object({
  pageIndex: count,
  pageCount: count,
  decision: z.enum(['keep', 'drop', 'open']),
  isViewed: z.boolean(),
  /** Whether it was written after it was decided or viewed. */
  hasChangedSince: z.boolean(),
});

export const reviewCounts = z.object({
  revision: count,
  hunks: count,
  keep: count,
  drop: count,
  open: count,
  viewed: count,
  /** Hunks that were written after they were decided or viewed. */
  changed: count,
  keepPages: count,
  dropPages: count,
  openPages: count,
  /** As far as the disk goes. */
  keepBytes: count,
  dropBytes: count,
  openBytes: count,
  canUndo: z.boolean(),
  canRedo: z.boolean(),
  /** Why what was decided is in memory only; null where it is saved, or will be soon. */
  unsaved: z.string().nullable(),
});

/** What can be done to the review; without `pages` to everything that is dirty. */
export const reviewAction = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('keep'), pages: pageRange.optional() }),
  z.strictObject({ action: z.literal('drop'), pages: pageRange.optional() }),
  z.strictObject({ action: z.literal('clear'), pages: pageRange.optional() }),
  z.strictObject({
    action: z.literal('viewed'),
    pages: pageRange.optional(),
    isViewed: z.boolean(),
  }),
  z.strictObject({ action: z.literal('split'), pageIndex: count }),
  z.strictObject({ action: z.literal('join'), pages: pageRange }),
  z.strictObject({ action: z.literal('keepOpen') }),
  z.strictObject({ action: z.literal('undo') }),
  z.strictObject({ action: z.literal('redo') }),
]);

export type Hunk = z.output<typeof hunk>;
export type ReviewCounts = z.output<typeof reviewCounts>;
export type ReviewAction = z.output<typeof reviewAction>;
