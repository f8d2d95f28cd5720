import type { SharedDirtySet } from '../overlay/sharedOverlay.js';
import type { Result } from './protocol/methods.js';

/** The disk that is served: of an overlay if there is one. */
export interface ServedDisk {
  readonly dirtySet: SharedDirtySet | undefined;
  readonly baseLength: number;
}

/** In bytes, as it is now. */
export const lengthOf = ({ dirtySet, baseLength }: ServedDisk): number =>
  dirtySet?.length ?? baseLength;

/** Answers `dirty`: some extents from a page on, and where to go on. Without an overlay nothing is dirty. */
export function listDirty(disk: ServedDisk, fromPage: number, limit: number): Result<'dirty'> {
  const { dirtySet } = disk;
  const diskLength = lengthOf(disk);
  if (dirtySet === undefined) return { extents: [], nextPage: null, dirtyPages: 0, diskLength };
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
    diskLength,
  };
}
