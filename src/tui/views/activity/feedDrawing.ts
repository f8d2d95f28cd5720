import type { ActivityEvent } from '../../../engine/control/protocol/activity.js';
import { formatPages, pagesOf } from '../../../repl/language/pages.js';
import { eventBlocks, eventOutcome } from '../../../repl/rendering/activity.js';
import { countOf, formatOffset, shortBytes } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import type { Size } from '../../drawing/panel.js';
import { fit as inCells } from '../../drawing/text.js';
import type { Style, Theme } from '../../drawing/theme.js';
import type { ActivityHistory } from './history.js';

/** A request, or how many there were that nobody knows. */
export type FeedEntry = ActivityEvent | { readonly lostEvents: number };

/** A column that has not even room for this is left out. */
const MIN_COLUMN = 8;

/** The last entries before a time, in order, at most so many. */
export function feedBefore(
  history: ActivityHistory,
  time: number,
  maximum: number,
): readonly FeedEntry[] {
  const entries: FeedEntry[] = [];
  for (const { events, lostEvents } of history.backFrom(time, Number.NEGATIVE_INFINITY)) {
    for (let index = events.length - 1; index >= 0; index--) {
      if (entries.length >= maximum) return entries.reverse();
      entries.push(events[index] as ActivityEvent);
    }
    if (lostEvents > 0) entries.push({ lostEvents });
    if (entries.length >= maximum) break;
  }
  return entries.slice(0, maximum).reverse();
}

/** A column, and what of an event stands in it. Those behind the one that has no room are left out. */
interface FeedColumn {
  readonly width: number;
  readonly isRight?: boolean;
  readonly text: (event: ActivityEvent) => string;
  readonly style?: (event: ActivityEvent) => Style;
}

const columnsFor = (offsetColumns: number): readonly FeedColumn[] => [
  { width: 12, text: ({ time }) => clockTime(time), style: () => 'dim' },
  { width: 8, text: ({ kind }) => kind, style: styleOf },
  { width: 6, text: ({ stream }) => stream },
  {
    width: offsetColumns,
    text: ({ kind, offset }) => (kind === 'sync' ? '' : formatOffset(offset)),
  },
  {
    width: 9,
    isRight: true,
    text: ({ kind, length }) => (kind === 'sync' ? '' : shortBytes(length)),
  },
  { width: 16, text: eventOutcomeText, style: styleOf },
  { width: 20, text: placeText },
];

/**
 * One row for each entry.
 *
 * @param largestOffset the column of offsets has room for it
 */
export function feedRows(
  theme: Theme,
  { columns: width }: Pick<Size, 'columns'>,
  entries: readonly FeedEntry[],
  largestOffset: number,
): string[] {
  const columns = columnsFor(formatOffset(largestOffset).length);
  return entries.map((entry) => {
    const line = new Line(theme, width);
    if ('lostEvents' in entry) {
      const { lostEvents } = entry;
      const text = `… ${countOf(lostEvents, 'request')} before the next were more than can be told`;
      return line.add(text, 'dim').end();
    }
    columns.forEach(({ width: columnWidth, isRight, text, style }, index) => {
      if (index > 0 && line.room < Math.min(columnWidth, MIN_COLUMN) + 1) return;
      if (index > 0) line.add(' ');
      line.add(inCells(text(entry), Math.min(columnWidth, line.room), isRight), style?.(entry));
    });
    return line.end();
  });
}

/** Hours to milliseconds, as the clock on the wall. */
export function clockTime(time: number): string {
  const date = new Date(time);
  const milliseconds = String(date.getMilliseconds()).padStart(3, '0');
  return `${date.toTimeString().slice(0, 8)}.${milliseconds}`;
}

function styleOf({ kind, hasFailed }: ActivityEvent): Style {
  if (hasFailed) return 'error';
  return kind === 'read' ? 'plain' : 'dirty';
}

/** A read of dirty pages alone needs no block, and hits nothing. */
function eventOutcomeText(event: ActivityEvent): string {
  const { kind, hasFailed, blockCount } = event;
  return kind === 'read' && !hasFailed && blockCount === 0
    ? 'from the overlay'
    : eventOutcome(event);
}

/** The blocks that were needed; of a write the pages. */
function placeText(event: ActivityEvent): string {
  const { kind, offset, length } = event;
  if (kind === 'write') {
    const pages = pagesOf(offset, length);
    return `${pages.pageCount === 1 ? 'page' : 'pages'} ${formatPages(pages)}`;
  }
  const blocks = eventBlocks(event);
  if (blocks === '') return '';
  return event.blockCount === 1 ? `block ${blocks}` : `blocks ${blocks}`;
}
