import { cut, widthOf } from './text.js';
import type { Style, Theme } from './theme.js';

/**
 * One row of the screen, built from the left. What has no room is cut; a finished row is exactly as wide as it was
 * said to be, so that rows can be put beside each other.
 *
 * Invariant: `#column` cells are filled, never more than `width`. Styles are switched where they change.
 */
export class Line {
  readonly width: number;
  readonly #theme: Theme;
  readonly #isInverse: boolean;
  #text = '';
  #style = '';
  #column = 0;

  /** @param options.isSelected whether all of it is shown inverse */
  constructor(theme: Theme, width: number, options: { readonly isSelected?: boolean } = {}) {
    this.#theme = theme;
    this.width = Math.max(0, width);
    this.#isInverse = options.isSelected === true;
  }

  /** Cells that are filled. */
  get column(): number {
    return this.#column;
  }

  get room(): number {
    return this.width - this.#column;
  }

  /** @param isMarked shown inverse on a row that is not, and the other way round */
  add(text: string, style: Style = 'plain', isMarked = false): this {
    const room = this.room;
    if (room <= 0 || text === '') return this;
    const width = widthOf(text);
    const shown = width <= room ? text : cut(text, room);
    this.#switch(this.#theme.begin(style, this.#isInverse !== isMarked));
    this.#text += shown;
    this.#column += width <= room ? width : widthOf(shown);
    return this;
  }

  /** Fills with blanks up to a column. */
  to(column: number): this {
    const missing = Math.min(column, this.width) - this.#column;
    return missing > 0 ? this.add(' '.repeat(missing)) : this;
  }

  /** Adds a text that ends at the right edge, if there is room for it behind what is there. */
  right(text: string, style: Style = 'plain'): this {
    const start = this.width - widthOf(text);
    return start < this.#column ? this : this.to(start).add(text, style);
  }

  end(): string {
    this.to(this.width);
    this.#switch('');
    return this.#text;
  }

  #switch(style: string): void {
    if (style === this.#style) return;
    if (this.#style !== '') this.#text += this.#theme.end;
    this.#text += style;
    this.#style = style;
  }
}
