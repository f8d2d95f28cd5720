import type { DiffRow } from '../../forensics/diff/rows.js';

/** How rows of two sides are laid out. */
export interface HexLayout {
  /** Bytes of a row on each side. */
  readonly rowBytes: number;
  readonly showsText: boolean;
  readonly isColoured: boolean;
  /** Digits of the offset. */
  readonly offsetDigits: number;
}

const NARROW_BYTES = 8;
const WIDE_BYTES = 16;
const WIDE_COLUMNS = 120;
const DEFAULT_COLUMNS = 80;
const MIN_OFFSET_DIGITS = 8;

/** The widest layout that a terminal has room for; without one, that for 80 columns. */
export function chooseLayout(
  columns: number | undefined,
  isColoured: boolean,
  longestStream: number,
): HexLayout {
  const width = columns ?? DEFAULT_COLUMNS;
  const digits = Math.max(0, longestStream - 1).toString(16).length;
  const offsetDigits = Math.max(MIN_OFFSET_DIGITS, digits);
  const layout = (rowBytes: number, showsText: boolean): HexLayout => ({
    rowBytes,
    showsText,
    isColoured,
    offsetDigits,
  });
  const full = layout(WIDE_BYTES, true);
  if (widthOf(full) <= width) return full;
  if (width >= WIDE_COLUMNS) return layout(WIDE_BYTES, false);
  const narrow = layout(NARROW_BYTES, true);
  return widthOf(narrow) <= width ? narrow : layout(NARROW_BYTES, false);
}

const widthOf = ({ rowBytes, showsText, offsetDigits }: HexLayout): number =>
  2 + offsetDigits + 1 + 2 * (rowBytes * 3 + (showsText ? rowBytes + 1 : 0));

/** The widest row of one side that there is room for. */
export function chooseRowLayout(
  columns: number | undefined,
  isColoured: boolean,
  firstOffset: number,
): HexLayout {
  const offsetDigits = Math.max(MIN_OFFSET_DIGITS, firstOffset.toString(16).length);
  const rowBytes =
    (columns ?? DEFAULT_COLUMNS) < WIDE_BYTES * 4 + 2 + offsetDigits + 2
      ? NARROW_BYTES
      : WIDE_BYTES;
  return { rowBytes, showsText: true, isColoured, offsetDigits };
}

/** Whether standard output shows colours (no-color.org). */
export const hasColours = (): boolean =>
  process.stdout.isTTY === true &&
  (process.env.NO_COLOR ?? '') === '' &&
  process.env.TERM !== 'dumb';

type Style = 'plain' | 'dim' | 'space' | 'control' | 'high';

const colours: Readonly<Record<Style, string>> = {
  plain: '',
  dim: '2',
  space: '32',
  control: '33',
  high: '34',
};
const CHANGED = '35;7';

const classOf = (byte: number): Style => {
  if (byte === 0) return 'dim';
  if (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)) return 'space';
  if (byte < 0x20 || byte === 0x7f) return 'control';
  return byte < 0x7f ? 'plain' : 'high';
};

/**
 * One row: offset, the bytes before, `|`, the bytes now. A byte that is another one now is marked on both
 * sides: shown inverse where there are colours, else by a star before it.
 */
export function rowText(
  { offset, before, after }: Pick<DiffRow, 'offset' | 'before' | 'after'>,
  layout: HexLayout,
): string {
  const line = new StyledLine(layout.isColoured);
  line.add(`0x${offset.toString(16).padStart(layout.offsetDigits, '0')}`, 'dim');
  addSide(line, before, after, layout);
  line.add('|', 'plain');
  addSide(line, after, before, layout);
  return line.end();
}

/** One row of one side: offset, what stands beside it, the bytes. */
export function hexRowText(
  offset: number,
  beside: string,
  bytes: Buffer,
  layout: HexLayout,
): string {
  const line = new StyledLine(layout.isColoured);
  line.add(`0x${offset.toString(16).padStart(layout.offsetDigits, '0')}${beside}`, 'dim');
  line.add(' ', 'plain');
  addSide(line, bytes, bytes, layout);
  return line.end();
}

function addSide(line: StyledLine, side: Buffer, other: Buffer, layout: HexLayout): void {
  const { rowBytes, showsText, isColoured } = layout;
  for (let at = 0; at < rowBytes; at++) {
    const byte = side[at];
    const isChanged = byte !== other[at];
    if (byte === undefined) {
      line.add('   ', 'plain');
      continue;
    }
    line.add(isChanged && !isColoured ? '*' : ' ', 'plain');
    line.add(byte.toString(16).padStart(2, '0'), classOf(byte), isChanged);
  }
  if (!showsText) return;
  line.add(' ', 'plain');
  for (let at = 0; at < rowBytes; at++) {
    const byte = side[at];
    if (byte === undefined) {
      line.add(' ', 'plain');
      continue;
    }
    const isPrintable = byte >= 0x20 && byte < 0x7f;
    const character = isPrintable ? String.fromCharCode(byte) : '.';
    line.add(character, classOf(byte), byte !== other[at]);
  }
}

/** Text with colours; those that follow each other and are the same are switched once. */
class StyledLine {
  readonly #isColoured: boolean;
  #text = '';
  #colour = '';

  constructor(isColoured: boolean) {
    this.#isColoured = isColoured;
  }

  add(text: string, style: Style, isChanged = false): void {
    if (this.#isColoured) {
      const colour = isChanged ? CHANGED : colours[style];
      if (colour !== this.#colour) this.#text += `\u001b[0${colour === '' ? '' : `;${colour}`}m`;
      this.#colour = colour;
    }
    this.#text += text;
  }

  end(): string {
    this.add('', 'plain');
    return this.#text.trimEnd();
  }
}
