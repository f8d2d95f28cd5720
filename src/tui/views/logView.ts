import { countOf, printable } from '../../repl/rendering/values.js';
import { Line } from '../drawing/line.js';
import { framed, inside, type Size } from '../drawing/panel.js';
import { wrap } from '../drawing/text.js';
import type { Style } from '../drawing/theme.js';
import type { Binding } from '../keys/bindings.js';
import type { LogLine } from '../model/engineLog.js';
import { type LogRow, LogRows } from './logRows.js';
import type { ScreenContext, View } from './view.js';

export const logBindings = [
  { command: 'up', keys: ['up', 'k'], about: 'a line up' },
  { command: 'down', keys: ['down', 'j'], about: 'a line down', hint: 'scroll' },
  { command: 'pageUp', keys: ['pageup', 'ctrl+b'], about: 'a page up' },
  { command: 'pageDown', keys: ['pagedown', 'ctrl+f'], about: 'a page down' },
  { command: 'top', keys: ['home', 'g'], about: 'the first line' },
  { command: 'bottom', keys: ['end', 'G'], about: 'the last line, and those that come' },
  { command: 'filter', keys: ['/'], about: 'only lines with a text in them', hint: 'filter' },
] as const satisfies readonly Binding[];

const styles: Readonly<Record<LogLine['level'], Style>> = {
  info: 'plain',
  warning: 'dirty',
  error: 'error',
};

const TIME_WIDTH = 'HH:MM:SS '.length;
const LEVEL_WIDTH = 'warning '.length;

/**
 * What the engine and the screen have said, the newest at the end.
 *
 * State: `#top` is the number of the first row that is shown, and stays while lines come; undefined when the last ones are
 * shown, also of those that come. `#seen` is the number of the first line that nobody has seen.
 */
export class LogView implements View {
  readonly title = 'Log';
  readonly #context: ScreenContext;
  readonly #rows = new LogRows(textOf);
  #filter = '';
  #top: number | undefined;
  #page = 1;
  #isShown = false;
  #seen = 0;

  constructor(context: ScreenContext) {
    this.#context = context;
  }

  /** How many lines there are that nobody has seen and that are more than information. */
  badge(): string {
    if (this.#isShown) return '';
    const unseen = this.#context.engine.log
      .from(this.#seen)
      .filter(({ level }) => level !== 'info').length;
    return unseen === 0 ? '' : `${unseen}!`;
  }

  bindings(): readonly Binding[] {
    return logBindings;
  }

  shown(isShown: boolean): void {
    this.#isShown = isShown;
    this.#seen = this.#context.engine.log.nextNumber;
  }

  perform(command: string): void {
    switch (command as (typeof logBindings)[number]['command']) {
      case 'up':
        this.#scroll(-1);
        break;
      case 'down':
        this.#scroll(1);
        break;
      case 'pageUp':
        this.#scroll(-this.#page);
        break;
      case 'pageDown':
        this.#scroll(this.#page);
        break;
      case 'top':
        this.#scroll(Number.NEGATIVE_INFINITY);
        break;
      case 'bottom':
        this.#top = undefined;
        break;
      case 'filter':
        void this.#askFilter();
    }
  }

  wheel(lines: number): void {
    this.#scroll(lines);
  }

  async #askFilter(): Promise<void> {
    const text = await this.#context.askLine('only lines with: ', this.#filter);
    if (text !== undefined) this.#filter = text;
    this.#top = undefined;
  }

  /** Number of the first of the last rows. */
  get #lastTop(): number {
    const { rows, droppedRows } = this.#rows;
    return droppedRows + Math.max(0, rows.length - this.#page);
  }

  #lineAt(row: number): number | undefined {
    return this.#rows.rows[row - this.#rows.droppedRows]?.number;
  }

  #scroll(rows: number): void {
    const top = Math.max(this.#rows.droppedRows, (this.#top ?? this.#lastTop) + rows);
    this.#top = top < this.#lastTop ? top : undefined;
  }

  draw(size: Size): readonly string[] {
    const { theme, engine } = this.#context;
    const { rows: height, columns } = inside(size);
    this.#page = Math.max(1, height);
    const textColumns = Math.max(10, columns - TIME_WIDTH - LEVEL_WIDTH);
    const topLine = this.#top === undefined ? undefined : this.#lineAt(this.#top);
    const isOther = this.#rows.update(engine.log, { columns: textColumns, filter: this.#filter });
    if (isOther && topLine !== undefined) this.#top = this.#rows.rowOf(topLine);
    this.#scroll(0);
    const { rows, droppedRows } = this.#rows;
    const first = (this.#top ?? this.#lastTop) - droppedRows;
    const shown = rows.slice(first, first + height).map((row) => this.#draw(row, columns));
    if (shown.length === 0) shown.push(...this.#empty(columns));
    const below = Math.max(0, rows.length - first - height);
    const notes = [
      this.#filter === '' ? '' : `only lines with ${printable(this.#filter)}`,
      below === 0 ? '' : `${countOf(below, 'row')} below: G`,
    ];
    return framed(shown, theme, size, 'log', {
      note: notes.filter((note) => note !== '').join('   '),
    });
  }

  #empty(columns: number): string[] {
    const text =
      this.#filter === ''
        ? 'Nothing was said yet: warnings and errors of the engine will stand here, with their codes.'
        : 'No line has that text in it; / changes the filter.';
    return wrap(text, columns).map((part) =>
      new Line(this.#context.theme, columns).add(part, 'dim').end(),
    );
  }

  #draw({ line, text, isFirst }: LogRow, columns: number): string {
    const row = new Line(this.#context.theme, columns);
    if (isFirst) {
      row.add(new Date(line.time).toTimeString().slice(0, 8), 'dim').to(TIME_WIDTH);
      row.add(line.level, styles[line.level]);
    }
    return row
      .to(TIME_WIDTH + LEVEL_WIDTH)
      .add(text)
      .end();
  }
}

const textOf = ({ text, code }: LogLine): string =>
  printable(code === undefined || text.includes(`[${code}]`) ? text : `${text} [${code}]`);
