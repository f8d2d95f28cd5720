import { Line } from '../drawing/line.js';
import { framed, inside, type Size } from '../drawing/panel.js';
import { widthOf, wrap } from '../drawing/text.js';
import type { Style, Theme } from '../drawing/theme.js';
import type { PaneCommand } from '../keys/bindings.js';

/** A line of text, all of it in one style. */
export interface TextLine {
  readonly text: string;
  readonly style: Style;
}

/** A label or a first column, with the blanks between it and what stands behind it. */
const LABEL = /^ *\S+(?: \S+)* {2,}|^ *\S+: /;
/** What a person can scroll through; what is older goes. */
const MAX_LINES = 200_000;

/**
 * Text over a view that is scrolled through: help, or what a command has answered.
 *
 * State: `#first` is the first row that is shown; who has gone to the end sees it also while lines come, until he
 * scrolls. Long lines are broken for the width they are drawn with.
 */
export class TextPane {
  title: string;
  readonly #theme: Theme;
  #lines: TextLine[] = [];
  #rows: TextLine[] = [];
  #brokenLines = 0;
  #columns = 0;
  #first = 0;
  #page = 1;
  #isFollowing = false;
  #dropped = 0;

  constructor(theme: Theme, title: string) {
    this.#theme = theme;
    this.title = title;
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  add(text: string, style: Style = 'plain'): void {
    this.#lines.push({ text, style });
    if (this.#lines.length <= MAX_LINES * 1.25) return;
    this.#dropped += this.#lines.length - MAX_LINES;
    this.#lines = this.#lines.slice(-MAX_LINES);
    this.#columns = 0;
  }

  perform(command: PaneCommand): void {
    const last = Math.max(0, this.#rows.length - this.#page);
    const steps: Partial<Record<PaneCommand, number>> = {
      up: -1,
      down: 1,
      pageUp: -this.#page,
      pageDown: this.#page,
      top: -this.#rows.length,
      bottom: this.#rows.length,
    };
    this.#first = Math.min(last, Math.max(0, this.#first + (steps[command] ?? 0)));
    this.#isFollowing = command === 'bottom';
  }

  wheel(lines: number): void {
    for (let left = Math.abs(lines); left > 0; left--) this.perform(lines < 0 ? 'up' : 'down');
  }

  draw(size: Size): string[] {
    const { rows: height, columns } = inside(size);
    this.#break(columns);
    this.#page = Math.max(1, height);
    const last = Math.max(0, this.#rows.length - height);
    this.#first = this.#isFollowing ? last : Math.min(this.#first, last);
    const shown = this.#rows
      .slice(this.#first, this.#first + height)
      .map(({ text, style }) => new Line(this.#theme, columns).add(text, style).end());
    return framed(shown, this.#theme, size, this.title, {
      note: this.#note(height),
      hasFocus: true,
    });
  }

  #note(height: number): string {
    const dropped = this.#dropped === 0 ? '' : `${this.#dropped} earlier lines are gone, `;
    if (this.#rows.length <= height) return dropped === '' ? '' : dropped.slice(0, -2);
    return `${dropped}${this.#first + 1}-${this.#first + height} of ${this.#rows.length}`;
  }

  /** Breaks the lines that were not broken for this width yet. */
  #break(columns: number): void {
    if (columns !== this.#columns) {
      this.#columns = columns;
      this.#rows = [];
      this.#brokenLines = 0;
    }
    for (; this.#brokenLines < this.#lines.length; this.#brokenLines++) {
      const line = this.#lines[this.#brokenLines];
      if (line === undefined) break;
      for (const text of wrapHanging(line.text, columns)) {
        this.#rows.push({ text, style: line.style });
      }
    }
  }
}

/** Goes on below what stands behind the label, as long as that leaves half of the width. */
function wrapHanging(text: string, columns: number): string[] {
  const label = LABEL.exec(text)?.[0] ?? '';
  const indent = widthOf(label);
  if (widthOf(text) <= columns || indent === 0 || indent > columns / 2) return wrap(text, columns);
  const rows = wrap(text.slice(label.length), columns - indent);
  return rows.map((row, index) => (index === 0 ? label : ' '.repeat(indent)) + row);
}
