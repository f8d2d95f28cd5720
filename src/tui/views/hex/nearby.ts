import type { EngineClient } from '../../../repl/client.js';
import type { Place } from '../../../repl/commands/place.js';
import { PAGE_BYTES } from '../../../repl/language/pages.js';
import { Latest } from '../../model/latest.js';

/*
 * What is known of the bytes that are shown, besides them: which pages are dirty, where a pattern is.
 */

/** Dirty pages are asked for in groups, so that scrolling a little asks for nothing. */
const GROUP_PAGES = 512;

/** Which of the pages that are shown the overlay holds. */
export class DirtyPages {
  readonly #latest: Latest<number, ReadonlySet<number>>;

  constructor(client: EngineClient, changed: () => void) {
    this.#latest = new Latest(
      async (fromPage) => {
        const limit = GROUP_PAGES;
        const { extents } = await client.request('dirty', { fromPage, limit });
        const pages = new Set<number>();
        const endPage = fromPage + 2 * GROUP_PAGES;
        for (const { pageIndex, pageCount } of extents) {
          const end = Math.min(pageIndex + pageCount, endPage);
          for (let page = Math.max(pageIndex, fromPage); page < end; page++) pages.add(page);
        }
        return pages;
      },
      (left, right) => left === right,
      changed,
    );
  }

  invalidate(): void {
    this.#latest.invalidate();
  }

  /** @param offset the first byte shown; what is shown is less than a group */
  from(offset: number): ReadonlySet<number> {
    const group = Math.floor(offset / PAGE_BYTES / GROUP_PAGES);
    return this.#latest.want(group * GROUP_PAGES)?.answer ?? new Set();
  }
}

interface Window {
  readonly place: Place;
  readonly pattern: string;
  readonly startOffset: number;
  readonly length: number;
}

/** Of what begins before the window and reaches into it, so much is found. */
const REACH_BYTES = 1024;
/** A single byte may be found everywhere. */
const MAX_MARKS = 4096;

/** Which of the bytes that are shown belong to a match. */
export class FoundMarks {
  readonly #latest: Latest<Window, Uint8Array>;

  constructor(client: EngineClient, changed: () => void) {
    this.#latest = new Latest(
      async ({ place, pattern, startOffset, length }) => {
        const marks = new Uint8Array(length);
        const offset = Math.max(0, startOffset - REACH_BYTES);
        const stop = startOffset + length + REACH_BYTES - offset;
        const params = { ...place, pattern, offset, length: stop, maximum: MAX_MARKS };
        for await (const batch of client.stream('search', params).batches()) {
          for (const match of batch) {
            const at = match.offset - startOffset;
            marks.fill(1, Math.max(0, at), Math.max(0, at + match.length));
          }
        }
        return marks;
      },
      (left, right) =>
        left.pattern === right.pattern &&
        left.startOffset === right.startOffset &&
        left.length === right.length &&
        left.place.side === right.place.side &&
        left.place.addressing === right.place.addressing,
      changed,
    );
  }

  invalidate(): void {
    this.#latest.invalidate();
  }

  /** Tells for each byte of a range whether it is one. */
  within(
    place: Place,
    pattern: string | undefined,
    startOffset: number,
    endOffset: number,
  ): (offset: number) => boolean {
    if (pattern === undefined || endOffset <= startOffset) return () => false;
    // Whole pages, so that scrolling a little asks for nothing.
    const start = Math.floor(startOffset / PAGE_BYTES) * PAGE_BYTES;
    const length = Math.ceil(endOffset / PAGE_BYTES) * PAGE_BYTES - start;
    const marks = this.#latest.want({ place, pattern, startOffset: start, length })?.answer;
    return (offset) => marks?.[offset - start] === 1;
  }
}
