import { PAGE_BYTES, type PageRange } from '../../../repl/language/pages.js';
import { countOf, formatCount, formatOffset, shortBytes } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { widthOf } from '../../drawing/text.js';
import type { Theme } from '../../drawing/theme.js';
import type { RunDifference } from '../changes/differences.js';
import type { OverlayTotals } from '../changes/overlayTally.js';
import { startOffsetOf } from '../changes/pageRuns.js';

/** What a row says of an extent. */
export interface ExtentFacts {
  readonly extent: PageRange;
  /** What the review says of it, in two characters at most. */
  readonly sign: string;
  readonly difference: RunDifference | undefined;
  readonly age: string;
}

const SIGN_WIDTH = 2;
const PAGES_WIDTH = 9;
const DIFFERS_WIDTH = 11;
const AGE_WIDTH = 8;

/** Columns that have no room are left out, the last one first. */
export function extentHeading(theme: Theme, columns: number, offsetWidth: number): string {
  const line = new Line(theme, columns).add(`    ${'offset'.padEnd(offsetWidth)}`, 'dim');
  for (const [title, width] of [
    ['pages', PAGES_WIDTH],
    ['differs', DIFFERS_WIDTH],
    ['age', AGE_WIDTH],
  ] as const) {
    if (line.room >= width) line.add(title.padStart(width), 'dim');
  }
  return line.end();
}

export function extentRow(
  { extent, sign, difference, age }: ExtentFacts,
  theme: Theme,
  columns: number,
  options: {
    readonly isSelected: boolean;
    readonly hasFocus: boolean;
    readonly offsetWidth: number;
  },
): string {
  const { isSelected, hasFocus, offsetWidth } = options;
  const line = new Line(theme, columns, { isSelected: isSelected && hasFocus });
  line
    .add(isSelected ? '▸' : ' ', 'strong')
    .add(sign.padEnd(SIGN_WIDTH), 'strong')
    .add(' ');
  line.add(formatOffset(startOffsetOf(extent)).padStart(offsetWidth), 'dirty');
  const pages = formatCount(extent.pageCount).padStart(PAGES_WIDTH);
  const differs = difference === undefined ? '…' : shortBytes(difference.bytes);
  const isKnown = difference?.isStale === false;
  if (line.room >= PAGES_WIDTH) line.add(pages);
  if (line.room >= DIFFERS_WIDTH) {
    line.add(differs.padStart(DIFFERS_WIDTH), isKnown ? 'difference' : 'dim');
  }
  if (line.room >= AGE_WIDTH) line.add(age.padStart(AGE_WIDTH), 'dim');
  const note = difference?.bytes === 0 ? '  same as base' : '';
  if (line.room >= widthOf(note)) line.add(note, 'dim');
  return line.end();
}

/** `extents   37 in 212 pages, 848 KiB; really different 391 KiB`, as far as it is known. */
export function extentsTitle(
  { extents, isListed, differentBytes, comparedShare }: OverlayTotals,
  dirtyPages: number,
): string {
  const count = `${formatCount(extents)}${isListed ? '' : ' …'}`;
  const pages = `${countOf(dirtyPages, 'page')}, ${shortBytes(dirtyPages * PAGE_BYTES)}`;
  const different = `really different ${shortBytes(differentBytes)}`;
  const share =
    comparedShare === 1 ? '' : ` so far (${Math.floor(comparedShare * 100)} % compared)`;
  return `extents   ${count} in ${pages}; ${different}${share}`;
}
