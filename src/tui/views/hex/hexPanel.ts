import { PAGE_BYTES } from '../../../repl/language/pages.js';
import { formatBytes } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { framed, inside, type Size } from '../../drawing/panel.js';
import { wrap } from '../../drawing/text.js';
import { emptyText } from '../emptyText.js';
import type { ScreenContext } from '../view.js';
import { byteAt as byteInRow, chooseHexLayout, type HexLayout } from './hexLayout.js';
import type { HexModel } from './hexModel.js';
import { gapRow, hexRow } from './hexRow.js';
import { statusRow } from './statusRow.js';

/** What has fewer rows shows bytes alone. */
const ROWS_FOR_STATUS = 3;

/** Which bytes are drawn where. */
interface Drawn {
  readonly layout: HexLayout;
  readonly starts: readonly number[];
}

/** The panel of the bytes. It remembers what it drew, for the mouse. */
export class HexPanel {
  readonly #context: ScreenContext;
  readonly #model: HexModel;
  #drawn: Drawn | undefined;
  #cells = new Int16Array(0);

  constructor(context: ScreenContext, model: HexModel) {
    this.#context = context;
    this.#model = model;
  }

  draw(size: Size, hasFocus: boolean): string[] {
    const { theme, session } = this.#context;
    const { bytes, viewport } = this.#model;
    const { rows: innerRows, columns } = inside(size);
    if (bytes.isEndKnown && bytes.endOffset === 0) {
      bytes.want([0], []);
      this.#drawn = undefined;
      const text = emptyText(bytes.place.stream, this.#context.engine.state);
      const lines = wrap(text, Math.max(1, columns)).map((row) =>
        new Line(theme, columns).add(row, 'dim').end(),
      );
      return framed(lines, theme, size, this.#title, { hasFocus });
    }
    const height = innerRows < ROWS_FOR_STATUS ? innerRows : innerRows - 1;
    const layout = chooseHexLayout(columns, bytes.endOffset);
    const { rowBytes } = layout;
    const rows = this.#model.rows(rowBytes);
    const wantedOffset = viewport.cursorOffset;
    const starts = viewport.place(rows, height);
    // It was behind the end.
    if (viewport.cursorOffset !== wantedOffset) this.#model.moved();
    this.#drawn = { layout, starts };
    const first = starts[0] ?? 0;
    const last = starts.at(-1) ?? first;
    const holds = (offset: number): boolean => rows.gapAt(offset) === undefined;
    bytes.want(starts.filter(holds), [
      ...rows.from(rows.next(last) ?? last, height).filter(holds),
      ...rows.from(rows.step(first, -height), height).filter(holds),
    ]);
    const dirty = this.#model.hasOverlay ? this.#model.dirty.from(first) : undefined;
    const isDirty = (offset: number): boolean =>
      dirty?.has(Math.floor(offset / PAGE_BYTES)) === true;
    const isMarked = this.#marks(first, Math.min(last + rowBytes, first + height * rowBytes));
    if (this.#cells.length !== rowBytes) this.#cells = new Int16Array(rowBytes);
    const { cursorOffset } = viewport;
    const lines = starts.slice(0, innerRows).map((start) => {
      const gap = rows.gapAt(start);
      if (gap !== undefined) {
        return gapRow(theme, columns, layout, gap, rows.startOf(cursorOffset) === start);
      }
      bytes.copyCells(start, this.#cells);
      const marks = { isDirty: isDirty(start), cursorOffset, isMarked };
      return hexRow(theme, columns, layout, start, this.#cells, marks);
    });
    if (height < innerRows) {
      while (lines.length < height) lines.push(' '.repeat(columns));
      const isCursorDirty = isDirty(cursorOffset);
      lines.push(statusRow(theme, columns, this.#model, session.bookmarks, isCursorDirty));
    }
    return framed(lines, theme, size, this.#title, { note: this.#note, hasFocus });
  }

  /** The byte that was drawn there, from the panel's first row and column. */
  byteAt(row: number, column: number): number | undefined {
    const start = this.#drawn?.starts[row - 1];
    if (this.#drawn === undefined || start === undefined) return undefined;
    const at = byteInRow(this.#drawn.layout, column - 1);
    return at === undefined ? undefined : start + at;
  }

  get #title(): string {
    const { place, hasOverlay } = this.#model;
    if (place.stream === 'disk') return hasOverlay ? `disk, ${sideTexts[place.side]}` : 'disk';
    return `memory, ${place.addressing === 'raw' ? 'offsets of the stream' : 'guest-physical'}`;
  }

  get #note(): string {
    const { bytes, cursorOffset } = this.#model;
    if (!bytes.isEndKnown) return '';
    const share = bytes.endOffset === 0 ? 0 : (100 * cursorOffset) / bytes.endOffset;
    return `${share.toFixed(1)} % of ${formatBytes(bytes.endOffset)}`;
  }

  /** Whether a byte is marked, or was found. */
  #marks(startOffset: number, endOffset: number): (offset: number) => boolean {
    const { marked, match, finder, found, place } = this.#model;
    const isFound = found.within(place, finder.pattern, startOffset, endOffset);
    const matchEnd = match === undefined ? 0 : match.offset + match.length;
    return (offset) =>
      (marked !== undefined && offset >= marked.startOffset && offset < marked.endOffset) ||
      (match !== undefined && offset >= match.offset && offset < matchEnd) ||
      isFound(offset);
  }
}

const sideTexts = { merged: 'as the mount shows it', base: 'the base, without the overlay' };
