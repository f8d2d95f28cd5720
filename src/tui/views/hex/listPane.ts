import type { Size } from '../../drawing/panel.js';
import { exportTo } from '../exportTo.js';
import type { ScreenContext } from '../view.js';
import type { ListCommand } from './bindings.js';
import { listPanel } from './listPanel.js';
import type { ListItem, ResultList } from './resultList.js';

/**
 * The list of places below the bytes, if there is one.
 *
 * Invariant: it has the focus only while there is a list. Until `#hasSelected`, the bytes wait for its first item.
 */
export class ListPane {
  readonly #context: ScreenContext;
  /** An item was selected; its bytes are to be shown. */
  readonly #select: (item: ListItem) => void;
  #list: ResultList | undefined;
  #hasFocus = false;
  #hasSelected = false;
  #height = 1;

  constructor(context: ScreenContext, select: (item: ListItem) => void) {
    this.#context = context;
    this.#select = select;
  }

  get isOpen(): boolean {
    return this.#list !== undefined;
  }

  get hasFocus(): boolean {
    return this.#hasFocus;
  }

  focus(isWanted: boolean): void {
    this.#hasFocus = isWanted && this.isOpen;
  }

  open(list: ResultList): void {
    this.#list?.stop();
    this.#list = list;
    this.#hasFocus = true;
    this.#hasSelected = false;
    this.grown(list);
    this.#context.changedNow();
  }

  /** Items have come: the bytes are those of the item that is marked. */
  grown(list: ResultList): void {
    if (list === this.#list && this.#hasFocus && !this.#hasSelected) this.#move(list, 0);
  }

  close(): void {
    this.#list?.stop();
    this.#list = undefined;
    this.#hasFocus = false;
  }

  perform(command: ListCommand): void {
    const list = this.#list;
    if (list === undefined) return;
    const steps: Partial<Record<ListCommand, number>> = {
      'list.up': -1,
      'list.down': 1,
      'list.pageUp': -this.#height,
      'list.pageDown': this.#height,
      'list.top': -list.shownCount,
      'list.bottom': list.shownCount,
      'list.open': 0,
    };
    const step = steps[command];
    if (step !== undefined) this.#move(list, step);
    if (command === 'list.open') this.#hasFocus = false;
    if (command === 'list.close') this.close();
    if (command === 'list.filter') void this.#askFilter(list);
    if (command === 'list.export') void this.#export(list);
  }

  wheel(lines: number): void {
    if (this.#list !== undefined) this.#move(this.#list, lines);
  }

  /** @param row of the panel, its frame included */
  press(row: number): void {
    const list = this.#list;
    if (list === undefined || row < 1 || row > this.#height) return;
    this.#hasFocus = true;
    this.#move(list, list.topIndex + row - 1 - list.selected);
  }

  draw(size: Size): string[] {
    if (this.#list === undefined) return [];
    this.#height = Math.max(1, size.rows - 2);
    return listPanel(this.#context.theme, size, this.#list, this.#hasFocus);
  }

  #move(list: ResultList, step: number): void {
    list.move(step);
    const item = list.item(list.selected);
    if (item === undefined) return;
    this.#hasSelected = true;
    this.#select(item);
  }

  /** All of it, also what the filter leaves out and what is more than the list holds. */
  #export({ command }: ResultList): Promise<void> {
    return exportTo(this.#context, `write the output of ${command} to: `, command);
  }

  async #askFilter(list: ResultList): Promise<void> {
    const filter = await this.#context.askLine('only items with: ', list.filter);
    if (filter !== undefined) {
      list.setFilter(filter);
      this.#move(list, 0);
    }
    this.#context.changedNow();
  }
}
