import { HexzError } from '../errors.js';
import type { Extent } from '../overlay/dirtyPages.js';
import { PAGE_BYTES, pagesIn } from '../overlay/pages.js';
import { formatRange, type Selection } from '../overlay/selection.js';
import type { Pause } from '../slices.js';
import type { DirtySet } from './types.js';

/** Runs that were passed over without one that was wanted. */
const PAUSE_RUNS = 512;

/** What is dirty of these runs, which are in order. */
export function* dirtyIn(
  dirty: DirtySet,
  runs: Iterable<Extent | Pause>,
): Generator<Extent | Pause, void> {
  const endPageIndex = pagesIn(dirty.diskLength);
  let passed = 0;
  for (const run of runs) {
    if (++passed % PAUSE_RUNS === 0) yield;
    if (run === undefined) continue;
    const end = Math.min(run.pageIndex + run.pageCount, endPageIndex);
    for (let page = run.pageIndex; page < end; ) {
      const isDirty = dirty.has(page);
      const runEnd = dirty.runEnd(page, end, isDirty);
      if (isDirty) yield { pageIndex: page, pageCount: runEnd - page };
      page = runEnd;
    }
  }
}

/**
 * The dirty pages that are in a selection, or those that are not.
 *
 * @throws HexzError USAGE where it holds a part of a dirty page
 */
export function* divideBySelection(
  dirty: DirtySet,
  selection: Selection,
  isSelected: boolean,
): Generator<Extent | Pause, void> {
  const { diskLength } = dirty;
  const everything = { pageIndex: 0, pageCount: pagesIn(diskLength) };
  let passed = 0;
  for (const run of dirtyIn(dirty, [everything])) {
    if (++passed % PAUSE_RUNS === 0) yield;
    if (run === undefined) continue;
    const { pageIndex, pageCount } = run;
    const endPage = pageIndex + pageCount;
    const endOffset = Math.min(endPage * PAGE_BYTES, diskLength);
    let page = pageIndex;
    for (const part of selection.partsIn(pageIndex * PAGE_BYTES, endOffset)) {
      const startPage = part.startOffset / PAGE_BYTES;
      const partEnd = part.endOffset === diskLength ? endPage : part.endOffset / PAGE_BYTES;
      if (!Number.isInteger(startPage) || !Number.isInteger(partEnd)) {
        throw partOfPage(part.startOffset, part.endOffset);
      }
      if (!isSelected && startPage > page) {
        yield { pageIndex: page, pageCount: startPage - page };
      }
      if (isSelected) yield { pageIndex: startPage, pageCount: partEnd - startPage };
      page = partEnd;
    }
    if (!isSelected && endPage > page) yield { pageIndex: page, pageCount: endPage - page };
  }
}

const partOfPage = (startOffset: number, endOffset: number): HexzError =>
  new HexzError(
    'USAGE',
    `${formatRange(startOffset, endOffset - startOffset)} holds a part of a dirty page`,
    { hint: 'a review decides about whole pages; hexz commit --select takes parts of them' },
  );
