import type { CommitPlan, CommitReport } from '../../../engine/control/protocol/commit.js';
import type { Hunk, ReviewCounts } from '../../../engine/control/protocol/review.js';
import { PAGE_BYTES } from '../../../repl/language/pages.js';
import { Listing } from '../../../repl/listing.js';
import { countOf, formatCount } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { framed, inside, type Size } from '../../drawing/panel.js';
import type { Binding } from '../../keys/bindings.js';
import type { AnswerTaker } from '../../prompt/commandRunner.js';
import type { AnswerView } from '../../prompt/routes.js';
import { sidesBindings } from '../changes/bindings.js';
import type { Changes } from '../changes/changes.js';
import { endPageOf, filtered, hunkSource } from '../changes/pageRuns.js';
import { type BrowserCommand, RunBrowser } from '../changes/runBrowser.js';
import { offsetWidthOf } from '../changes/shortValues.js';
import { firstPages, parsePages, valuesOf } from '../changes/typed.js';
import { drawWhyEmpty, unlistedText, whyEmpty } from '../changes/whyEmpty.js';
import { exportTo } from '../exportTo.js';
import type { Place, ScreenContext } from '../view.js';
import { Commit } from './commit.js';
import { drawCommit } from './drawCommit.js';
import { hunkRow, hunksTitle, markOf } from './drawHunks.js';
import { type HunkFilter, hunkFilters, isHunkFilter, nearestOpen } from './hunkSearch.js';
import {
  committingBindings,
  isCommitCommand,
  type ReviewCommand,
  reviewBindings,
} from './reviewBindings.js';

/** With fewer rows, all of them are for the hunks. */
const ROWS_FOR_PANEL = 9;

const deciding = ['keep', 'drop', 'clear', 'viewed', 'split', 'join', 'undo', 'redo', 'select'];

/**
 * What is dirty as hunks, what is decided about them, and the commit of what is kept.
 *
 * The hunks are those of the engine, which all watchers share: what others decide is read again at once. State of its
 * own: `#filter`, and the commit that is prepared.
 */
export class ReviewView implements AnswerView {
  readonly title = 'Review';
  readonly #context: ScreenContext;
  readonly #changes: Changes;
  readonly #browser: RunBrowser<Hunk>;
  readonly #commit: Commit;
  #filter: HunkFilter | '' = '';
  #searching: AbortController | undefined;

  constructor(context: ScreenContext, changes: Changes) {
    this.#context = context;
    this.#changes = changes;
    this.#commit = new Commit(context);
    this.#browser = new RunBrowser({
      context,
      changes,
      source: this.#source,
      isViewed: () => this.#browser.list.selected?.isViewed === true,
    });
    changes.onChange(() => this.#browser.list.window.stale());
    changes.review.onChange(() => this.#browser.list.window.stale({ isUrgent: true }));
  }

  /** How many are decided, as far as anybody has looked. */
  badge(): string {
    const { counts } = this.#changes.review;
    if (counts === undefined || counts.keep + counts.drop === 0) return '';
    return `${formatCount(counts.keep + counts.drop)}/${formatCount(counts.hunks)}`;
  }

  bindings(): readonly Binding[] {
    if (this.#commit.isRunning) return [...committingBindings, ...this.#bindingsOfList()];
    return this.#bindingsOfList();
  }

  perform(command: string): void {
    switch (command as ReviewCommand | BrowserCommand) {
      case 'keepOpen':
        void this.#keepOpen();
        return;
      case 'join':
        void this.#join();
        return;
      case 'nextOpen':
        void this.#goToOpen('behind');
        return;
      case 'previousOpen':
        void this.#goToOpen('before');
        return;
      case 'find':
        void this.#find();
        return;
      case 'all':
        this.#show('');
        return;
      case 'export':
        void this.#export();
        return;
      case 'dropAllLive':
        void this.#changes.review.dropLive();
        return;
      default:
        if (isCommitCommand(command)) this.#commit.perform(command);
        else this.#browser.perform(command as BrowserCommand);
    }
  }

  press(place: Place): void {
    this.#browser.press(place, 1);
  }

  wheel(lines: number, place: Place): void {
    this.#browser.wheel(lines, place);
  }

  /** Hunks, what a decision was about, and what was planned or committed. */
  readonly takeAnswer: AnswerTaker = async ({ name }, { result }, _signal, text) => {
    if (whyEmpty(this.#context) !== undefined) return false;
    if (name === 'commit' && isCommitAnswer(result)) {
      return this.#commit.show(result, await valuesOf(this.#context.session, text));
    }
    const isList = name === 'review' && result instanceof Listing;
    if (!isList && !(deciding.includes(name) && isCounts(result))) return false;
    if (isCounts(result)) this.#changes.review.counted(result);
    this.#browser.list.window.stale({ isUrgent: true });
    const pages = isList ? undefined : firstPages(await valuesOf(this.#context.session, text));
    this.#show('');
    if (pages !== undefined) this.#browser.goTo(pages.pageIndex * PAGE_BYTES);
    return true;
  };

  draw(size: Size): readonly string[] {
    const { theme, engine } = this.#context;
    const why = whyEmpty(this.#context);
    if (why !== undefined) return drawWhyEmpty(why, theme, size, 'hunks');
    const { counts } = this.#changes.review;
    if (counts !== undefined) this.#commit.look(counts.revision);
    const panel =
      size.rows < ROWS_FOR_PANEL
        ? []
        : drawCommit(this.#commit, engine.state, counts, theme, {
            rows: Math.floor(size.rows / 2),
            columns: size.columns,
          });
    const room = { rows: size.rows - panel.length, columns: size.columns };
    const hunks = this.#browser.draw(room, this.#noteOfOpen(), (listRoom, hasFocus) =>
      this.#drawList(listRoom, hasFocus),
    );
    return [...hunks, ...panel];
  }

  get #source() {
    return hunkSource(this.#context.session.client, this.#changes.review.counted);
  }

  #bindingsOfList(): readonly Binding[] {
    return this.#browser.hinted(this.#browser.isOpen ? sidesBindings : reviewBindings);
  }

  #drawList(size: Size, hasFocus: boolean): readonly string[] {
    const { theme, engine } = this.#context;
    const room = inside(size);
    const offsetWidth = offsetWidthOf(engine.diskLength);
    const { list } = this.#browser;
    const { items, selectedIndex } = list.seen(room.rows);
    this.#changes.differences.look(items);
    const rows = items.map((hunk, index) =>
      hunkRow(hunk, this.#changes.differences.of(hunk), theme, room.columns, {
        isSelected: index === selectedIndex,
        hasFocus,
        offsetWidth,
      }),
    );
    if (items.length === 0) {
      const nothing =
        this.#filter === '' ? 'nothing is dirty' : `no hunk is ${this.#filter}; Esc shows all`;
      const text = list.window.isKnown ? nothing : unlistedText(this.#context);
      rows.push(new Line(theme, room.columns).add(` ${text}`, 'dim').end());
    }
    return framed(rows, theme, size, hunksTitle(this.#changes.review.counts), {
      hasFocus,
      note: this.#filter === '' ? '' : `only ${this.#filter}`,
    });
  }

  #noteOfOpen(): string {
    const { run } = this.#browser.sides;
    const { selected } = this.#browser.list;
    if (run === undefined) return '';
    const isSelected = selected?.pageIndex === run.pageIndex;
    return `${isSelected ? `${markOf(selected)} ` : ''}${formatCount(run.pageCount)} p`;
  }

  async #keepOpen(): Promise<void> {
    const { review } = this.#changes;
    const { counts } = review;
    if (counts === undefined || counts.open === 0) {
      this.#context.say('no hunk is open');
      return;
    }
    const open = `${countOf(counts.open, 'hunk')} with ${countOf(counts.openPages, 'page')}`;
    const answer = await this.#context.choose(`Keep all that is open: ${open}?`, [
      { answer: 'keep', key: 'y', label: 'keep them' },
    ]);
    if (answer === undefined) return;
    const after = await review.change({ action: 'keepOpen' });
    if (after !== undefined) this.#context.say(`kept ${open}; u takes that back`, 'good');
  }

  async #join(): Promise<void> {
    const { selected, next } = this.#browser.list;
    if (selected === undefined || next?.pageIndex !== endPageOf(selected)) {
      this.#context.say('there is a clean page behind this hunk, so nothing to join it with');
      return;
    }
    if (selected.decision !== next.decision || selected.isViewed !== next.isViewed) {
      this.#context.say('the next hunk is decided otherwise; decide the same of both, then join');
      return;
    }
    const pageCount = selected.pageCount + next.pageCount;
    await this.#changes.review.act('join', { pageIndex: selected.pageIndex, pageCount });
  }

  async #goToOpen(side: 'before' | 'behind'): Promise<void> {
    const { selected } = this.#browser.list;
    if (selected === undefined) return;
    this.#searching?.abort();
    const search = new AbortController();
    this.#searching = search;
    try {
      const found = await nearestOpen(this.#source, selected, side, search.signal);
      if (search.signal.aborted) return;
      if (found !== undefined) this.#browser.list.select(found.pageIndex);
      else this.#context.say(`no open hunk ${side} this one`);
      this.#context.changed();
    } catch (error) {
      this.#context.fail(error);
    }
  }

  async #find(): Promise<void> {
    const text = await this.#context.askLine(
      'go to OFFSET, or list only open, keep, drop, viewed or changed: ',
      this.#filter,
    );
    if (text === undefined) return;
    const word = text.trim();
    if (word === '' || isHunkFilter(word)) {
      this.#show(word);
      return;
    }
    try {
      const { pageIndex } = await parsePages(this.#context.session, word);
      this.#browser.goTo(pageIndex * PAGE_BYTES);
    } catch (error) {
      this.#context.fail(error);
    }
  }

  #show(filter: HunkFilter | ''): void {
    this.#filter = filter;
    this.#browser.close();
    if (filter === '') this.#browser.show();
    else this.#browser.show(filtered(this.#source, hunkFilters[filter]));
  }

  #export(): Promise<void> {
    return exportTo(this.#context, 'write the hunks to the file: ', 'review');
  }
}

const isCounts = (result: unknown): result is ReviewCounts =>
  typeof result === 'object' && result !== null && 'revision' in result && 'hunks' in result;

const isCommitAnswer = (result: unknown): result is CommitPlan | CommitReport =>
  typeof result === 'object' && result !== null && 'committedPages' in result;
