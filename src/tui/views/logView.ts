import { printable } from '../../repl/rendering/values.js';
import { Line } from '../drawing/line.js';
import { framed, inside, type Size } from '../drawing/panel.js';
import { wrap } from '../drawing/text.js';
import type { Style } from '../drawing/theme.js';
import type { Binding } from '../keys/bindings.js';
import type { LogLine } from '../model/engineWatch.js';
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
 * State: `#fromEnd` rows are below what is shown; at 0 new lines move it along. `#unseen` counts warnings and errors
 * that came while another view was shown.
 */
export class LogView implements View {
  readonly title = 'Log';
  readonly #context: ScreenContext;
  #filter = '';
  #fromEnd = 0;
  #page = 1;
  #isShown = false;
  #seen = 0;

  constructor(context: ScreenContext) {
    this.#context = context;
  }

  /** How many lines there are that nobody has seen and that are more than information. */
  badge(): string {
    const { log } = this.#context.engine;
    if (this.#isShown) return '';
    const unseen = log.slice(this.#seen).filter(({ level }) => level !== 'info').length;
    return unseen === 0 ? '' : `${unseen}!`;
  }

  bindings(): readonly Binding[] {
    return logBindings;
  }

  shown(isShown: boolean): void {
    this.#isShown = isShown;
    this.#seen = this.#context.engine.log.length;
  }

  perform(command: string): void {
    switch (command as (typeof logBindings)[number]['command']) {
      case 'up':
        this.#fromEnd++;
        break;
      case 'down':
        this.#fromEnd--;
        break;
      case 'pageUp':
        this.#fromEnd += this.#page;
        break;
      case 'pageDown':
        this.#fromEnd -= this.#page;
        break;
      case 'top':
        this.#fromEnd = Number.MAX_SAFE_INTEGER;
        break;
      case 'bottom':
        this.#fromEnd = 0;
        break;
      case 'filter':
        void this.#askFilter();
    }
  }

  wheel(lines: number): void {
    this.#fromEnd -= lines;
  }

  async #askFilter(): Promise<void> {
    const text = await this.#context.askLine('only lines with: ', this.#filter);
    if (text !== undefined) this.#filter = text;
    this.#fromEnd = 0;
  }

  draw(size: Size): readonly string[] {
    const { theme, engine } = this.#context;
    const { rows: height, columns } = inside(size);
    const wanted = this.#filter.toLowerCase();
    const lines = engine.log.filter((line) => textOf(line).toLowerCase().includes(wanted));
    const rows = lines.flatMap((line) => this.#rows(line, columns));
    this.#page = Math.max(1, height);
    this.#fromEnd = Math.max(0, Math.min(this.#fromEnd, rows.length - height));
    const end = rows.length - this.#fromEnd;
    const shown = rows.slice(Math.max(0, end - height), end);
    if (shown.length === 0) shown.push(...this.#empty(columns));
    return framed(shown, theme, size, 'log', {
      note: this.#filter === '' ? '' : `only lines with ${printable(this.#filter)}`,
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

  #rows(line: LogLine, columns: number): string[] {
    const { theme } = this.#context;
    const start = TIME_WIDTH + LEVEL_WIDTH;
    return wrap(textOf(line), Math.max(10, columns - start)).map((text, index) => {
      const row = new Line(theme, columns);
      if (index === 0) {
        row.add(new Date(line.time).toTimeString().slice(0, 8), 'dim').to(TIME_WIDTH);
        row.add(line.level, styles[line.level]);
      }
      return row.to(start).add(text).end();
    });
  }
}

const textOf = ({ text, code }: LogLine): string =>
  printable(code === undefined || text.includes(`[${code}]`) ? text : `${text} [${code}]`);
