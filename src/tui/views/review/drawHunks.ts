import type { Hunk, ReviewCounts } from '../../../engine/control/protocol/review.js';
import { countOf, formatCount, formatOffset, shortBytes } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { widthOf } from '../../drawing/text.js';
import type { Style, Theme } from '../../drawing/theme.js';
import type { RunDifference } from '../changes/differences.js';
import { startOffsetOf } from '../changes/pageRuns.js';

const styles: Readonly<Record<Hunk['decision'], Style>> = {
  keep: 'good',
  drop: 'dim',
  open: 'dirty',
};

/** With fewer columns, units go first. */
const COLUMNS_FOR_WORDS = 56;

export const markOf = ({ decision }: Pick<Hunk, 'decision'>): string =>
  `[${decision === 'open' ? ' ' : decision.charAt(0)}]`;

export function hunkRow(
  hunk: Hunk,
  difference: RunDifference | undefined,
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
    .add(markOf(hunk), styles[hunk.decision])
    .add(' ');
  line.add(formatOffset(startOffsetOf(hunk)).padStart(offsetWidth));
  const hasWords = columns >= COLUMNS_FOR_WORDS;
  const pages = hasWords
    ? countOf(hunk.pageCount, 'page').padStart(14)
    : formatCount(hunk.pageCount).padStart(8);
  const isKnown = difference?.isStale === false;
  const bytes = difference === undefined ? '…' : shortBytes(difference.bytes);
  const differs = hasWords ? `${bytes} differ`.padStart(18) : bytes.padStart(11);
  const parts: readonly (readonly [string, Style])[] = [
    [pages, 'plain'],
    [differs, isKnown ? 'difference' : 'dim'],
    [difference?.bytes === 0 ? ' (same as base)' : '', 'dim'],
    [hunk.hasChangedSince ? '  changed since' : '', 'dirty'],
    [hunk.isViewed ? '  viewed' : '', 'dim'],
  ];
  for (const [text, style] of parts) {
    if (line.room >= widthOf(text)) line.add(text, style);
  }
  return line.end();
}

/** `12 of 37 hunks decided:  keep 9   drop 3   open 25` */
export function hunksTitle(counts: ReviewCounts | undefined): string {
  if (counts === undefined) return 'hunks';
  const { hunks, keep, drop, open, viewed, changed } = counts;
  const more = [
    viewed === 0 ? '' : `   viewed ${formatCount(viewed)}`,
    changed === 0 ? '' : `   changed since ${formatCount(changed)}`,
  ].join('');
  return `${formatCount(keep + drop)} of ${countOf(hunks, 'hunk')} decided:  keep ${formatCount(keep)}   drop ${formatCount(drop)}   open ${formatCount(open)}${more}`;
}
