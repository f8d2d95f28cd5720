import { basename } from 'node:path';
import { countOf, printable } from '../repl/rendering/values.js';
import { Line } from './drawing/line.js';
import { fitRows, type Size } from './drawing/panel.js';
import { shortenStart, widthOf, wrap } from './drawing/text.js';
import { type HeaderFacts, headerRow } from './header.js';
import { type Binding, keyLabel, paneBindings, screenBindings } from './keys/bindings.js';
import type { EngineWatch } from './model/engineWatch.js';
import type { Screen, TabPlace } from './screen.js';
import type { View } from './views/view.js';

/** What has no room for it is left out, in this order: first what can be done, then what is said of the snapshot. */
const ROWS_FOR_KEYS = 4;
const ROWS_FOR_HEADER = 6;
const MAX_ERROR_ROWS = 4;

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

function header(screen: Screen, columns: number): string {
  const { engine, theme } = screen;
  const { snapshot, mount, overlay } = engine.state;
  const facts: HeaderFacts = {
    overlay: overlay === null ? 'ro' : overlayText(overlay),
    mount: mount === null ? '' : shortenStart(printable(mount.mountpoint), 32),
    ...conditionOf(engine),
  };
  return headerRow(snapshot, facts, theme, columns);
}

/** Whether others can use what is shown. */
function conditionOf({
  end,
  state,
}: EngineWatch): Pick<HeaderFacts, 'condition' | 'conditionStyle'> {
  if (end !== undefined) return { condition: '✗ ended', conditionStyle: 'error' };
  if (state.isQuiesced) return { condition: '‖ held', conditionStyle: 'good' };
  if (state.mount === null) return { condition: '○ not mounted', conditionStyle: 'dirty' };
  return { condition: '● live', conditionStyle: 'good' };
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
  const full = [...screen.views.values()].map(tabText);
  const isNarrow = full.reduce((sum, text) => sum + text.length + 1, 0) > columns;
  [...screen.views].forEach(([name, view], index) => {
    const isShown = name === screen.name;
    const text = isNarrow ? narrowTab(view, index, isShown) : (full[index] ?? '');
    const start = line.column;
    line.add(text, isShown ? 'strong' : 'dim', isShown).add(' ');
    places.push({ name, start, end: start + widthOf(text) });
  });
  return { line: line.right('? help ', 'dim').end(), places };
}

const narrowTab = ({ title }: View, index: number, isShown: boolean): string =>
  isShown ? ` ${index + 1} ${title} ` : ` ${index + 1} `;

function tabText(view: View, index: number): string {
  const badge = view.badge();
  return ` ${index + 1} ${view.title}${badge === '' ? '' : ` ${badge}`} `;
}

/** What holds all the time: that the engine is gone and what can be done, or why there is no mount. */
function banners(screen: Screen, columns: number): string[] {
  const { engine, theme, banner } = screen;
  const rows: string[] = [];
  const add = (text: string): void => {
    for (const row of wrap(`! ${printable(text)}`, Math.max(1, columns))) {
      rows.push(new Line(theme, columns).add(row, 'error').end());
    }
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
  if (question !== undefined) return question.draw(theme, columns);
  const line = new Line(theme, columns);
  if (message !== undefined) line.add(message.text, message.style);
  return [line.end()];
}

/** What keys do here: those that work everywhere at the right, because they are always there, before them those of the view. */
function keyRow(screen: Screen, columns: number): string {
  const line = new Line(screen.theme, columns);
  if (screen.question !== undefined) return line.end();
  const here: readonly Binding[] =
    screen.pane === undefined ? screen.view.bindings() : paneBindings;
  const bound = new Set(here.flatMap(({ keys }) => keys));
  const everywhere = (screenBindings as readonly Binding[]).map((binding) => ({
    ...binding,
    keys: binding.keys.filter((key) => !bound.has(key)),
  }));
  const always = hintsWithRoom(everywhere, columns);
  const own = hintsWithRoom(here, columns - widthOfHints(always));
  for (const { key, hint } of [...own, ...always]) {
    line.add(key, 'key').add(` ${hint}`, 'dim').add('  ');
  }
  return line.end();
}

interface Hint {
  readonly key: string;
  readonly hint: string;
}

const widthOfHint = ({ key, hint }: Hint): number => widthOf(key) + widthOf(hint) + 3;
const widthOfHints = (hints: readonly Hint[]): number =>
  hints.reduce((sum, hint) => sum + widthOfHint(hint), 0);

function hintsWithRoom(bindings: readonly Binding[], columns: number): Hint[] {
  const shown: Hint[] = [];
  let room = columns;
  for (const { keys, hint } of bindings) {
    const [key] = keys;
    if (hint === undefined || key === undefined) continue;
    const each = { key: keyLabel(key), hint };
    if (widthOfHint(each) > room) continue;
    room -= widthOfHint(each);
    shown.push(each);
  }
  return shown;
}
