import { Line } from './line.js';
import { shorten, widthOf } from './text.js';
import type { Style, Theme } from './theme.js';

/** Cells of the terminal. */
export interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** The room within a frame. */
export const inside = ({ rows, columns }: Size): Size => ({
  rows: Math.max(0, rows - 2),
  columns: Math.max(0, columns - 2),
});

/** Blank rows. */
const blank = (theme: Theme, { rows, columns }: Size): string[] =>
  Array.from({ length: rows }, () => new Line(theme, columns).end());

/** Exactly so many rows: cut, or filled up with blank ones. */
export function fitRows(rows: readonly string[], theme: Theme, size: Size): string[] {
  const missing = Math.max(0, size.rows - rows.length);
  return [...rows.slice(0, size.rows), ...blank(theme, { ...size, rows: missing })];
}

/**
 * Rows in a frame with a title. They are as wide as `inside(size)` says.
 *
 * @param note stands at the right end of the upper edge
 */
export function framed(
  rows: readonly string[],
  theme: Theme,
  size: Size,
  title: string,
  options: { readonly note?: string; readonly hasFocus?: boolean } = {},
): string[] {
  if (size.rows < 2 || size.columns < 2) return blank(theme, size);
  const room = inside(size);
  const style: Style = options.hasFocus === true ? 'plain' : 'dim';
  const edge = (text: string): string => new Line(theme, 1).add(text, style).end();
  const left = edge('│');
  return [
    upperEdge(theme, size.columns, title, options.note ?? '', style),
    ...fitRows(rows, theme, room).map((row) => `${left}${row}${left}`),
    new Line(theme, size.columns).add(`└${'─'.repeat(room.columns)}┘`, style).end(),
  ];
}

function upperEdge(
  theme: Theme,
  columns: number,
  title: string,
  note: string,
  style: Style,
): string {
  const line = new Line(theme, columns).add('┌', style);
  const room = columns - 4;
  if (title !== '' && room > 0) line.add(' ').add(shorten(title, room), 'heading').add(' ');
  const noteWidth = note === '' ? 0 : widthOf(note) + 3;
  const fill = columns - 1 - noteWidth - line.column;
  if (fill < 0 || noteWidth === 0) line.add('─'.repeat(Math.max(0, line.room - 1)), style);
  else line.add('─'.repeat(fill), style).add(` ${note} `).add('─', style);
  return line.add('┐', style).end();
}

/** Panels beside each other, all with the same number of rows. */
export const beside = (...panels: readonly (readonly string[])[]): string[] =>
  (panels[0] ?? []).map((_, index) => panels.map((panel) => panel[index] ?? '').join(''));
