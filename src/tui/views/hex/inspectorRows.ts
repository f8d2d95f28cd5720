import type { Reading } from '../../../engine/control/protocol/inspection.js';
import { printable } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { widthOf } from '../../drawing/text.js';
import type { Theme } from '../../drawing/theme.js';

const NAME_WIDTH = 'unixms64 '.length;

/** What the bytes at the cursor may be; both byte orders beside each other where there is room for both. */
export function inspectorRows(
  theme: Theme,
  columns: number,
  readings: readonly Reading[],
): string[] {
  const bigColumn = NAME_WIDTH + Math.floor((columns - NAME_WIDTH) / 2);
  const fits = (text: string): boolean => widthOf(text) < bigColumn - NAME_WIDTH;
  const rows = [
    new Line(theme, columns).to(NAME_WIDTH).add('little', 'dim').to(bigColumn).add('big', 'dim'),
  ];
  const row = (name: string): Line => {
    const line = new Line(theme, columns).add(name, 'dim').to(NAME_WIDTH);
    rows.push(line);
    return line;
  };
  const known = new Map(readings.map((reading) => [reading.name, reading]));
  for (const { name, value, note } of readings) {
    const base = name.slice(0, -2);
    const little = known.get(`${base}le`);
    const big = known.get(`${base}be`);
    const text = printable(value);
    if (name.endsWith('be') && little !== undefined && fits(little.value) && fits(value)) continue;
    if (name.endsWith('le') && big !== undefined && fits(value) && fits(big.value)) {
      row(base).add(text).to(bigColumn).add(printable(big.value));
      continue;
    }
    const line = row(name);
    if (line.column > NAME_WIDTH) line.add(' ');
    // What is too long for the row of its name has the next one to itself.
    if (widthOf(text) > line.room) rows.push(new Line(theme, columns).add('  ').add(text));
    else line.add(text);
    if (note !== undefined && widthOf(note) + 2 <= line.room)
      line.add(`  ${printable(note)}`, 'dim');
  }
  return rows.map((line) => line.end());
}
