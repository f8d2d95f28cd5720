import type { CachedBlocks } from '../activity/cachedBlocks.js';
import { HexzError } from '../errors.js';
import { PAGE_BYTES } from '../overlay/pages.js';
import { lengthOf, type ServedDisk } from './dirty.js';
import { MAX_OCCUPANCY_CELLS, type Params, type Result } from './protocol/methods.js';

/**
 * Answers `occupancy`. What is empty is passed over, so that the largest disk costs no more than what is in use of it.
 *
 * @throws HexzError LIMIT for more cells than one answer may tell of
 */
export function occupancyOf(
  disk: ServedDisk,
  cachedBlocks: CachedBlocks,
  { stream, cellBytes, offset, length = Number.POSITIVE_INFINITY }: Params<'occupancy'>,
): Result<'occupancy'> {
  const { dirtySet } = disk;
  const diskLength = lengthOf(disk);
  const streamEnd = Math.max(cachedBlocks.endOf(stream), stream === 'disk' ? diskLength : 0);
  const firstCell = Math.floor(offset / cellBytes);
  const endCell = Math.ceil(Math.min(offset + length, streamEnd) / cellBytes);
  if (endCell - firstCell > MAX_OCCUPANCY_CELLS) {
    throw new HexzError('LIMIT', `these are more than ${MAX_OCCUPANCY_CELLS} cells`, {
      hint: 'ask for larger cells, or for a part',
    });
  }
  const dirty: number[] = [];
  if (stream === 'disk' && dirtySet !== undefined) {
    const cellPages = cellBytes / PAGE_BYTES;
    const counts = dirtySet.cellCounts(cellPages, firstCell * cellPages, endCell * cellPages);
    for (const { cell, pageCount } of counts) dirty.push(cell, pageCount);
  }
  return {
    dirty,
    cached: cachedCounts(cachedBlocks, { stream, cellBytes }, firstCell, endCell),
    dirtyPages: dirtySet?.listedPageCount ?? 0,
    diskLength,
  };
}

/** A cell, how many cached blocks begin in it, and so on. */
function cachedCounts(
  cachedBlocks: CachedBlocks,
  { stream, cellBytes }: Pick<Params<'occupancy'>, 'stream' | 'cellBytes'>,
  firstCell: number,
  endCell: number,
): number[] {
  const counts: number[] = [];
  for (const { offset, blocks } of cachedBlocks.from(stream, firstCell * cellBytes)) {
    const cell = Math.floor(offset / cellBytes);
    if (cell >= endCell) break;
    if (counts.at(-2) === cell) counts[counts.length - 1] = (counts.at(-1) ?? 0) + blocks;
    else counts.push(cell, blocks);
  }
  return counts;
}
