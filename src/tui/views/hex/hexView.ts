import { HexzError } from '../../../engine/errors.js';
import type {
  Addressing,
  Answer,
  CommandDefinition,
  StreamName,
} from '../../../repl/commands/definition.js';
import type { Place as StreamPlace } from '../../../repl/commands/place.js';
import { Listing } from '../../../repl/listing.js';
import { formatBytes, formatOffset } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { beside, framed, inside, type Size } from '../../drawing/panel.js';
import { wrap } from '../../drawing/text.js';
import type { Binding } from '../../keys/bindings.js';
import type { AnswerView } from '../../prompt/routes.js';
import { emptyText } from '../emptyText.js';
import type { Place, ScreenContext } from '../view.js';
import {
  addressingBinding,
  type HexCommand,
  hexBindings,
  type ListCommand,
  listBindings,
  sideBinding,
} from './bindings.js';
import { HexActions } from './hexActions.js';
import { HexModel } from './hexModel.js';
import { HexPanel } from './hexPanel.js';
import { InspectorPanel } from './inspectorPanel.js';
import { ListPane } from './listPane.js';
import { bookmarkList, foundList, searchListing } from './lists.js';
import type { ListItem, ResultList } from './resultList.js';
import { isStep, steps } from './steps.js';

/** From here on the inspector is shown without being asked for. */
const INSPECTOR_FROM_COLUMNS = 120;
const INSPECTOR_COLUMNS = 42;
const MIN_HEX_COLUMNS = 30;
/** What has fewer rows shows the list or the bytes, whichever has the focus. */
const MIN_ROWS_FOR_BOTH = 10;
const MIN_LIST_ROWS = 5;

/**
 * The bytes of a stream, with an inspector beside them and a list of places below.
 */
export class HexView implements AnswerView {
  readonly title: string;
  readonly model: HexModel;
  readonly #context: ScreenContext;
  readonly #actions: HexActions;
  readonly #panel: HexPanel;
  readonly #inspector: InspectorPanel;
  readonly #list: ListPane;
  /** Undefined until a person has said whether he wants it. */
  #wantsInspector: boolean | undefined;
  /** Where the list has been drawn. */
  #listRow = Number.POSITIVE_INFINITY;
  #columns = 80;
  #isShown = false;

  constructor(context: ScreenContext, stream: StreamName) {
    this.title = stream === 'disk' ? 'Disk' : 'Memory';
    this.model = new HexModel(context, stream);
    this.#context = context;
    this.#actions = new HexActions(context, this.model);
    this.#panel = new HexPanel(context, this.model);
    this.#inspector = new InspectorPanel(context, this.model);
    this.#list = new ListPane(context, (item) => this.#select(item));
  }

  badge(): string {
    return '';
  }

  get isInList(): boolean {
    return this.#list.hasFocus;
  }

  bindings(): readonly Binding[] {
    if (!this.model.exists) return [];
    if (this.isInList) return listBindings;
    const { hasOverlay, stream } = this.model;
    return [
      ...hexBindings,
      ...(hasOverlay ? [sideBinding] : []),
      ...(stream === 'memory' ? [addressingBinding] : []),
    ];
  }

  shown(isShown: boolean): void {
    this.#isShown = isShown;
    const offset = this.#context.session.cursors.get(this.model.stream);
    // Commands may have looked somewhere before anything was looked at here.
    if (isShown && this.model.isUntouched && offset !== undefined) {
      this.model.viewport.moveTo(offset);
    }
  }

  goTo(offset: number, addressing: Addressing = 'guest'): void {
    this.#list.focus(false);
    this.model.show('merged', addressing);
    this.model.goTo(offset);
  }

  perform(command: string): void {
    if (command.startsWith('list.')) this.#list.perform(command as ListCommand);
    else this.#performInBytes(command as HexCommand);
  }

  /** Shows offsets of the stream from now on. */
  addressAsTheMount(): Promise<void> {
    return this.#actions.switchAddressing(
      'what is read is told in offsets of the stream; a switches back',
    );
  }

  press({ row, column }: Place): void {
    if (row >= this.#listRow) {
      this.#list.press(row - this.#listRow);
      return;
    }
    this.#list.focus(false);
    const offset = this.#panel.byteAt(row, column);
    if (offset !== undefined) this.model.move((viewport) => viewport.moveTo(offset));
  }

  wheel(lines: number, { row }: Place): void {
    if (row < this.#listRow) this.model.move((viewport) => viewport.scroll(lines));
    else this.#list.wheel(lines);
  }

  /** Shows what is read of this stream at its place, and what is found in it as a list. */
  async takeAnswer(
    { name }: CommandDefinition,
    { result }: Answer,
    signal: AbortSignal,
    text: string,
  ): Promise<boolean> {
    const { stream } = this.model;
    switch (name) {
      case 'read': {
        if (!(result instanceof Listing)) return false;
        const head = result.head as StreamPlace & { readonly offset: number };
        if (head.stream !== stream) return false;
        await this.#checkWithin(head, signal);
        this.model.show(head.side, head.addressing);
        this.#list.focus(false);
        this.model.goTo(head.offset);
        return true;
      }
      case 'find':
      case 'strings': {
        const listing = searchListing(result, stream);
        if (listing === undefined) return false;
        const { side, addressing, pattern } = listing.head;
        this.model.show(side, addressing);
        if (pattern !== undefined) this.model.finder.pattern = pattern;
        const list = foundList(listing, text, () => {
          this.#list.grown(list);
          this.#context.changed();
        });
        this.#openList(list);
        return true;
      }
      case 'bookmark':
        if (!this.#isShown) return false;
        this.#openList(bookmarkList(this.#context.session.bookmarks));
        return true;
      case 'write':
        // Whoever writes past the mount leaves no trace in its activity.
        this.model.markStale();
        return false;
      default:
        return false;
    }
  }

  /** @throws HexzError NOT_PRESENT for what lies behind the last byte, where there is nothing to show */
  async #checkWithin(place: StreamPlace & { readonly offset: number }, signal: AbortSignal) {
    const { stream, side, offset } = place;
    const addressing = place.addressing ?? 'guest';
    const { client } = this.#context.session;
    const asked = { stream, side, addressing, offset: 0, length: 0 };
    const { endOffset } = await client.request('read', asked, { signal });
    if (offset < endOffset || (offset === 0 && endOffset === 0)) return;
    throw new HexzError(
      'NOT_PRESENT',
      `${formatOffset(offset)} lies beyond the end: the ${stream} has ${formatBytes(endOffset)}, up to ${formatOffset(endOffset)}`,
    );
  }

  draw(size: Size): readonly string[] {
    this.#columns = size.columns;
    if (!this.model.exists) return this.#drawAbsent(size);
    const listRows = this.#rowsForList(size.rows);
    const rows = size.rows - listRows;
    this.#listRow = listRows === 0 ? Number.POSITIVE_INFINITY : rows;
    const side = this.#hasInspector
      ? Math.min(INSPECTOR_COLUMNS, size.columns - MIN_HEX_COLUMNS)
      : 0;
    const panels = [this.#panel.draw({ rows, columns: size.columns - side }, !this.isInList)];
    if (side > 0) panels.push(this.#inspector.draw({ rows, columns: side }));
    const upper = beside(...panels);
    return listRows === 0
      ? upper
      : [...upper, ...this.#list.draw({ rows: listRows, columns: size.columns })];
  }

  get #hasInspector(): boolean {
    const wants = this.#wantsInspector ?? this.#columns >= INSPECTOR_FROM_COLUMNS;
    return wants && this.#columns >= 2 * MIN_HEX_COLUMNS;
  }

  #rowsForList(rows: number): number {
    if (!this.#list.isOpen) return 0;
    if (rows < MIN_ROWS_FOR_BOTH) return this.isInList ? rows : 0;
    return Math.max(MIN_LIST_ROWS, Math.floor(rows * 0.4));
  }

  #performInBytes(command: HexCommand): void {
    if (isStep(command)) {
      steps[command](this.model);
    } else if (command === 'inspector') {
      this.#wantsInspector = !this.#hasInspector;
    } else if (command === 'bookmarks') {
      this.#openList(bookmarkList(this.#context.session.bookmarks));
    } else if (command === 'list') {
      this.#list.focus(true);
      if (!this.#list.isOpen) this.#context.say('there is no list: F, s and B make one');
    } else if (command === 'escape') {
      this.#escape();
    } else {
      this.#actions.begin(command);
    }
  }

  /** The first of these that goes on. */
  #escape(): void {
    const { model } = this;
    if (model.finder.isSearching) model.finder.cancel();
    else if (model.isFollowing) model.follow(false);
    else if (model.marked !== undefined) model.toggleMark();
    else if (this.#list.isOpen) this.#list.close();
    else {
      model.finder.pattern = undefined;
      model.match = undefined;
    }
  }

  #openList(list: ResultList): void {
    // Selecting moves the cursor; `back` comes back here.
    this.model.goTo(this.model.cursorOffset);
    this.#list.open(list);
  }

  #select({ offset, length }: ListItem): void {
    this.model.match = { offset, length };
    this.model.move((viewport) => viewport.moveTo(offset));
  }

  /** Why there is nothing, and what would fill it. */
  #drawAbsent(size: Size): string[] {
    const { theme } = this.#context;
    const { columns } = inside(size);
    const text = emptyText(this.model.stream, this.#context.engine.state);
    const rows = wrap(text, Math.max(1, columns)).map((row) =>
      new Line(theme, columns).add(row, 'dim').end(),
    );
    return framed(rows, theme, size, this.model.stream);
  }
}
