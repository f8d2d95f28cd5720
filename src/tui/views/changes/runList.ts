import { type RunSource, RunWindow, type RunWindowOptions } from './runWindow.js';

/** What is seen of a list. */
export interface SeenItems<Item> {
  readonly items: readonly Item[];
  /** Of them, the one that is selected; -1 where there is none. */
  readonly selectedIndex: number;
}

/** What is looked for is seen with so many rows before and behind it. */
const ROWS_AROUND = 3;

/**
 * A long list with a selection. It is a position, not a number: what comes before it moves the list, not the
 * selection, and it keeps its row on the screen.
 */
export class RunList<Item> {
  readonly window: RunWindow<Item>;
  readonly #startOf: (item: Item) => number;
  #position: number;
  #row = 0;
  #height = 1;

  constructor(source: RunSource<Item>, options: RunWindowOptions) {
    this.window = new RunWindow(source, options);
    this.#startOf = (item) => source.startOf(item);
    this.#position = source.first;
  }

  get position(): number {
    return this.#position;
  }

  /** Whether it is known what is selected: what is at the position may begin before what is known. */
  get isPlaced(): boolean {
    const { window } = this;
    return window.isKnown && (window.isAtStart || window.indexOf(this.#position) >= 0);
  }

  get selected(): Item | undefined {
    return this.window.items[this.#index];
  }

  /** The next item, if it is known. */
  get next(): Item | undefined {
    return this.window.items[this.#index + 1];
  }

  /** Selects what is at a position, or the last thing before it; perhaps once it is known. */
  select(position: number): void {
    this.#position = position;
    this.#row = this.#rowOfFound;
  }

  move(steps: number): void {
    const { items } = this.window;
    const index = Math.max(0, Math.min(this.#index + steps, items.length - 1));
    const item = items[index];
    if (item === undefined) return;
    this.#row = Math.max(0, Math.min(this.#row + index - this.#index, this.#height - 1));
    this.#position = this.#startOf(item);
  }

  /** Selects what was looked for: with what is around it, if it does not stand among that already. */
  jump(steps: number): void {
    const row = this.#row + steps;
    const around = Math.min(ROWS_AROUND, Math.floor((this.#height - 1) / 2));
    this.move(steps);
    if (row < around || row >= this.#height - around) this.#row = this.#rowOfFound;
  }

  page(pages: number): void {
    const row = this.#row;
    this.move(pages * Math.max(1, this.#height - 1));
    this.#row = row;
  }

  /** Selects what is on a row of those that are seen. */
  press(row: number): void {
    if (row >= 0 && row < this.#height) this.move(row - this.#row);
  }

  /** What so many rows show. Asks for what lacks. */
  seen(height: number): SeenItems<Item> {
    const { window } = this;
    this.#height = Math.max(1, height);
    window.look(this.#position, this.#height, this.#height);
    const { items } = window;
    const index = this.#index;
    const row = Math.max(0, Math.min(this.#row, this.#height - 1));
    const last = Math.max(0, items.length - this.#height);
    const first = Math.max(0, window.isAtEnd ? Math.min(index - row, last) : index - row);
    this.#row = index - first;
    const seen = items.slice(first, first + height);
    return { items: seen, selectedIndex: seen.length === 0 ? -1 : this.#row };
  }

  get #rowOfFound(): number {
    return Math.floor(this.#height / 3);
  }

  get #index(): number {
    return Math.max(0, this.window.indexOf(this.#position));
  }
}
