/** Where a row of a hex view has what; all in cells of the terminal. */
export interface HexLayout {
  readonly rowBytes: number;
  /** Digits of the offset. */
  readonly digits: number;
  readonly hasText: boolean;
  /** Whether groups of eight bytes stand apart. */
  readonly hasGroups: boolean;
  /** Of the first digit of the first byte; between two bytes is a cell, and one before the text. */
  readonly hexColumn: number;
  readonly textColumn: number;
}

const ROW_BYTES = [32, 16, 8] as const;
const MIN_DIGITS = 8;
/** The mark of a dirty page. */
const MARGIN = 1;
export const GROUP_BYTES = 8;

/** As many bytes as there is room for; then the text, then the gaps between groups. */
export function chooseHexLayout(columns: number, endOffset: number): HexLayout {
  const digits = Math.max(MIN_DIGITS, Math.max(0, endOffset - 1).toString(16).length);
  for (const rowBytes of ROW_BYTES) {
    for (const hasGroups of [true, false]) {
      const layout = layoutOf(rowBytes, digits, true, hasGroups);
      if (layout.textColumn + rowBytes <= columns) return layout;
    }
  }
  return layoutOf(8, digits, false, false);
}

function layoutOf(
  rowBytes: number,
  digits: number,
  hasText: boolean,
  hasGroups: boolean,
): HexLayout {
  const hexColumn = MARGIN + digits + 1;
  const gaps = hasGroups ? rowBytes / GROUP_BYTES - 1 : 0;
  const textColumn = hexColumn + rowBytes * 3 + gaps;
  return { rowBytes, digits, hasText, hasGroups, hexColumn, textColumn };
}

/** Which byte of a row is drawn at a column, undefined for none. */
export function byteAt(layout: HexLayout, column: number): number | undefined {
  const { rowBytes, hexColumn, textColumn, hasText } = layout;
  if (hasText && column >= textColumn) {
    return column < textColumn + rowBytes ? column - textColumn : undefined;
  }
  for (let at = 0; at < rowBytes; at++) {
    const start = hexColumn + at * 3 + gapsBefore(layout, at);
    if (column >= start && column < start + 2) return at;
  }
  return undefined;
}

const gapsBefore = ({ hasGroups }: HexLayout, at: number): number =>
  hasGroups ? Math.floor(at / GROUP_BYTES) : 0;
