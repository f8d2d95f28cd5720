import type { CellCount, DirtyPages, Extent } from './dirtyPages.js';
import { pagesIn } from './pages.js';

/** Which pages of a disk are dirty. */
export abstract class DirtySet {
  /** Exact size of the disk in bytes. */
  abstract get length(): number;

  /** Also those behind the end of the disk. */
  protected abstract get pages(): DirtyPages;

  get dirtyPageCount(): number {
    return this.pages.countBefore(pagesIn(this.length));
  }

  /** Pages of the list, those behind the end of the disk included. Unlike the others this count takes no time. */
  get listedPageCount(): number {
    return this.pages.size;
  }

  isDirty(pageIndex: number): boolean {
    return pageIndex < pagesIn(this.length) && this.pages.has(pageIndex);
  }

  /**
   * The first page behind `pageIndex` that is not as dirty or clean as it is; at most `endPageIndex`.
   *
   * @param isDirty as it was found to be
   */
  runEnd(pageIndex: number, endPageIndex: number, isDirty: boolean): number {
    return this.pages.runEnd(pageIndex, endPageIndex, isDirty);
  }

  /** The first dirty page from this one on, and before `endPageIndex`; undefined if there is none. */
  firstDirtyPage(pageIndex: number, endPageIndex: number): number | undefined {
    const end = Math.min(endPageIndex, pagesIn(this.length));
    const { pages } = this;
    if (pageIndex >= end) return undefined;
    const found = pages.has(pageIndex) ? pageIndex : pages.runEnd(pageIndex, end, false);
    return found < end ? found : undefined;
  }

  /** How many pages of each cell of so many pages are dirty, in order; cells without any are left out. */
  cellCounts(
    cellPages: number,
    startPageIndex: number,
    endPageIndex: number,
  ): Generator<CellCount, void> {
    const end = Math.min(endPageIndex, pagesIn(this.length));
    return this.pages.cellCounts(cellPages, startPageIndex, end);
  }

  /** The runs of dirty pages, in order; one that began before `startPageIndex` from there on. */
  extents(startPageIndex = 0): Generator<Extent, void> {
    return this.pages.extents(pagesIn(this.length), startPageIndex);
  }
}
