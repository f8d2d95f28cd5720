import type { Extent } from '../overlay/dirtyPages.js';
import type { Pause } from '../slices.js';
import { PageCursor, PageMap } from './pageMap.js';

const MAX_RUNS = 2 ** 21;

/**
 * When pages were written last, by the revision that was made for it.
 *
 * Invariant: a page that was written at a revision above `#forgottenAt` has that revision in `#pages`. What was
 * written before is forgotten, and every page counts as written then: that may raise a false alarm when very many
 * scattered pages are written, and never misses one.
 */
export class Writes {
  #pages = PageMap.empty;
  #forgottenAt = 0;
  #latest = 0;

  /** @param runs in order */
  record(runs: Iterable<Extent | Pause>, revision: number): void {
    this.#latest = revision;
    this.#pages = this.#pages.paint(runs, () => revision);
    if (this.#pages.runCount > MAX_RUNS) this.forget(revision);
  }

  /** Lets every page count as written at a revision. */
  forget(revision: number): void {
    this.#pages = PageMap.empty;
    this.#forgottenAt = revision;
    this.#latest = revision;
  }

  /** What is known now; it never changes. */
  get known(): KnownWrites {
    return { pages: this.#pages, forgottenAt: this.#forgottenAt, latest: this.#latest };
  }

  reader(): WritesReader {
    return new WritesReader(this.known);
  }
}

/** When pages were written, as far as that is known: later than `forgottenAt`, and up to `latest`. */
export interface KnownWrites {
  readonly pages: PageMap;
  readonly forgottenAt: number;
  readonly latest: number;
}

/** Asks about pages in their order. */
export class WritesReader {
  readonly #cursor: PageCursor;
  readonly #forgottenAt: number;
  readonly #latest: number;

  constructor({ pages, forgottenAt, latest }: KnownWrites) {
    this.#cursor = new PageCursor(pages);
    this.#forgottenAt = forgottenAt;
    this.#latest = latest;
  }

  /** Whether one of the pages was written after a revision. */
  anySince(startIndex: number, endIndex: number, revision: number): boolean {
    if (this.#latest <= revision) return false;
    if (this.#forgottenAt > revision) return true;
    const cursor = this.#cursor;
    for (let page = startIndex; page < endIndex; page = cursor.endIndex) {
      cursor.seek(page);
      if (cursor.value > revision) return true;
    }
    return false;
  }

  /** The runs of pages that were written after a revision. */
  *since(startIndex: number, endIndex: number, revision: number): Generator<Extent, void> {
    const isForgotten = this.#forgottenAt > revision;
    const cursor = this.#cursor;
    for (let page = startIndex; page < endIndex; ) {
      cursor.seek(page);
      const runEnd = isForgotten ? endIndex : Math.min(cursor.endIndex, endIndex);
      if (isForgotten || cursor.value > revision) {
        yield { pageIndex: page, pageCount: runEnd - page };
      }
      page = runEnd;
    }
  }
}
