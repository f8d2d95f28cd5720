import { asHexzError, type HexzError } from '../../../engine/errors.js';

/** Something that lies somewhere. */
export interface ListItem {
  readonly offset: number;
  readonly length: number;
  readonly streamOffset?: number | null | undefined;
  /** In one line, safe for a terminal. */
  readonly text: string;
}

/** More nobody reads, and they would fill the memory. */
export const MAX_ITEMS = 100_000;

interface ListHead {
  readonly title: string;
  /** The command of the REPL that answers the same. */
  readonly command: string;
}

/** What is told of items as they come. */
interface ListSource<Given> extends ListHead {
  readonly batches: AsyncIterable<readonly Given[]>;
  readonly itemOf: (given: Given) => ListItem;
}

/**
 * A list that fills while it is looked at, with one item selected of those that a filter leaves.
 *
 *   state    begins with                                       `end`
 *   filling  `fill`                                            undefined
 *   whole    the last item                                     `whole`
 *   full     `MAX_ITEMS`; the search is ended                  `full`
 *   stopped  `stop`, or an error, which `error` then holds     `stopped`
 *
 * Invariant: `#shown` are the indexes of the items that match the filter, undefined without one.
 */
export class ResultList {
  readonly title: string;
  readonly command: string;
  end: 'whole' | 'full' | 'stopped' | undefined;
  error: HexzError | undefined;
  filter = '';
  selected = 0;
  topIndex = 0;
  readonly #items: ListItem[] = [];
  readonly #changed: () => void;
  #shown: number[] | undefined;
  #isStopped = false;

  private constructor({ title, command }: ListHead, changed: () => void) {
    this.title = title;
    this.command = command;
    this.#changed = changed;
  }

  /** A list of what comes in batches; it is left off when the list is full or closed. */
  static filledBy<Given>(source: ListSource<Given>, changed: () => void): ResultList {
    const list = new ResultList(source, changed);
    void list.#fill(source.batches, source.itemOf);
    return list;
  }

  static of(head: ListHead, items: readonly ListItem[]): ResultList {
    const list = new ResultList(head, () => {});
    list.#items.push(...items);
    list.end = 'whole';
    return list;
  }

  get count(): number {
    return this.#items.length;
  }

  get shownCount(): number {
    return this.#shown?.length ?? this.#items.length;
  }

  /** By its place among those that the filter leaves. */
  item(index: number): ListItem | undefined {
    return this.#items[this.#shown === undefined ? index : (this.#shown[index] ?? -1)];
  }

  move(step: number): void {
    this.selected = Math.max(0, Math.min(this.selected + step, this.shownCount - 1));
  }

  setFilter(filter: string): void {
    this.filter = filter;
    this.#shown = filter === '' ? undefined : [];
    for (const [index, item] of this.#items.entries()) this.#sift(item, index);
    this.selected = 0;
  }

  /** Nothing is taken any more. */
  stop(): void {
    this.#isStopped = true;
    this.end ??= 'stopped';
  }

  /** The rows to be shown, the selected one among them. */
  place(height: number): readonly number[] {
    const last = Math.max(0, this.shownCount - height);
    const top = Math.min(this.topIndex, this.selected);
    this.topIndex = Math.min(last, Math.max(top, this.selected - height + 1));
    const rows = Math.min(height, this.shownCount - this.topIndex);
    return Array.from({ length: rows }, (_, row) => this.topIndex + row);
  }

  async #fill<Given>(
    batches: AsyncIterable<readonly Given[]>,
    itemOf: (given: Given) => ListItem,
  ): Promise<void> {
    try {
      for await (const batch of batches) {
        if (this.#isStopped) return;
        for (const given of batch) this.#add(itemOf(given));
        this.#changed();
        if (this.#items.length < MAX_ITEMS) continue;
        this.end = 'full';
        return;
      }
      this.end ??= 'whole';
    } catch (error) {
      const known = asHexzError(error);
      if (known.code !== 'CANCELLED') this.error = known;
      this.end = 'stopped';
    } finally {
      this.#changed();
    }
  }

  #add(item: ListItem): void {
    if (this.#items.length >= MAX_ITEMS) return;
    this.#items.push(item);
    this.#sift(item, this.#items.length - 1);
  }

  #sift(item: ListItem, index: number): void {
    if (this.#shown !== undefined && fits(item, this.filter)) this.#shown.push(index);
  }
}

const fits = ({ text }: ListItem, filter: string): boolean =>
  text.toLowerCase().includes(filter.toLowerCase());
