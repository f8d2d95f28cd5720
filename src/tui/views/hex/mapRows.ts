import { Line } from '../../drawing/line.js';
import type { Size } from '../../drawing/panel.js';
import type { Style, Theme } from '../../drawing/theme.js';
import type { CellClass, PageMap } from './pageMap.js';

interface Look {
  readonly sign: string;
  readonly style: Style;
  readonly about: string;
  /** Where there is little room. */
  readonly short: string;
}

/** A letter tells the class where there are no colours. */
const looks: Readonly<Record<CellClass, Look>> = {
  zero: { sign: '·', style: 'dim', about: 'zero', short: 'zero' },
  parent: { sign: '^', style: 'dim', about: 'as in the parent', short: 'parent' },
  text: { sign: 't', style: 'good', about: 'text', short: 'text' },
  code: { sign: 'c', style: 'warm', about: 'code-like', short: 'code' },
  entropy: { sign: '#', style: 'cold', about: 'high entropy', short: 'entropy' },
  other: { sign: 'o', style: 'plain', about: 'other', short: 'other' },
  absent: { sign: '-', style: 'dim', about: 'a hole', short: 'hole' },
};
const unknownLook: Look = { sign: '?', style: 'dim', about: 'not known', short: 'unknown' };
const GAP = '  ';

/** How the buckets of a map are spread over the cells of a screen. */
export class MapGrid {
  readonly columns: number;
  readonly cellCount: number;
  readonly #map: PageMap;
  readonly #cellBuckets: number;

  constructor(map: PageMap, { rows, columns }: Size) {
    this.#map = map;
    this.columns = Math.max(1, columns);
    this.#cellBuckets = Math.max(
      1,
      Math.ceil(map.bucketCount / (this.columns * Math.max(1, rows))),
    );
    this.cellCount = Math.ceil(map.bucketCount / this.#cellBuckets);
  }

  get cellBytes(): number {
    return this.#cellBuckets * this.#map.bucketBytes;
  }

  classOf(cell: number): CellClass | undefined {
    return this.#map.classOf(cell * this.#cellBuckets, (cell + 1) * this.#cellBuckets);
  }

  /** The address that a cell begins with. */
  offsetOf(cell: number): number {
    return this.#map.order.offsetOf(cell * this.cellBytes);
  }

  cellOf(offset: number): number {
    const cell = Math.floor(this.#map.order.indexOf(offset) / this.cellBytes);
    return Math.min(this.cellCount - 1, cell);
  }
}

/** A row of text for each row of cells; the one in which the cursor is stands out. */
export function mapRows(theme: Theme, grid: MapGrid, selectedCell: number): string[] {
  const rows: string[] = [];
  for (let first = 0; first < grid.cellCount; first += grid.columns) {
    const line = new Line(theme, grid.columns);
    const end = Math.min(grid.cellCount, first + grid.columns);
    for (let cell = first; cell < end; ) {
      const name = grid.classOf(cell);
      const isSelected = cell === selectedCell;
      let stop = cell + 1;
      while (!isSelected && stop < end && stop !== selectedCell && grid.classOf(stop) === name)
        stop++;
      const { sign, style } = name === undefined ? unknownLook : looks[name];
      line.add(sign.repeat(stop - cell), style, isSelected);
      cell = stop;
    }
    rows.push(line.end());
  }
  return rows;
}

export const classText = (name: CellClass | undefined): string =>
  name === undefined ? 'not known yet' : looks[name].about;

/** What the signs mean: in few words where there is no room for more, and as far as there is any. */
export function legendRow(theme: Theme, columns: number): string {
  const all: readonly Look[] = [...Object.values(looks), unknownLook];
  const width = all.reduce((sum, { about }) => sum + about.length + 2 + GAP.length, 0);
  const line = new Line(theme, columns);
  for (const { sign, style, about, short } of all) {
    const text = width <= columns ? about : short;
    if (line.room < text.length + 2) break;
    line.add(sign, style).add(` ${text}${GAP}`, 'dim');
  }
  return line.end();
}
