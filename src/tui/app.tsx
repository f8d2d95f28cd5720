import { basename } from 'node:path';
import { Box, Text } from 'ink';
import { memo, type ReactElement, useSyncExternalStore } from 'react';
import { countOf, formatBytes, printable } from '../repl/rendering/values.js';
import { Line } from './drawing/line.js';
import { fitRows, type Size } from './drawing/panel.js';
import { shortenStart, widthOf, wrap } from './drawing/text.js';
import { type Binding, keyLabel, paneBindings, screenBindings } from './keys/bindings.js';
import type { Screen, TabPlace } from './screen.js';

/** What has no room for it is left out, in this order: first what can be done, then what is said of the snapshot. */
const ROWS_FOR_KEYS = 4;
const ROWS_FOR_HEADER = 6;
const MAX_ERROR_ROWS = 4;

/** The whole screen, one row less than the terminal has. */
export function App({ screen, size }: { screen: Screen; size: Size }): ReactElement {
  useSyncExternalStore(screen.clock.subscribe, screen.clock.revision);
  const rows = drawScreen(screen, { rows: size.rows - 1, columns: size.columns });
  return (
    <Box flexDirection="column" width={size.columns}>
      {rows.map((row, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row of the screen is known by its number
        <Row key={index} text={row} />
      ))}
    </Box>
  );
}

const Row = memo(({ text }: { text: string }) => <Text wrap="truncate">{text}</Text>);

/** Exactly so many rows. */
export function drawScreen(screen: Screen, size: Size): string[] {
  const { rows, columns } = size;
  if (rows < 1) return [];
  const { theme } = screen;
  const above: string[] = [];
  if (rows >= ROWS_FOR_HEADER) above.push(header(screen, columns));
  const tabRow = above.length;
  const { line, places } = tabs(screen, columns);
  above.push(line);
  above.push(...banners(screen, columns));
  const below = [...candidateRows(screen, columns), ...messageRows(screen, columns)];
  if (rows >= ROWS_FOR_KEYS) below.push(keyRow(screen, columns));
  const height = Math.max(0, rows - above.length - below.length);
  screen.tabs = { row: tabRow, places };
  screen.bodyRow = above.length;
  screen.columns = columns;
  const body = (screen.pane ?? screen.view).draw({ rows: height, columns });
  return fitRows(
    [...above, ...fitRows(body, theme, { rows: height, columns }), ...below],
    theme,
    size,
  );
}

/** `hexz  web-01.hxz   lz4 64 KiB   8.0 GiB in 2.1 GiB (3.8x)   rw web-01.overlay   /mnt   ● live` */
function header(screen: Screen, columns: number): string {
  const { engine, theme } = screen;
  const { snapshot, mount, overlay, isQuiesced } = engine.state;
  const condition = engine.end !== undefined ? '✗ ended' : isQuiesced ? '‖ held' : '● live';
  const line = new Line(theme, columns).add('hexz', 'strong').add('  ');
  const room = columns - widthOf(condition) - 2;
  const decoded = Object.values(snapshot.streams).reduce((sum, { length }) => sum + length, 0);
  const ratio = snapshot.fileBytes === 0 ? 0 : decoded / snapshot.fileBytes;
  const facts = [
    printable(basename(snapshot.path)),
    `${snapshot.compression} ${formatBytes(snapshot.blockBytes).replace('.00', '')}`,
    `${formatBytes(decoded)} in ${formatBytes(snapshot.fileBytes)} (${ratio.toFixed(1)}x)`,
    overlay === null ? 'ro' : overlayText(overlay),
    mount === null ? 'not mounted' : shortenStart(printable(mount.mountpoint), 32),
  ];
  facts.forEach((fact, index) => {
    const text = index === 0 ? fact : `   ${fact}`;
    if (line.column + widthOf(text) <= room) line.add(text, index === 0 ? 'strong' : 'plain');
  });
  return line.right(condition, engine.end === undefined ? 'good' : 'error').end();
}

const overlayText = ({
  path,
  isTemporary,
  isWritable,
}: {
  path: string;
  isTemporary: boolean;
  isWritable: boolean;
}): string =>
  `${isWritable ? 'rw' : 'ro'} ${isTemporary ? 'temporary overlay' : printable(basename(path))}`;

function tabs(screen: Screen, columns: number): { line: string; places: readonly TabPlace[] } {
  const line = new Line(screen.theme, columns);
  const places: TabPlace[] = [];
  // Where not all names have room, the numbers and the name of the one that is shown.
  const full = [...screen.views.values()].map((view, index) => tabText(view, index, true));
  const isNarrow = full.reduce((sum, text) => sum + text.length + 1, 0) > columns;
  [...screen.views].forEach(([name, view], index) => {
    const isShown = name === screen.name;
    const text = isNarrow && !isShown ? ` ${index + 1} ` : tabText(view, index, !isNarrow);
    const start = line.column;
    line.add(text, isShown ? 'strong' : 'dim', isShown).add(' ');
    places.push({ name, start, end: start + widthOf(text) });
  });
  return { line: line.right('? help ', 'dim').end(), places };
}

function tabText(
  view: { readonly title: string; badge(): string },
  index: number,
  hasBadge: boolean,
): string {
  const badge = hasBadge ? view.badge() : '';
  return ` ${index + 1} ${view.title}${badge === '' ? '' : ` ${badge}`} `;
}

/** What holds all the time: that the engine is gone and what can be done, or why there is no mount. */
function banners(screen: Screen, columns: number): string[] {
  const { engine, theme, banner } = screen;
  const rows: string[] = [];
  const add = (text: string): void => {
    rows.push(new Line(theme, columns).add(`! ${printable(text)}`, 'error').end());
  };
  if (engine.end !== undefined) {
    add(
      `The engine, process ${engine.state.pid}, has ended. What is shown is what was known last; q leaves.`,
    );
    const { overlay } = engine.state;
    if (overlay !== null && !overlay.isTemporary) {
      add(`Every answered write is in the overlay; check it: hexz overlay verify ${overlay.path}`);
    }
  } else if (banner !== undefined && engine.state.mount === null) {
    add(banner);
  }
  return rows;
}

/** What the word that is being typed can become. */
function candidateRows(screen: Screen, columns: number): string[] {
  const candidates = screen.question?.candidates ?? [];
  if (candidates.length === 0) return [];
  const line = new Line(screen.theme, columns);
  let shown = 0;
  for (const candidate of candidates) {
    const text = printable(candidate);
    const more = shown < candidates.length - 1 ? ` … ${candidates.length}`.length : 0;
    if (shown > 0 && line.column + widthOf(text) + 2 + more > columns) break;
    line.add(shown === 0 ? text : `  ${text}`, 'dim');
    shown++;
  }
  if (shown < candidates.length)
    line.add(` … ${countOf(candidates.length - shown, 'more', 'more')}`, 'dim');
  return [line.end()];
}

/** The question, or what was said last: of what went wrong, all that a few rows hold. */
function messageRows(screen: Screen, columns: number): string[] {
  const { question, message, theme } = screen;
  if (question === undefined && message?.style === 'error') {
    return wrap(message.text, Math.max(1, columns))
      .slice(0, MAX_ERROR_ROWS)
      .map((text) => new Line(theme, columns).add(text, 'error').end());
  }
  const line = new Line(theme, columns);
  if (question !== undefined) question.draw(line);
  else if (message !== undefined) line.add(message.text, message.style);
  return [line.end()];
}

/** What keys do here: those of the view, then those that work everywhere. */
function keyRow(screen: Screen, columns: number): string {
  const line = new Line(screen.theme, columns);
  if (screen.question !== undefined) return line.end();
  const here: readonly Binding[] =
    screen.pane === undefined ? screen.view.bindings() : paneBindings;
  const everywhere: readonly Binding[] = screenBindings;
  const bound = new Set(here.flatMap(({ keys }) => keys));
  for (const { keys, hint } of [
    ...here,
    ...everywhere.filter(({ keys }) => keys.some((key) => !bound.has(key))),
  ]) {
    const key = keyLabel(keys[0] ?? '');
    if (hint === undefined || line.room < key.length + hint.length + 1) continue;
    line.add(key, 'key').add(` ${hint}`, 'dim').add('  ');
  }
  return line.end();
}
