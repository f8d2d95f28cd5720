import { countOf, formatOffset } from '../../../repl/rendering/values.js';
import { characterOf, digitsOf, stylesOf } from '../../drawing/byteLooks.js';
import { Line } from '../../drawing/line.js';
import type { Theme } from '../../drawing/theme.js';
import type { SideRow } from './sideRows.js';

/** How rows of both sides have room. */
export interface SideLayout {
  readonly rowBytes: 8 | 16;
  readonly showsText: boolean;
  /** Whether the digits of offsets are in groups. */
  readonly hasGroups: boolean;
  readonly offsetWidth: number;
  readonly columns: number;
}

const MARK = '▸';

/** The widest layout that there is room for; the narrowest one where there is none. */
export function chooseSides(columns: number, endOffset: number): SideLayout {
  const layouts = ([16, 8] as const).flatMap((rowBytes) =>
    (rowBytes === 16 ? [true] : [true, false]).flatMap((showsText) =>
      [true, false].map((hasGroups) => layoutOf(rowBytes, showsText, hasGroups, endOffset)),
    ),
  );
  const fitting = layouts.find((layout) => layout.columns <= columns);
  return fitting ?? layoutOf(8, false, false, endOffset);
}

function layoutOf(
  rowBytes: 8 | 16,
  showsText: boolean,
  hasGroups: boolean,
  endOffset: number,
): SideLayout {
  const side = rowBytes * 3 + (showsText ? 1 + rowBytes : 0);
  const offsetWidth = offsetText(endOffset, hasGroups).length;
  const columns = 1 + offsetWidth + side + 1 + side;
  return { rowBytes, showsText, hasGroups, offsetWidth, columns };
}

const offsetText = (offset: number, hasGroups: boolean): string => {
  const text = formatOffset(offset);
  return hasGroups ? text : text.replaceAll('_', '');
};

/** A row of both sides. Where nothing is coloured, a star stands before what has changed. */
export function sideRow(
  { offset, before, after, isChanged }: SideRow,
  layout: SideLayout,
  theme: Theme,
  columns: number,
  isSelected: boolean,
): string {
  const line = new Line(theme, columns);
  line.add(isSelected ? MARK : ' ', 'strong');
  const place = offsetText(offset, layout.hasGroups).padStart(layout.offsetWidth);
  line.add(place, isSelected ? 'strong' : 'dim');
  addSide(line, before, after, layout, theme);
  // Told by a sign, too: the marks of single bytes may not be seen.
  line.add(isChanged ? '≠' : '│', isChanged ? 'difference' : 'dim');
  addSide(line, after, before, layout, theme);
  return line.end();
}

function addSide(
  line: Line,
  side: Buffer,
  other: Buffer,
  { rowBytes, showsText }: SideLayout,
  theme: Theme,
): void {
  for (let at = 0; at < rowBytes; at++) {
    const byte = side[at];
    const isChanged = byte !== other[at];
    if (byte === undefined) {
      line.add('   ');
      continue;
    }
    line.add(isChanged && !theme.isColoured ? '*' : ' ');
    line.add(digitsOf[byte] ?? '', isChanged ? 'difference' : stylesOf[byte], isChanged);
  }
  if (!showsText) return;
  line.add(' ');
  for (let at = 0; at < rowBytes; at++) {
    const byte = side[at];
    if (byte === undefined) {
      line.add(' ');
      continue;
    }
    const isChanged = byte !== other[at];
    line.add(characterOf[byte] ?? '', isChanged ? 'difference' : stylesOf[byte], isChanged);
  }
}

/** What stands for rows that are the same on both sides. */
export const equalRows = (count: number, theme: Theme, columns: number): string =>
  new Line(theme, columns).add(`   … ${countOf(count, 'equal row')} …`, 'dim').end();
