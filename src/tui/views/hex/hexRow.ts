import { formatBytes, formatOffset } from '../../../repl/rendering/values.js';
import { characterOf, digitsOf, stylesOf } from '../../drawing/byteLooks.js';
import { Line } from '../../drawing/line.js';
import type { Style, Theme } from '../../drawing/theme.js';
import type { Gap } from './addressRows.js';
import { GROUP_BYTES, type HexLayout } from './hexLayout.js';
import { ABSENT, BEHIND_END, UNREADABLE } from './streamBytes.js';

/** What is to be seen of a row besides its bytes. */
export interface RowMarks {
  readonly isDirty: boolean;
  readonly cursorOffset: number;
  readonly isMarked: (offset: number) => boolean;
}

/** What is drawn where there is no byte. */
function placeholderOf(cell: number): { hex: string; text: string; style: Style } {
  switch (cell) {
    case ABSENT:
      return { hex: '--', text: ' ', style: 'dim' };
    case UNREADABLE:
      return { hex: '!!', text: '!', style: 'error' };
    case BEHIND_END:
      return { hex: '  ', text: ' ', style: 'plain' };
    default:
      return { hex: '··', text: ' ', style: 'dim' };
  }
}

/**
 * A row: a mark if its page is dirty, offset, bytes, text. The byte under the cursor stands in brackets, what is marked
 * is shown inverse.
 *
 * @param cells bytes, or what there is instead (`StreamBytes.copyCells`)
 */
export function hexRow(
  theme: Theme,
  width: number,
  layout: HexLayout,
  offset: number,
  cells: Int16Array,
  marks: RowMarks,
): string {
  const line = startOfRow(theme, width, layout, offset, marks.isDirty);
  const runs = new Runs(line);
  const { cursorOffset, isMarked } = marks;
  const cursorAt = cursorOffset - offset;
  for (let at = 0; at < cells.length; at++) {
    const cell = cells[at] ?? 0;
    const hasBracket = at === cursorAt || (at > 0 && at === cursorAt + 1);
    if (at > 0 && layout.hasGroups && at % GROUP_BYTES === 0) runs.blank(false);
    const isJoined = at > 0 && isMarked(offset + at) && isMarked(offset + at - 1);
    if (hasBracket) runs.add(at === cursorAt ? '[' : ']', 'strong', false);
    else runs.blank(isJoined);
    const isByte = cell >= 0;
    const hex = isByte ? digitsOf[cell] : undefined;
    const { hex: otherHex, style } = isByte
      ? { hex: '', style: stylesOf[cell] ?? 'plain' }
      : placeholderOf(cell);
    runs.add(hex ?? otherHex, style, isMarked(offset + at));
  }
  if (cursorAt === cells.length - 1) runs.add(']', 'strong', false);
  else runs.blank(false);
  if (layout.hasText) {
    for (let at = 0; at < cells.length; at++) {
      const cell = cells[at] ?? 0;
      const isInverse = at === cursorAt || isMarked(offset + at);
      if (cell >= 0) runs.add(characterOf[cell] ?? '.', stylesOf[cell] ?? 'plain', isInverse);
      else {
        const { text, style } = placeholderOf(cell);
        runs.add(text, style, isInverse);
      }
    }
  }
  runs.end();
  return line.end();
}

/** The one row of addresses that nothing holds. */
export function gapRow(
  theme: Theme,
  width: number,
  layout: HexLayout,
  gap: Gap,
  hasCursor: boolean,
): string {
  const length = gap.endOffset - gap.startOffset;
  const text = `not present: ${formatBytes(length)}, up to ${formatOffset(gap.endOffset)}`;
  return startOfRow(theme, width, layout, gap.startOffset, false)
    .add(hasCursor ? '[' : ' ', 'strong')
    .add(text, hasCursor ? 'strong' : 'dim', hasCursor)
    .add(hasCursor ? ']' : '', 'strong')
    .end();
}

const startOfRow = (
  theme: Theme,
  width: number,
  { digits }: HexLayout,
  offset: number,
  isDirty: boolean,
): Line =>
  new Line(theme, width)
    .add(isDirty ? 'D' : ' ', 'dirty')
    .add(offset.toString(16).padStart(digits, '0'), 'dim');

/** Text of one look is added to a line at once. */
class Runs {
  readonly #line: Line;
  #text = '';
  #style: Style = 'plain';
  #isInverse = false;

  constructor(line: Line) {
    this.#line = line;
  }

  add(text: string, style: Style, isInverse: boolean): void {
    if (style !== this.#style || isInverse !== this.#isInverse) {
      this.end();
      this.#style = style;
      this.#isInverse = isInverse;
    }
    this.#text += text;
  }

  /** Looks the same in every style, so none is switched for it. */
  blank(isInverse: boolean): void {
    this.add(' ', this.#style, isInverse);
  }

  end(): void {
    this.#line.add(this.#text, this.#style, this.#isInverse);
    this.#text = '';
  }
}
