import { PAGE_BYTES } from '../overlay/pages.js';
import type { HunkWalk } from './hunkWalk.js';
import type { ReviewCounts } from './types.js';

/** Counts what is left of a walk. */
export function countHunks(
  walk: HunkWalk,
  diskLength: number,
): Omit<ReviewCounts, 'revision' | 'canUndo' | 'canRedo'> {
  const hunks = { keep: 0, drop: 0, open: 0 };
  const pages = { keep: 0, drop: 0, open: 0 };
  const bytes = { keep: 0, drop: 0, open: 0 };
  let viewed = 0;
  let changed = 0;
  while (walk.next()) {
    const { decision, pageIndex, pageCount } = walk;
    const startOffset = pageIndex * PAGE_BYTES;
    hunks[decision]++;
    pages[decision] += pageCount;
    bytes[decision] += Math.min(pageCount * PAGE_BYTES, diskLength - startOffset);
    viewed += Number(walk.isViewed);
    changed += Number(walk.hasChangedSince);
  }
  return {
    hunks: hunks.keep + hunks.drop + hunks.open,
    ...hunks,
    viewed,
    changed,
    keepPages: pages.keep,
    dropPages: pages.drop,
    openPages: pages.open,
    keepBytes: bytes.keep,
    dropBytes: bytes.drop,
    openBytes: bytes.open,
  };
}
