import type { ActivitySample } from '../../../engine/control/protocol/activity.js';
import { PAGE_BYTES } from '../../../repl/language/pages.js';
import { countWhile } from '../../model/ordered.js';

/** Pages from `start` on, `end` excluded. */
export interface PageSpan {
  readonly start: number;
  readonly end: number;
}

/** The pages of the disk that may have been written since the last sample, in order. */
export function writtenSpans({ touched }: ActivitySample): readonly PageSpan[] {
  const cells = touched.disk;
  if (cells === undefined) return [];
  const { cellBytes, written } = cells;
  const spans: PageSpan[] = [];
  for (let at = 0; at + 1 < written.length; at += 2) {
    const first = written[at] ?? 0;
    const count = written[at + 1] ?? 0;
    spans.push({
      start: Math.floor((first * cellBytes) / PAGE_BYTES),
      end: Math.ceil(((first + count) * cellBytes) / PAGE_BYTES),
    });
  }
  return spans;
}

/** Whether one of the spans, which are in order, has a page of a range. */
export function touches(spans: readonly PageSpan[], start: number, end: number): boolean {
  const span = spans[countWhile(spans, (each) => each.end <= start)];
  return span !== undefined && span.start < end;
}
