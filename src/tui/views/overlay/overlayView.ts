import type { WireDifference } from '../../../engine/control/protocol/inspection.js';
import type { Hunk } from '../../../engine/control/protocol/review.js';
import { PAGE_BYTES, type PageRange } from '../../../repl/language/pages.js';
import { Listing } from '../../../repl/listing.js';
import { formatCount } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { framed, inside, type Size } from '../../drawing/panel.js';
import type { Binding } from '../../keys/bindings.js';
import type { AnswerTaker } from '../../prompt/commandRunner.js';
import type { AnswerView } from '../../prompt/routes.js';
import { type OverlayCommand, overlayBindings, sidesBindings } from '../changes/bindings.js';
import type { Changes } from '../changes/changes.js';
import {
  differingExtents,
  endPageOf,
  extentSource,
  hunkSource,
  within,
} from '../changes/pageRuns.js';
import { type BrowserCommand, RunBrowser } from '../changes/runBrowser.js';
import { RunWindow } from '../changes/runWindow.js';
import { ageText, offsetWidthOf } from '../changes/shortValues.js';
import { parsePages, valuesOf } from '../changes/typed.js';
import { drawWhyEmpty, unlistedText, whyEmpty } from '../changes/whyEmpty.js';
import { exportTo } from '../exportTo.js';
import type { Place, ScreenContext } from '../view.js';
import { extentHeading, extentRow, extentsTitle } from './drawExtents.js';
import { drawMap } from './drawMap.js';

/** With fewer rows, all of them are for the list. */
const ROWS_FOR_MAP = 16;
/** Of the hunks of one extent, so many are looked at for its sign. */
const MAX_SIGN_HUNKS = 64;

const kinds: readonly WireDifference['kind'][] = ['changed', 'equal', 'new'];

/**
 * What is dirty: the extents of the overlay as they grow, and a map of them; each can be opened beside its base.
 *
 * State: `#filter` says what of it is listed. What is known of extents is with those who ask for it (`Changes`, the
 * list of the browser); this puts it together.
 */
export class OverlayView implements AnswerView {
  readonly title = 'Overlay';
  readonly #context: ScreenContext;
  readonly #changes: Changes;
  readonly #browser: RunBrowser<PageRange>;
  /** What the review says of the extents that are seen. */
  readonly #hunks: RunWindow<Hunk>;
  #filter = '';
  #listRow = 0;

  constructor(context: ScreenContext, changes: Changes) {
    this.#context = context;
    this.#changes = changes;
    const { client } = context.session;
    this.#hunks = new RunWindow(hunkSource(client, changes.review.counted), context);
    this.#browser = new RunBrowser({
      context,
      changes,
      source: extentSource(client, changes.listed),
      isViewed: (run) => {
        const hunks = this.#hunksOf(run);
        return hunks.length > 0 && hunks.every(({ isViewed }) => isViewed);
      },
    });
    changes.onChange(({ isAnotherSet }) => {
      this.#hunks.stale();
      if (isAnotherSet) this.#browser.list.window.stale();
    });
    changes.review.onChange(() => {
      this.#hunks.stale({ isUrgent: true });
      this.#browser.list.window.stale({ isUrgent: true });
    });
  }

  /** Pages: they are known at any time, without a look at the list. */
  badge(): string {
    const { dirtyPages } = this.#context.engine;
    return dirtyPages === 0 ? '' : `${formatCount(dirtyPages)}p`;
  }

  bindings(): readonly Binding[] {
    return this.#browser.hinted(this.#browser.isOpen ? sidesBindings : overlayBindings);
  }

  perform(command: string): void {
    switch (command as OverlayCommand | BrowserCommand) {
      case 'find':
        void this.#find();
        return;
      case 'export':
        void this.#export();
        return;
      case 'all':
        this.#show('');
        return;
      default:
        this.#browser.perform(command as BrowserCommand);
    }
  }

  press(place: Place): void {
    this.#browser.press(place, this.#listRow);
  }

  wheel(lines: number, place: Place): void {
    this.#browser.wheel(lines, place);
  }

  /** Lists of what is dirty or differs, and rows of bytes: they are shown from the place on that was asked for. */
  readonly takeAnswer: AnswerTaker = async ({ name }, { result }, _signal, text) => {
    if (!(result instanceof Listing) || whyEmpty(this.#context) !== undefined) return false;
    if (name !== 'dirty' && name !== 'diff') return false;
    const { session } = this.#context;
    const { offset, runs, pages, hex } = await valuesOf(session, text);
    // Extents are what this shows.
    if (runs === true || pages === true) return false;
    const start = typeof offset === 'number' ? offset : 0;
    this.#show('');
    if (hex === true) this.#browser.openAt(await this.#firstDirty(start), 'first');
    else this.#browser.goTo(start);
    return true;
  };

  draw(size: Size): readonly string[] {
    const { theme, engine } = this.#context;
    const why = whyEmpty(this.#context);
    if (why !== undefined) return drawWhyEmpty(why, theme, size, 'extents');
    this.#changes.tally.look(engine.diskLength);
    return this.#browser.draw(size, this.#noteOfOpen(), (room, hasFocus) =>
      this.#drawList(room, hasFocus),
    );
  }

  #drawList(size: Size, hasFocus: boolean): readonly string[] {
    const { theme, engine } = this.#context;
    const { cells, cellPages } = this.#changes.tally;
    const { diskLength } = engine;
    // No more than there are cells for.
    const needed = 2 + Math.ceil(cells.length / Math.max(1, inside(size).columns));
    const mapRows = size.rows < ROWS_FOR_MAP ? 0 : Math.min(needed, Math.floor(size.rows / 4));
    const rows = this.#rows({ rows: size.rows - mapRows, columns: size.columns }, hasFocus);
    this.#listRow = mapRows + 2;
    const selectedPage = this.#browser.list.selected?.pageIndex;
    const map = { cells, cellPages, diskLength, selectedPage };
    return [...drawMap(map, theme, { ...size, rows: mapRows }), ...rows];
  }

  #rows(size: Size, hasFocus: boolean): readonly string[] {
    const { theme, engine } = this.#context;
    const { list } = this.#browser;
    const room = inside(size);
    const { items, selectedIndex } = list.seen(room.rows - 1);
    this.#changes.differences.look(items);
    const [first] = items;
    const offsetWidth = offsetWidthOf(engine.diskLength);
    if (first !== undefined) this.#hunks.look(first.pageIndex, 0, 2 * items.length);
    const rows = items.map((extent, index) => {
      const difference = this.#changes.differences.of(extent);
      const facts = { extent, sign: this.#signOf(extent), difference, age: this.#ageOf(extent) };
      const options = { isSelected: index === selectedIndex, hasFocus, offsetWidth };
      return extentRow(facts, theme, room.columns, options);
    });
    if (items.length === 0) {
      const text = list.window.isKnown ? this.#nothingText() : unlistedText(this.#context);
      rows.push(new Line(theme, room.columns).add(`   ${text}`, 'dim').end());
    }
    const title = extentsTitle(this.#changes.tally.totals, engine.dirtyPages);
    const all = [extentHeading(theme, room.columns, offsetWidth), ...rows];
    return framed(all, theme, size, title, {
      hasFocus,
      note: this.#filter === '' ? '' : `only ${this.#filter}`,
    });
  }

  #nothingText(): string {
    return this.#filter === ''
      ? 'nothing is dirty'
      : `no extent is ${this.#filter}; Esc shows all, / looks for something else`;
  }

  #hunksOf(run: PageRange): readonly Hunk[] {
    const { items } = this.#hunks;
    const hunks: Hunk[] = [];
    for (let at = Math.max(0, this.#hunks.indexOf(run.pageIndex)); at < items.length; at++) {
      const hunk = items[at];
      if (hunk === undefined || hunk.pageIndex >= endPageOf(run)) break;
      if (endPageOf(hunk) > run.pageIndex) hunks.push(hunk);
      if (hunks.length > MAX_SIGN_HUNKS) break;
    }
    return hunks;
  }

  /** `k`, `d`, `v`, or `±` where parts of it differ; `!` behind it where it has changed since. */
  #signOf(extent: PageRange): string {
    const hunks = this.#hunksOf(extent);
    const signs = new Set(hunks.map(signOfHunk));
    const [sign = ''] = signs;
    const changed = hunks.some(({ hasChangedSince }) => hasChangedSince) ? '!' : '';
    return `${signs.size > 1 ? '±' : sign}${changed}`;
  }

  #ageOf(extent: PageRange): string {
    const since = this.#changes.ages.of(extent.pageIndex, endPageOf(extent));
    const { text, changesIn } = ageText(since ?? this.#changes.ages.knownSince, Date.now());
    this.#context.changedIn(changesIn);
    return since === undefined ? `> ${text}` : text;
  }

  #noteOfOpen(): string {
    const { run } = this.#browser.sides;
    if (run === undefined) return '';
    const sign = this.#signOf(run);
    return `${sign === '' ? '' : `[${sign}] `}${formatCount(run.pageCount)} p`;
  }

  /** The first dirty byte from an offset on. */
  async #firstDirty(offset: number): Promise<number> {
    const { client } = this.#context.session;
    const fromPage = Math.floor(offset / PAGE_BYTES);
    const { extents } = await client.request('dirty', { fromPage, limit: 1 });
    return (extents[0]?.pageIndex ?? 0) * PAGE_BYTES;
  }

  async #find(): Promise<void> {
    const label = 'go to OFFSET, or list only OFFSET+LENGTH, changed, equal or new: ';
    const text = await this.#context.askLine(label, this.#filter);
    if (text === undefined) return;
    const word = text.trim();
    try {
      const kind = kinds.find((name) => name === word);
      if (word === '' || kind !== undefined || /[+-]/.test(word.slice(1))) {
        const pages = word === '' || kind !== undefined ? undefined : await this.#parse(word);
        this.#show(word, pages);
        return;
      }
      const { pageIndex } = await this.#parse(word);
      this.#browser.goTo(pageIndex * PAGE_BYTES);
    } catch (error) {
      this.#context.fail(error);
    }
  }

  #parse(word: string): Promise<PageRange> {
    return parsePages(this.#context.session, word);
  }

  /** Lists a part: one kind, or a range of pages; or all. */
  #show(filter: string, pages?: PageRange): void {
    const { client } = this.#context.session;
    const kind = kinds.find((name) => name === filter);
    this.#filter = filter;
    this.#browser.close();
    if (kind !== undefined) this.#browser.show(differingExtents(client, kind));
    else if (pages === undefined) this.#browser.show();
    else {
      const { listed } = this.#changes;
      const { pageIndex } = pages;
      this.#browser.show(within(extentSource(client, listed), pageIndex, endPageOf(pages)));
    }
  }

  #export(): Promise<void> {
    return exportTo(this.#context, 'write the list of extents to the file: ', 'diff');
  }
}

const signOfHunk = ({ decision, isViewed }: Hunk): string =>
  decision === 'open' ? (isViewed ? 'v' : '') : decision.charAt(0);
