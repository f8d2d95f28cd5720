import { Line } from '../../drawing/line.js';
import type { Size } from '../../drawing/panel.js';
import type { Style, Theme } from '../../drawing/theme.js';
import { stageOf } from './heat.js';
import { type CellAmounts, noAmounts, type StreamGrid } from './streamGrid.js';

/** How the cells of a grid lie on the screen: some of them are one sign. */
export interface MapLayout {
  readonly columns: number;
  readonly cellsPerSign: number;
  readonly signs: number;
}

/** What is seen of a stream at one moment. */
export interface MapPicture {
  readonly grid: StreamGrid;
  readonly occupancy: ReturnType<StreamGrid['occupancyAt']>;
  readonly heats: Uint8Array;
  /** Signs with a block that cannot be read. */
  readonly damagedSigns: ReadonlySet<number>;
  /** The sign that is shown inverse. */
  readonly selectedSign: number;
  /** Rows of the layout that are scrolled away. */
  readonly firstRow: number;
}

/** The finest layout that has room. */
export function layoutOf({ cellCount }: StreamGrid, { rows, columns }: Size): MapLayout {
  const cellsPerSign = Math.max(1, Math.ceil(cellCount / Math.max(1, rows * columns)));
  return { columns, cellsPerSign, signs: Math.ceil(cellCount / cellsPerSign) };
}

interface Sign {
  readonly sign: string;
  readonly style: Style;
}

const signs = {
  damaged: { sign: '!', style: 'error' },
  unknown: { sign: '?', style: 'dim' },
  data: { sign: '·', style: 'dim' },
  zero: { sign: 'z', style: 'dim' },
  parent: { sign: '^', style: 'dim' },
  cached: { sign: 'c', style: 'cold' },
  dirty: { sign: 'D', style: 'dirty' },
  both: { sign: '▄', style: 'dirty' },
} as const satisfies Record<string, Sign>;

function signOf(heat: number, amounts: CellAmounts): Sign {
  const isDirty = amounts.dirtyPages > 0;
  if (heat > 0) return isDirty ? signs.both : stageOf(heat);
  if (isDirty) return signs.dirty;
  if (amounts.cachedBlocks > 0) return signs.cached;
  const { dataBytes, zeroBytes, parentBytes } = amounts;
  if (dataBytes + zeroBytes + parentBytes === 0) return signs.unknown;
  if (parentBytes > 0 && parentBytes >= dataBytes) return signs.parent;
  return dataBytes === 0 ? signs.zero : signs.data;
}

/** Rows with a sign for each cell; those behind the last cell are blank. */
export function mapRows(
  theme: Theme,
  { rows: rowCount, columns }: Size,
  layout: MapLayout,
  picture: MapPicture,
): string[] {
  const amounts = noAmounts();
  const rows: string[] = [];
  for (let row = 0; row < rowCount; row++) {
    const line = new Line(theme, columns);
    let run = '';
    let style: Style = 'plain';
    const start = (picture.firstRow + row) * layout.columns;
    const end = Math.min(start + layout.columns, layout.signs);
    for (let index = start; index < end; index++) {
      const next = signAt(index, layout, picture, amounts);
      const isSelected = index === picture.selectedSign;
      if (next.style !== style || isSelected) {
        line.add(run, style);
        run = '';
        style = next.style;
      }
      if (isSelected) line.add(next.sign, style, true);
      else run += next.sign;
    }
    rows.push(line.add(run, style).end());
  }
  return rows;
}

function signAt(
  index: number,
  { cellsPerSign }: MapLayout,
  { grid, occupancy, heats, damagedSigns }: MapPicture,
  amounts: CellAmounts,
): Sign {
  if (damagedSigns.has(index)) return signs.damaged;
  const first = index * cellsPerSign;
  const end = Math.min(first + cellsPerSign, grid.cellCount);
  let heat = 0;
  for (let cell = first; cell < end; cell++) heat = Math.max(heat, heats[cell] as number);
  return signOf(heat, grid.sum(first, end, occupancy, amounts));
}

const legend: readonly (readonly [sign: string, style: Style, meaning: string])[] = [
  ['█▓▒░', 'warm', 'read, fading'],
  ['D', 'dirty', 'dirty'],
  ['▄', 'dirty', 'both'],
  ['c', 'cold', 'cached'],
  ['!', 'error', 'damaged'],
  ['·', 'dim', 'untouched'],
  ['z', 'dim', 'zero'],
  ['^', 'dim', 'parent'],
  ['?', 'dim', 'unknown'],
];

/** What the signs mean, in as many rows as it takes, and no more than so many. */
export function legendRows(theme: Theme, { rows: maximum, columns }: Size): string[] {
  const rows: string[] = [];
  let line = new Line(theme, columns);
  for (const [sign, style, meaning] of legend) {
    const width = sign.length + 1 + meaning.length;
    if (line.column > 0 && line.room < width + 2) {
      rows.push(line.end());
      line = new Line(theme, columns);
    }
    if (line.column > 0) line.add('  ');
    line.add(sign, style).add(` ${meaning}`);
  }
  rows.push(line.end());
  return rows.slice(0, Math.max(0, maximum));
}
