import { basename } from 'node:path';
import type { EngineState } from '../engine/control/protocol/engineState.js';
import { formatBytes, printable, shortBytes } from '../repl/rendering/values.js';
import { Line } from './drawing/line.js';
import { shorten, widthOf } from './drawing/text.js';
import type { Style, Theme } from './drawing/theme.js';

const GAP = '   ';

/** What the first row says beside what the snapshot is. */
export interface HeaderFacts {
  /** `rw web-01.overlay`, or how else it is used. */
  readonly overlay: string;
  readonly mount: string;
  readonly condition: string;
  readonly conditionStyle: Style;
}

/** `hexz  web-01.hxz   lz4 64 KiB   8.0 GiB in 2.1 GiB (3.8x)   rw web-01.overlay   /mnt   ● live` */
export function headerRow(
  snapshot: EngineState['snapshot'],
  { overlay, mount, condition, conditionStyle }: HeaderFacts,
  theme: Theme,
  columns: number,
): string {
  const line = new Line(theme, columns).add('hexz', 'strong').add('  ');
  const room = columns - widthOf(condition) - 2;
  const decoded = Object.values(snapshot.streams).reduce((sum, { length }) => sum + length, 0);
  const ratio = snapshot.fileBytes === 0 ? 0 : decoded / snapshot.fileBytes;
  const facts = [
    { rank: 0, text: shorten(printable(basename(snapshot.path)), Math.max(12, room >> 1)) },
    { rank: 3, text: `${snapshot.compression} ${shortBytes(snapshot.blockBytes)}` },
    {
      rank: 4,
      text: `${formatBytes(decoded)} in ${formatBytes(snapshot.fileBytes)} (${ratio.toFixed(1)}x)`,
    },
    { rank: 1, text: overlay },
    { rank: 2, text: mount },
  ].filter(({ text }) => text !== '');
  for (const fact of thoseWithRoom(facts, room - line.column)) {
    line.add(fact.rank === 0 ? fact.text : GAP + fact.text, fact.rank === 0 ? 'strong' : 'plain');
  }
  return line.right(condition, conditionStyle).end();
}

/** Of facts in a row, those that matter most; the order stays. */
function thoseWithRoom<Fact extends { readonly rank: number; readonly text: string }>(
  facts: readonly Fact[],
  columns: number,
): Fact[] {
  let room = columns;
  const shown = new Set<Fact>();
  for (const fact of [...facts].sort((a, b) => a.rank - b.rank)) {
    const width = widthOf(fact.text) + (shown.size === 0 ? 0 : GAP.length);
    if (width > room) continue;
    room -= width;
    shown.add(fact);
  }
  return facts.filter((fact) => shown.has(fact));
}
