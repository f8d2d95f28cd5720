import type { CachedBlocks } from '../activity/cachedBlocks.js';
import { HexzError } from '../errors.js';
import { PAGE_BYTES } from '../overlay/pages.js';
import type { SharedDirtySet } from '../overlay/sharedOverlay.js';
import { MAX_OCCUPANCY_CELLS, type Params, type Result } from './protocol/methods.js';

/**
 * Answers `occupancy`. What is empty is passed over, so that the largest disk costs no more than what is in use of it.
 *
 * @throws HexzError LIMIT for more cells than one answer may tell of
 */
export function occupancyOf(
  dirtySet: SharedDirtySet | undefined,
  cachedBlocks: CachedBlocks,
  { stream, cellBytes, offset, length = Number.POSITIVE_INFINITY }: Params<'occupancy'>,
): Result<'occupancy'> {
  const firstCell = Math.floor(offset / cellBytes);
  const end = Math.min(offset + length, (firstCell + MAX_OCCUPANCY_CELLS) * cellBytes);
  const dirty = new CellCounts(cellBytes);
  const cached = new CellCounts(cellBytes);
  const limit = (at: number): void => {
    if (at < offset + length) {
      throw new HexzError('LIMIT', `these are more than ${MAX_OCCUPANCY_CELLS} cells`, {
        hint: 'ask for larger cells, or for a part',
      });
    }
  };
  if (stream === 'disk' && dirtySet !== undefined) {
    const firstPage = Math.floor((firstCell * cellBytes) / PAGE_BYTES);
    for (const { pageIndex, pageCount } of dirtySet.extents(firstPage)) {
      const start = pageIndex * PAGE_BYTES;
      if (start >= end) {
        limit(start);
        break;
      }
      dirty.addRange(start, Math.min(end, start + pageCount * PAGE_BYTES), PAGE_BYTES);
    }
  }
  for (const { offset: at, blocks } of cachedBlocks.from(stream, firstCell * cellBytes)) {
    if (at >= end) {
      limit(at);
      break;
    }
    cached.add(at, blocks);
  }
  return {
    dirty: dirty.counts,
    cached: cached.counts,
    dirtyPages: dirtySet?.listedPageCount ?? 0,
    diskLength: dirtySet?.length ?? 0,
  };
}

/** Counts of cells, in order: a cell, how many, and so on. */
class CellCounts {
  readonly counts: number[] = [];
  readonly #cellBytes: number;

  constructor(cellBytes: number) {
    this.#cellBytes = cellBytes;
  }

  add(offset: number, count: number): void {
    const cell = Math.floor(offset / this.#cellBytes);
    const { counts } = this;
    if (counts.at(-2) === cell) counts[counts.length - 1] = (counts.at(-1) ?? 0) + count;
    else counts.push(cell, count);
  }

  /** Counts units of a range of bytes. */
  addRange(start: number, end: number, unitBytes: number): void {
    for (let at = start; at < end; ) {
      const cellEnd = (Math.floor(at / this.#cellBytes) + 1) * this.#cellBytes;
      const stop = Math.min(end, cellEnd);
      this.add(at, Math.ceil((stop - at) / unitBytes));
      at = stop;
    }
  }
}
