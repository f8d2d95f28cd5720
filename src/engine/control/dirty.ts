import type { SharedDirtySet } from '../overlay/sharedOverlay.js';
import type { Result } from './protocol/methods.js';

/** Answers `dirty`: some extents from a page on, and where to go on. Without an overlay nothing is dirty. */
export function listDirty(
  dirtySet: SharedDirtySet | undefined,
  fromPage: number,
  limit: number,
): Result<'dirty'> {
  if (dirtySet === undefined) return { extents: [], nextPage: null, dirtyPages: 0, diskLength: 0 };
  const extents: Result<'dirty'>['extents'] = [];
  let nextPage: number | null = null;
  for (const extent of dirtySet.extents(fromPage)) {
    if (extents.length === limit) {
      nextPage = extent.pageIndex;
      break;
    }
    extents.push({ ...extent });
  }
  return {
    extents,
    nextPage,
    dirtyPages: dirtySet.listedPageCount,
    diskLength: dirtySet.length,
  };
}
