import type { EngineClient } from '../../../repl/client.js';
import { PAGE_BYTES, type PageRange } from '../../../repl/language/pages.js';
import { endPageOf, startOffsetOf } from './pageRuns.js';
import type { RunSource } from './runWindow.js';

/** Base and overlay at one place. */
export interface SideRow {
  readonly offset: number;
  /** Shorter where the side ends. */
  readonly before: Buffer;
  readonly after: Buffer;
  readonly isChanged: boolean;
}

/** Equal rows that are shown around others. */
const CONTEXT_ROWS = 2;
const FIRST_STEP_ROWS = 4096;

/**
 * The rows of a run of pages in which base and overlay differ, with some around them.
 *
 * @param runOf the run as it is now: it may grow while it is looked at
 */
export const rowSource = (
  client: EngineClient,
  runOf: () => PageRange,
  rowBytes: 8 | 16,
): RunSource<SideRow> => {
  return {
    get first() {
      return startOffsetOf(runOf());
    },
    step: FIRST_STEP_ROWS * rowBytes,
    startOf: ({ offset }) => offset,
    async fetch(from, limit, signal) {
      const run = runOf();
      const startOffset = startOffsetOf(run);
      const endOffset = endPageOf(run) * PAGE_BYTES;
      if (from >= endOffset) return { items: [], next: null };
      // Also for rows behind one that has changed and is before the place; whole pages are compared.
      const wanted = Math.max(startOffset, from - CONTEXT_ROWS * rowBytes);
      const offset = wanted - (wanted % PAGE_BYTES);
      const maximum = limit + (from - offset) / rowBytes + CONTEXT_ROWS;
      const length = endOffset - offset;
      const params = { offset, length, rowBytes, contextRows: CONTEXT_ROWS, maximum };
      const stream = client.stream('diffRows', params, { signal });
      const rows: SideRow[] = [];
      for await (const batch of stream.batches()) {
        for (const item of batch) {
          // What is skipped follows from the offsets; where the disk ends, the rows do.
          if (!('row' in item)) continue;
          const { offset, before, after, isChanged } = item.row;
          if (offset < from || offset >= endOffset) continue;
          rows.push({ offset, before: decoded(before), after: decoded(after), isChanged });
        }
      }
      const { changedRows } = await stream.result;
      const last = rows.at(-1);
      const isCut = changedRows >= maximum && last !== undefined;
      return { items: rows, next: isCut ? last.offset + rowBytes : null };
    },
  };
};

const decoded = (bytes: string): Buffer => Buffer.from(bytes, 'base64');
