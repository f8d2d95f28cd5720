import type { Hunk } from '../../../engine/control/protocol/review.js';
import { endPageOf, filtered, within } from '../changes/pageRuns.js';
import { itemsBefore, type RunSource } from '../changes/runWindow.js';

/** What of the hunks can be listed alone. */
export const hunkFilters = {
  open: ({ decision }: Hunk) => decision === 'open',
  keep: ({ decision }: Hunk) => decision === 'keep',
  drop: ({ decision }: Hunk) => decision === 'drop',
  viewed: ({ isViewed }: Hunk) => isViewed,
  changed: ({ hasChangedSince }: Hunk) => hasChangedSince,
} as const;

export type HunkFilter = keyof typeof hunkFilters;

export const isHunkFilter = (word: string): word is HunkFilter => Object.hasOwn(hunkFilters, word);

/** The open hunk nearest to another one, on one side of it. */
export async function nearestOpen(
  hunks: RunSource<Hunk>,
  from: Hunk,
  side: 'before' | 'behind',
  signal: AbortSignal,
): Promise<Hunk | undefined> {
  if (side === 'behind') {
    const { items } = await filtered(hunks, hunkFilters.open).fetch(endPageOf(from), 1, signal);
    return items[0];
  }
  const before = within(hunks, 0, from.pageIndex);
  const { items } = await itemsBefore(filtered(before, hunkFilters.open), from.pageIndex, signal);
  return items.at(-1);
}
