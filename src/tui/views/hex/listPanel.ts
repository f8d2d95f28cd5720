import { countOf, formatOffset, printable } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { framed, inside, type Size } from '../../drawing/panel.js';
import type { Theme } from '../../drawing/theme.js';
import { MAX_ITEMS, type ResultList } from './resultList.js';

const STREAM_COLUMN_WIDTH = 'in stream 0x0000_0000  '.length;
/** What has less room says only where it is, and what. */
const MIN_COLUMNS_FOR_STREAM = 72;

/** Offset, where it lies in the stream of a container, and the text. */
export function listPanel(theme: Theme, size: Size, list: ResultList, hasFocus: boolean): string[] {
  const { rows: height, columns } = inside(size);
  const rows = list.place(height).map((index) => {
    const item = list.item(index);
    const isSelected = index === list.selected;
    const line = new Line(theme, columns, { isSelected: isSelected && hasFocus });
    if (item === undefined) return line.end();
    line
      .add(isSelected ? '▸' : ' ', 'key')
      .add(formatOffset(item.offset), 'plain')
      .add('  ');
    if (typeof item.streamOffset === 'number' && columns >= MIN_COLUMNS_FOR_STREAM) {
      const end = line.column + STREAM_COLUMN_WIDTH;
      line.add(`in stream ${formatOffset(item.streamOffset)}`, 'dim').to(end);
    }
    return line.add(item.text).end();
  });
  if (rows.length === 0) rows.push(new Line(theme, columns).add(emptyText(list), 'dim').end());
  return framed(rows, theme, size, list.title, { note: noteOf(list), hasFocus });
}

function emptyText({ end, count, error }: ResultList): string {
  if (error !== undefined) return printable(error.toLine());
  if (end === undefined) return 'Nothing was found yet; what is found comes here.';
  return count === 0 ? 'Nothing was found.' : 'Nothing has that text in it; / changes the filter.';
}

function noteOf(list: ResultList): string {
  const { count, shownCount, filter, end, error } = list;
  const total = countOf(count, 'place');
  const parts = [filter === '' ? total : `${shownCount} of ${total} with ${printable(filter)}`];
  if (end === undefined) parts.push('searching …');
  if (end === 'full') parts.push(`the first ${countOf(MAX_ITEMS, 'place')}: there may be more`);
  if (end === 'stopped') parts.push(error === undefined ? 'stopped' : printable(error.code));
  return parts.join(', ');
}
