import { PAGE_BYTES, type PageRange } from '../../../repl/language/pages.js';
import { countOf, formatOffset } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { framed, inside, type Size } from '../../drawing/panel.js';
import type { ScreenContext } from '../view.js';
import { chooseSides, equalRows, type SideLayout, sideRow } from './drawSides.js';
import { endPageOf, startOffsetOf } from './pageRuns.js';
import { RunList } from './runList.js';
import { itemsBefore } from './runWindow.js';
import { rowSource, type SideRow } from './sideRows.js';
import { type PageSpan, touches } from './writes.js';

/** Where to go in a run: a change, once it is known which that is, or a place. */
export type SideTarget = 'first' | 'last' | 'next' | 'previous' | number;

/** Rows of 16 bytes show more at a time; the width decides, so it is asked anew when that changes. */
const FIRST_ROW_BYTES = 8;

/**
 * A run of dirty pages, base and overlay side by side: the rows that differ, and how many do not between them.
 *
 *   state   shows                        begins with
 *   closed  nothing                      the start, `close`
 *   open    the rows of one run          `open`; those who leave for a change beyond its end are told the place
 *
 * `#target` is where the selection is to go once the rows are there.
 */
export class Sides {
  run: PageRange | undefined;
  readonly #context: ScreenContext;
  readonly #leave: (offset: number) => void;
  #list: RunList<SideRow> | undefined;
  #rowBytes: 8 | 16 = FIRST_ROW_BYTES;
  #target: SideTarget | undefined;
  #searching: AbortController | undefined;
  /** The offset that each row shows. */
  #shown: readonly (number | undefined)[] = [];

  /** @param leave told of the next change, where it is in another run */
  constructor(context: ScreenContext, leave: (offset: number) => void) {
    this.#context = context;
    this.#leave = leave;
  }

  open(run: PageRange, target: SideTarget = 'first'): void {
    this.close();
    this.run = run;
    this.#begin(run);
    this.go(target);
  }

  /** The run that is shown has other bounds by now. */
  adopt(run: PageRange): void {
    if (this.run?.pageIndex === run.pageIndex && this.run.pageCount === run.pageCount) return;
    this.run = run;
    this.#list?.window.stale();
  }

  close(): void {
    this.#searching?.abort();
    this.#list?.window.forget();
    this.#list = undefined;
    this.run = undefined;
  }

  /** Of what is selected; undefined where nothing differs. */
  get offset(): number | undefined {
    return this.#list?.selected?.offset;
  }

  go(target: SideTarget): void {
    const { run } = this;
    this.#target = target;
    if (run === undefined) return;
    if (target === 'last') this.#list?.select(endPageOf(run) * PAGE_BYTES - this.#rowBytes);
    else if (target === 'first') this.#list?.select(startOffsetOf(run));
    else if (typeof target === 'number') this.#list?.select(target);
    this.#settle();
  }

  move(rows: number): void {
    this.#target = undefined;
    this.#list?.move(rows);
  }

  page(pages: number): void {
    this.#target = undefined;
    this.#list?.page(pages);
  }

  press(row: number): void {
    const offset = this.#shown[row];
    const selected = this.offset;
    if (offset === undefined || selected === undefined) return;
    const { items } = this.#list?.window ?? { items: [] };
    const indexOf = (place: number): number => items.findIndex((item) => item.offset === place);
    this.move(indexOf(offset) - indexOf(selected));
  }

  written(spans: readonly PageSpan[]): void {
    const { run } = this;
    if (run === undefined || !touches(spans, run.pageIndex, endPageOf(run))) return;
    this.#list?.window.stale();
  }

  /** The columns that both sides take, in a frame, if there are at most so many. */
  widthIn(columns: number): number {
    return chooseSides(columns - 2, this.#endOffset).columns + 2;
  }

  /** @param note stands at the right of its title, such as what was decided */
  draw(size: Size, note: string): string[] {
    const { theme } = this.#context;
    const { run } = this;
    if (run === undefined) return framed([], theme, size, '');
    const room = inside(size);
    const layout = chooseSides(room.columns, this.#endOffset);
    if (layout.rowBytes !== this.#rowBytes) {
      const { offset } = this;
      this.#rowBytes = layout.rowBytes;
      this.#begin(run);
      if (offset !== undefined) this.#list?.select(offset);
    }
    const rows = this.#rows(run, layout, room);
    const title = `${formatOffset(startOffsetOf(run))}  base │ overlay`;
    return framed(rows, theme, size, title, { note, hasFocus: true });
  }

  get #endOffset(): number {
    return this.run === undefined ? 0 : endPageOf(this.run) * PAGE_BYTES;
  }

  #begin(run: PageRange): void {
    this.#list?.window.forget();
    const { client } = this.#context.session;
    this.#list = new RunList(
      rowSource(client, () => this.run ?? run, this.#rowBytes),
      this.#context,
    );
  }

  #rows(run: PageRange, layout: SideLayout, { rows: height, columns }: Size): string[] {
    const { theme } = this.#context;
    const list = this.#list;
    this.#shown = [];
    if (list === undefined) return [];
    list.seen(height);
    this.#settle();
    const { items, selectedIndex } = list.seen(height);
    const { window } = list;
    if (items.length === 0) {
      const isEqual = window.isAtStart && window.isAtEnd;
      const pages = countOf(run.pageCount, 'page');
      const text = isEqual ? `Nothing differs: ${pages} as in the base.` : 'comparing …';
      return [new Line(theme, columns).add(` ${text}`, 'dim').end()];
    }
    const lines: string[] = [];
    const shown: (number | undefined)[] = [];
    const squeeze = (from: number, to: number): void => {
      const count = Math.floor((to - from) / layout.rowBytes);
      if (count <= 0) return;
      lines.push(equalRows(count, theme, columns));
      shown.push(undefined);
    };
    const isFirst = items[0] === window.items[0] && window.isAtStart;
    let end = isFirst ? startOffsetOf(run) : (items[0]?.offset ?? 0);
    let selectedLine = 0;
    items.forEach((row, index) => {
      squeeze(end, row.offset);
      if (index === selectedIndex) selectedLine = lines.length;
      lines.push(sideRow(row, layout, theme, columns, index === selectedIndex));
      shown.push(row.offset);
      end = row.offset + layout.rowBytes;
    });
    if (items.at(-1) === window.items.at(-1) && window.isAtEnd) {
      squeeze(end, Math.min(this.#endOffset, this.#context.engine.diskLength));
    }
    // The selection keeps its row; what is squeezed before it goes out at the top.
    const first = selectedLine < height ? 0 : selectedLine - Math.min(selectedIndex, height - 1);
    this.#shown = shown.slice(first, first + height);
    return lines.slice(first, first + height);
  }

  /** Goes to the change that somebody waits for, as far as that is known. */
  #settle(): void {
    const list = this.#list;
    const target = this.#target;
    if (list === undefined || target === undefined || !list.window.isKnown) return;
    if (typeof target === 'number') {
      this.#target = undefined;
      return;
    }
    const { items } = list.window;
    const isBack = target === 'last' || target === 'previous';
    const isHere = target === 'first' || target === 'last';
    // The list is on its way to that end.
    if (isHere && !(isBack ? list.window.isAtEnd : list.window.isAtStart)) return;
    const index = list.window.indexOf(list.position);
    const found =
      target === 'last'
        ? items.findLastIndex(({ isChanged }) => isChanged)
        : isBack
          ? changeBefore(items, index)
          : changeBehind(items, isHere ? -1 : index);
    const row = items[found];
    if (row !== undefined) {
      this.#target = undefined;
      list.jump(found - Math.max(0, index));
    } else if (isBack ? list.window.isAtStart : list.window.isAtEnd) {
      this.#target = undefined;
      if (!isHere) void this.#beyond(isBack);
    } else {
      // What comes next is fetched from the end of what is known on.
      list.move(isBack ? -items.length : items.length);
    }
  }

  /** Looks for the change nearest to the run, in all that is dirty. */
  async #beyond(isBack: boolean): Promise<void> {
    const { run } = this;
    if (run === undefined || this.#searching !== undefined) return;
    const { client } = this.#context.session;
    const search = new AbortController();
    this.#searching = search;
    this.#context.say(`looking for the ${isBack ? 'previous' : 'next'} change …`);
    try {
      const endPage = Math.ceil(this.#context.engine.diskLength / PAGE_BYTES);
      const bounds = isBack
        ? { pageIndex: 0, pageCount: run.pageIndex }
        : { pageIndex: endPageOf(run), pageCount: Math.max(0, endPage - endPageOf(run)) };
      const source = rowSource(client, () => bounds, this.#rowBytes);
      const { items } = isBack
        ? await itemsBefore(source, startOffsetOf(run), search.signal)
        : await source.fetch(startOffsetOf(bounds), 1, search.signal);
      const row = isBack
        ? items[changeBefore(items, items.length)]
        : items.find(({ isChanged }) => isChanged);
      if (search.signal.aborted) return;
      if (row !== undefined) this.#leave(row.offset);
      else this.#context.say(isBack ? 'no change before this one' : 'no change behind this one');
    } catch (error) {
      if (!search.signal.aborted) this.#context.fail(error);
    } finally {
      if (this.#searching === search) this.#searching = undefined;
    }
  }
}

const follows = (rows: readonly SideRow[], index: number): boolean => {
  const [before, row] = [rows[index - 1], rows[index]];
  if (before === undefined || row === undefined || !before.isChanged) return false;
  // A change may be of any length; no step is longer than a page.
  if (row.offset % PAGE_BYTES === 0) return false;
  return row.offset - before.offset <= Math.max(before.before.length, before.after.length);
};

/** The first row of the next change behind a row: rows of a page that follow each other are one. -1 for none. */
function changeBehind(rows: readonly SideRow[], index: number): number {
  for (let at = index + 1; at < rows.length; at++) {
    if (rows[at]?.isChanged === true && !follows(rows, at)) return at;
  }
  return -1;
}

/** The first row of the last change that begins before a row; -1 for none. */
function changeBefore(rows: readonly SideRow[], index: number): number {
  for (let at = index - 1; at >= 0; at--) {
    if (rows[at]?.isChanged === true && !follows(rows, at)) return at;
  }
  return -1;
}
