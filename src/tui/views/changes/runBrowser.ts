import { PAGE_BYTES, type PageRange } from '../../../repl/language/pages.js';
import { formatOffset } from '../../../repl/rendering/values.js';
import { beside, type Size } from '../../drawing/panel.js';
import type { Binding } from '../../keys/bindings.js';
import type { Place, ScreenContext } from '../view.js';
import type { DecidingCommand, OverlayCommand, SidesCommand } from './bindings.js';
import type { Changes } from './changes.js';
import { endPageOf, startOffsetOf } from './pageRuns.js';
import { RunList } from './runList.js';
import type { RunSource } from './runWindow.js';
import { Sides, type SideTarget } from './sides.js';
import { parsePages } from './typed.js';

/** Columns that a list needs beside what is open. */
const LIST_COLUMNS = 40;

export type BrowserCommand =
  | DecidingCommand
  | Exclude<OverlayCommand, 'find' | 'export' | 'all'>
  | SidesCommand;

export interface RunBrowserOptions<Item> {
  readonly context: ScreenContext;
  readonly changes: Changes;
  /** All of the list; a filter shows another one. */
  readonly source: RunSource<Item>;
  /** Whether a run is marked as viewed, if that is known. */
  isViewed(run: PageRange): boolean;
}

/**
 * A list of runs of dirty pages, of which one may be open side by side with its base.
 *
 *   state   the keys go to   is shown
 *   list    the list         the list
 *   open    the sides        the sides; beside them the list, where there is room
 *
 * `#follow` is an offset whose run is opened as soon as the list knows it.
 */
export class RunBrowser<Item extends PageRange> {
  readonly sides: Sides;
  list: RunList<Item>;
  readonly #options: RunBrowserOptions<Item>;
  readonly #context: ScreenContext;
  readonly #changes: Changes;
  #follow: { readonly offset: number; readonly target: SideTarget } | undefined;
  /** Where the sides begin, while they are beside the list. */
  #sidesColumn = 0;
  #isBeside = false;

  constructor(options: RunBrowserOptions<Item>) {
    const { context, changes, source } = options;
    this.#options = options;
    this.#context = context;
    this.#changes = changes;
    this.list = new RunList(source, context);
    this.sides = new Sides(context, (offset) => this.openAt(offset, offset));
    changes.onChange(({ spans }) => this.sides.written(spans));
  }

  get isOpen(): boolean {
    return this.sides.run !== undefined;
  }

  /** Of keys of a view those that can do something to what is selected are hinted at. */
  hinted(bindings: readonly Binding[]): readonly Binding[] {
    if ((this.run?.pageCount ?? 1) > 1) return bindings;
    return bindings.map((binding) => {
      const { hint: _, ...others } = binding;
      return binding.command === 'split' ? others : binding;
    });
  }

  /** What a key acts on. */
  get run(): PageRange | undefined {
    return this.sides.run ?? this.list.selected;
  }

  /** Shows another list, at the same place; without one, all. */
  show(source: RunSource<Item> = this.#options.source): void {
    const { position } = this.list;
    this.list.window.forget();
    this.list = new RunList(source, this.#context);
    this.list.select(Math.max(position, source.first));
    this.#context.changed();
  }

  /** Selects the run that has an offset. */
  goTo(offset: number): void {
    this.close();
    this.list.select(Math.floor(offset / PAGE_BYTES));
  }

  /** Opens the run that has an offset. */
  openAt(offset: number, target: SideTarget): void {
    this.list.select(Math.floor(offset / PAGE_BYTES));
    this.#follow = { offset, target };
    this.#context.changed();
  }

  close(): void {
    this.sides.close();
    this.#follow = undefined;
  }

  perform(command: BrowserCommand): void {
    const at = this.isOpen ? this.sides : this.list;
    switch (command) {
      case 'up':
        at.move(-1);
        return;
      case 'down':
        at.move(1);
        return;
      case 'pageUp':
        at.page(-1);
        return;
      case 'pageDown':
        at.page(1);
        return;
      case 'first':
        if (this.isOpen) this.sides.go('first');
        else this.list.select(0);
        return;
      case 'last':
        if (this.isOpen) this.sides.go('last');
        else this.list.select(Math.max(0, this.#diskPages - 1));
        return;
      case 'nextChange':
        this.sides.go('next');
        return;
      case 'previousChange':
        this.sides.go('previous');
        return;
      case 'open':
        if (this.list.selected !== undefined) this.sides.open(this.list.selected);
        return;
      case 'close':
        this.close();
        return;
      case 'nextRun':
        this.#step(1);
        return;
      case 'previousRun':
        this.#step(-1);
        return;
      case 'disk':
        this.#showOnDisk();
        return;
      default:
        void this.#decide(command);
    }
  }

  /** @param drawList draws the list into a room; it has the keys, or not */
  draw(
    size: Size,
    note: string,
    drawList: (size: Size, hasFocus: boolean) => readonly string[],
  ): readonly string[] {
    this.#isBeside = false;
    if (!this.isOpen && this.#follow === undefined) return drawList(size, true);
    const width = this.sides.widthIn(size.columns - LIST_COLUMNS);
    const listColumns = size.columns - width;
    if (listColumns < LIST_COLUMNS) {
      // The list goes on following what is dirty, and so do the bounds of what is open.
      this.list.seen(size.rows);
      this.#settle();
      return this.isOpen ? this.sides.draw(size, note) : drawList(size, true);
    }
    const left = drawList({ ...size, columns: listColumns }, !this.isOpen);
    this.#settle();
    this.#isBeside = true;
    this.#sidesColumn = listColumns;
    return beside(left, this.sides.draw({ ...size, columns: width }, note));
  }

  /** @param listRow the row of the list's first item */
  press({ row, column }: Place, listRow: number): void {
    const isOnSides = this.isOpen && (!this.#isBeside || column >= this.#sidesColumn);
    if (isOnSides) {
      this.sides.press(row - 1);
      return;
    }
    this.list.press(row - listRow);
    const { selected } = this.list;
    if (this.isOpen && selected !== undefined) this.sides.open(selected);
  }

  wheel(lines: number, { column }: Place): void {
    const isOnSides = this.isOpen && (!this.#isBeside || column >= this.#sidesColumn);
    if (isOnSides) this.sides.move(lines);
    else this.list.move(lines);
  }

  get #diskPages(): number {
    return Math.ceil(this.#context.engine.diskLength / PAGE_BYTES);
  }

  #step(steps: number): void {
    this.list.move(steps);
    if (this.list.selected !== undefined) this.sides.open(this.list.selected);
  }

  /** Opens what is followed once it is known, and lets what is open have the bounds that it has now. */
  #settle(): void {
    if (!this.list.isPlaced) return;
    const { selected } = this.list;
    const follow = this.#follow;
    this.#follow = undefined;
    if (follow !== undefined) {
      const page = Math.floor(follow.offset / PAGE_BYTES);
      if (selected !== undefined && overlap(selected, { pageIndex: page, pageCount: 1 })) {
        this.sides.open(selected, follow.target);
      }
      return;
    }
    const { run } = this.sides;
    if (run === undefined) return;
    // What is dirty no more, or is listed no more.
    if (selected === undefined || !overlap(selected, run)) this.sides.close();
    else this.sides.adopt({ pageIndex: selected.pageIndex, pageCount: selected.pageCount });
  }

  #showOnDisk(): void {
    const { run, sides } = this;
    if (run !== undefined) this.#context.showOffset('disk', sides.offset ?? startOffsetOf(run));
  }

  async #decide(command: DecidingCommand): Promise<void> {
    const { review } = this.#changes;
    const { run } = this;
    if (command === 'undo') return review.undo();
    if (command === 'redo') return review.redo();
    if (run === undefined) return;
    const isUndone = command === 'viewed' && this.#options.isViewed(run);
    if (command === 'dropLive') return review.dropLive(run);
    if (command === 'split') return this.#split(run);
    return review.act(isUndone ? 'notViewed' : command, run);
  }

  /** Cuts a run before a page: suggests that of the row that is selected, or the middle one. */
  async #split(run: PageRange): Promise<void> {
    if (run.pageCount < 2) {
      this.#context.say('this is one page: it cannot be split');
      return;
    }
    const rowPage = Math.floor((this.sides.offset ?? 0) / PAGE_BYTES);
    const page =
      rowPage > run.pageIndex && rowPage < endPageOf(run)
        ? rowPage
        : run.pageIndex + Math.floor(run.pageCount / 2);
    const [first, last] = [run.pageIndex + 1, endPageOf(run) - 1].map(formatPage);
    const pages = first === last ? `${first}` : `${first} to ${last}`;
    const text = await this.#context.askLine(
      `the second part begins with the page (${pages}): `,
      formatPage(page),
    );
    if (text === undefined) return;
    try {
      const { pageIndex } = await parsePages(this.#context.session, text);
      await this.#changes.review.split(pageIndex, text.trim());
    } catch (error) {
      this.#context.fail(error);
    }
  }
}

const formatPage = (pageIndex: number): string => formatOffset(pageIndex * PAGE_BYTES);

const overlap = (one: PageRange, other: PageRange): boolean =>
  one.pageIndex < endPageOf(other) && other.pageIndex < endPageOf(one);
