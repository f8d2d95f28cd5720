import type { Extent } from '../../../src/engine/overlay/dirtyPages.js';
import type { DirtySet } from '../../../src/engine/review/types.js';

/** Dirty pages of a small disk, that come and go. */
export class DirtyDisk implements DirtySet {
  readonly diskLength: number;
  version = 0;
  readonly #pages = new Set<number>();

  constructor(diskLength: number) {
    this.diskLength = diskLength;
  }

  add(...runs: readonly Extent[]): void {
    for (const page of pagesOf(runs)) this.#pages.add(page);
  }

  remove(...runs: readonly Extent[]): void {
    this.version++;
    for (const page of pagesOf(runs)) this.#pages.delete(page);
  }

  has(pageIndex: number): boolean {
    return this.#pages.has(pageIndex);
  }

  runEnd(pageIndex: number, endPageIndex: number, isDirty: boolean): number {
    let page = pageIndex + 1;
    while (page < endPageIndex && this.#pages.has(page) === isDirty) page++;
    return Math.min(page, endPageIndex);
  }
}

export const pagesOf = (runs: Iterable<Extent>): readonly number[] =>
  [...runs].flatMap(({ pageIndex, pageCount }) =>
    Array.from({ length: pageCount }, (_, page) => pageIndex + page),
  );
