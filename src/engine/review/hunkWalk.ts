import { MAX_PAGES, pagesIn } from '../overlay/pages.js';
import type { Decisions } from './decisions.js';
import { decisionOf, isViewed, seenAt, visibleOf } from './marks.js';
import { PageCursor } from './pageMap.js';
import type { Decision, DirtySet, Hunk } from './types.js';
import type { WritesReader } from './writes.js';

/**
 * Walks over the hunks of a dirty set, in order, in the memory of one. A hunk is a run of dirty pages that ends at the
 * next clean page, at a split, or where decision or `viewed` differ; the fields tell of the last one that `next` found.
 * That a part of a hunk was written later marks the whole and does not cut it: a busy guest would cut
 * each hunk to pieces otherwise.
 */
export class HunkWalk implements Hunk {
  pageIndex: number;
  pageCount = 0;
  hasChangedSince = false;
  #mark = 0;
  #extentEnd = 0;
  readonly #dirty: DirtySet;
  readonly #endPageIndex: number;
  readonly #marks: PageCursor;
  readonly #splits: PageCursor;
  readonly #writes: WritesReader;

  /** @param endPage hunks are cut there */
  constructor(
    dirty: DirtySet,
    decisions: Decisions,
    writes: WritesReader,
    fromPage: number,
    endPage = MAX_PAGES,
  ) {
    this.#dirty = dirty;
    this.#endPageIndex = Math.min(endPage, pagesIn(dirty.diskLength));
    this.#marks = new PageCursor(decisions.marks);
    this.#splits = new PageCursor(decisions.splits);
    this.#writes = writes;
    this.pageIndex = fromPage;
  }

  get decision(): Decision {
    return decisionOf(this.#mark);
  }

  get isViewed(): boolean {
    return isViewed(this.#mark);
  }

  /** Goes on to the next hunk; false behind the last one. */
  next(): boolean {
    const start = this.#findDirty(this.pageIndex + this.pageCount);
    if (start >= this.#endPageIndex) return false;
    this.#marks.seek(start);
    this.#mark = this.#marks.value;
    this.hasChangedSince = false;
    const visible = visibleOf(this.#mark);
    const limit = Math.min(this.#extentEnd, this.#nextSplit(start));
    let page = start;
    do {
      const pieceEnd = Math.min(this.#marks.endIndex, limit);
      if (visible !== 0 && !this.hasChangedSince) {
        const seen = seenAt(this.#marks.value);
        this.hasChangedSince = this.#writes.anySince(page, pieceEnd, seen);
      }
      page = pieceEnd;
      if (page === limit) break;
      this.#marks.seek(page);
    } while (visibleOf(this.#marks.value) === visible);
    this.pageIndex = start;
    this.pageCount = page - start;
    return true;
  }

  /** The first dirty page from this one on; the walk knows the end of its extent then. */
  #findDirty(pageIndex: number): number {
    const end = this.#endPageIndex;
    if (pageIndex < this.#extentEnd || pageIndex >= end) return pageIndex;
    const start = this.#dirty.has(pageIndex)
      ? pageIndex
      : this.#dirty.runEnd(pageIndex, end, false);
    if (start < end) this.#extentEnd = this.#dirty.runEnd(start, end, true);
    return start;
  }

  /** The first page behind this one at which a hunk has to begin. */
  #nextSplit(pageIndex: number): number {
    const splits = this.#splits;
    for (let page = pageIndex + 1; page < this.#extentEnd; page = splits.endIndex) {
      splits.seek(page);
      if (splits.value !== 0) return page;
    }
    return this.#extentEnd;
  }
}
