import { PAGE_BYTES } from '../../../repl/language/pages.js';
import { countOf, formatBytes, formatOffset, printable } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import type { Style, Theme } from '../../drawing/theme.js';
import { reasonFirst } from '../../model/damage.js';
import type { HexModel } from './hexModel.js';
import { ABSENT, BEHIND_END, UNKNOWN, UNREADABLE } from './streamBytes.js';

const cell = new Int16Array(1);

/** Where the cursor is, what is under it, and what goes on. What has no room is left out from the right. */
export function statusRow(
  theme: Theme,
  columns: number,
  model: HexModel,
  bookmarks: ReadonlyMap<string, number>,
  isDirty: boolean,
): string {
  const line = new Line(theme, columns);
  const add = (text: string, style: Style = 'plain'): void => {
    if (line.column > 0) line.add('  ');
    line.add(text, style);
  };
  const { bytes, cursorOffset, finder, marked } = model;
  add(formatOffset(cursorOffset), 'strong');
  if (finder.isSearching) {
    const { doneBytes = 0, totalBytes } = finder.progress ?? {};
    const share = totalBytes ? `, ${Math.floor((100 * doneBytes) / totalBytes)} %` : '';
    add(`searching: ${formatBytes(doneBytes)}${share}; Esc ends it`, 'good');
  }
  if (model.isFollowing) add(followText(model), 'hot');
  if (marked !== undefined) {
    add(`marked ${countOf(marked.endOffset - marked.startOffset, 'byte')}`, 'good');
  }
  const damage = bytes.damageAt(cursorOffset);
  if (damage !== undefined) add(`unreadable: ${printable(reasonFirst(damage))}`, 'error');
  else add(byteText(model));
  const names = [...bookmarks].filter(([, offset]) => offset === cursorOffset);
  for (const [name] of names) add(`$${name}`, 'key');
  const streamOffset = bytes.streamOffsetOf(cursorOffset);
  if (typeof streamOffset === 'number') add(`in stream ${formatOffset(streamOffset)}`);
  if (streamOffset === null) add('nowhere in the stream as it is', 'dim');
  add(`page ${Math.floor(cursorOffset / PAGE_BYTES)}`);
  if (isDirty) add('dirty', 'dirty');
  return line.end();
}

function followText({ followed }: HexModel): string {
  if (followed === undefined) return 'following: nothing was read since; Esc ends it';
  const { offset, length } = followed;
  return `following: read ${formatBytes(length)} at ${formatOffset(offset)}; Esc ends it`;
}

function byteText({ bytes, cursorOffset, cursorGap }: HexModel): string {
  if (cursorGap !== undefined) {
    const { startOffset, endOffset } = cursorGap;
    return `a hole, not in the dump: ${formatBytes(endOffset - startOffset)}, up to ${formatOffset(endOffset)}`;
  }
  bytes.copyCells(cursorOffset, cell);
  const byte = cell[0] ?? UNKNOWN;
  switch (byte) {
    case UNKNOWN:
      return 'not read yet';
    case ABSENT:
      return 'a hole, not in the dump';
    case UNREADABLE:
      return 'unreadable';
    case BEHIND_END:
      return 'behind the end';
    default: {
      const digits = byte.toString(16).padStart(2, '0');
      return `0x${digits} ${byte}`;
    }
  }
}
