import { PAGE_BYTES } from '../../../repl/language/pages.js';
import { formatOffset, shortBytes } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { framed, inside, type Size } from '../../drawing/panel.js';
import type { Style, Theme } from '../../drawing/theme.js';

const SHADES = '░▒▓█';

/** Where the disk is dirty, and where the selection is. */
export interface DirtyMap {
  /** Dirty pages of each cell; negative where nobody knows. */
  readonly cells: Float64Array;
  readonly cellPages: number;
  readonly diskLength: number;
  readonly selectedPage: number | undefined;
}

/** A map of the disk in a frame: how much of each part is dirty. */
export function drawMap(map: DirtyMap, theme: Theme, size: Size): string[] {
  const { rows, columns } = inside(size);
  const { cells, cellPages, diskLength, selectedPage } = map;
  const perSign = Math.max(1, Math.ceil(cells.length / Math.max(1, rows * columns)));
  const signPages = perSign * cellPages;
  const selected = selectedPage === undefined ? -1 : Math.floor(selectedPage / signPages);
  const lines = Array.from({ length: rows }, (_, row) => {
    const line = new Line(theme, columns);
    const first = row * columns;
    const last = Math.min(first + columns, Math.ceil(cells.length / perSign));
    for (let sign = first; sign < last; sign++) {
      const { text, style } = signOf(
        cells.subarray(sign * perSign, (sign + 1) * perSign),
        cellPages,
      );
      line.add(text, style, sign === selected);
    }
    return line.end();
  });
  const title = `disk   0 … ${shortBytes(diskLength)}   cell ${shortBytes(signPages * PAGE_BYTES)}`;
  return framed(lines, theme, size, title, {
    note: `${SHADES} dirty${selectedPage === undefined ? '' : `   at ${formatOffset(selectedPage * PAGE_BYTES)}`}`,
  });
}

function signOf(cells: Float64Array, cellPages: number): { text: string; style: Style } {
  let dirty = 0;
  let isUnknown = false;
  for (const pages of cells) {
    if (pages < 0) isUnknown = true;
    else dirty += pages;
  }
  if (dirty > 0) {
    const share = dirty / (cells.length * cellPages);
    return { text: SHADES[Math.min(3, Math.floor(share * 4))] ?? '█', style: 'dirty' };
  }
  return { text: isUnknown ? '?' : '·', style: 'dim' };
}
