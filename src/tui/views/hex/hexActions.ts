import { HexzError } from '../../../engine/errors.js';
import { isBookmarkName, parseOffset } from '../../../repl/commands/kinds.js';
import { quote } from '../../../repl/language/lexer.js';
import { PAGE_BYTES } from '../../../repl/language/pages.js';
import { lookalikeNote, PATTERN_HINT } from '../../../repl/patterns.js';
import { formatOffset } from '../../../repl/rendering/values.js';
import type { ScreenContext } from '../view.js';
import type { HexCommand } from './bindings.js';
import type { Direction } from './finder.js';
import type { HexModel } from './hexModel.js';
import type { StepCommand } from './steps.js';

type LongCommand = Exclude<HexCommand, StepCommand | 'inspector' | 'bookmarks' | 'list' | 'escape'>;

const NOT_ZERO = 'r:[^\\x00]';

/** What keys of the bytes begin that takes longer than a paint: questions, searches, commands of the REPL. */
export class HexActions {
  readonly #context: ScreenContext;
  readonly #model: HexModel;

  constructor(context: ScreenContext, model: HexModel) {
    this.#context = context;
    this.#model = model;
  }

  begin(command: LongCommand): void {
    const begin: Readonly<Record<LongCommand, () => void | Promise<void>>> = {
      goTo: () => this.#askOffset(),
      search: () => this.#askPattern('forward'),
      searchBack: () => this.#askPattern('backward'),
      next: () => this.#findNext('same'),
      previous: () => this.#findNext('other'),
      findAll: () => this.#listMatches(),
      strings: () => this.#listStrings(),
      nextData: () => this.#findData('forward'),
      previousData: () => this.#findData('backward'),
      bookmark: () => this.#askBookmark(),
      export: () => this.#export(),
      addressing: () => this.switchAddressing(),
      back: () => this.#travel('back'),
      forward: () => this.#travel('forward'),
    };
    void begin[command]();
  }

  #travel(direction: 'back' | 'forward'): void {
    if (!this.#model.travel(direction)) {
      this.#context.say(`there is no place to go ${direction} to`);
    }
  }

  /** @param said told with it */
  async switchAddressing(said = ''): Promise<void> {
    const from = formatOffset(this.#model.cursorOffset);
    try {
      const isSame = await this.#model.switchAddressing();
      const where = this.#model.place.addressing === 'raw' ? 'the stream as it is' : 'the memory';
      if (!isSame) this.#context.say(`the byte at ${from} is nowhere in ${where}`);
      else if (said !== '') this.#context.say(said);
      this.#context.changedNow();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #askOffset(): Promise<void> {
    const text = await this.#context.askLine('go to: ');
    if (text === undefined || text.trim() === '') return;
    const { place, bytes } = this.#model;
    this.#model.moved();
    const scope = { session: this.#context.session, stream: place.stream };
    const isRaw = place.addressing === 'raw';
    try {
      const offset = await parseOffset(text, { ...scope, isRaw, isBase: place.side === 'base' });
      this.#model.goTo(offset);
      if (bytes.isEndKnown && offset > bytes.endOffset) {
        this.#context.say(`the ${place.stream} ends at ${formatOffset(bytes.endOffset)}`, 'error');
      }
      this.#context.changedNow();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #askPattern(direction: Direction): Promise<void> {
    const { finder } = this.#model;
    const label = direction === 'forward' ? 'search forward: ' : 'search backward: ';
    const pattern = await this.#context.askLine(label, finder.pattern, PATTERN_HINT);
    if (pattern === undefined || pattern === '') return;
    finder.pattern = pattern;
    finder.direction = direction;
    const note = lookalikeNote(pattern);
    if (note !== undefined) this.#context.say(note);
    await this.#findNext('same');
  }

  /** The next match in the direction of the search, or in the other one. */
  async #findNext(way: 'same' | 'other'): Promise<void> {
    const { finder, match, cursorOffset, place } = this.#model;
    const { pattern, direction } = finder;
    if (pattern === undefined) {
      this.#context.say('nothing was searched for yet: / and \\ do');
      return;
    }
    const towards = way === 'same' ? direction : opposite(direction);
    // Matches may overlap; one before this one may reach into it.
    const reachBytes = match?.offset === cursorOffset ? match.length - 1 : 0;
    try {
      const found = await finder.find(place, pattern, towards, cursorOffset, { reachBytes });
      if (found.range === undefined) {
        const note = lookalikeNote(pattern);
        const nowhere = `${pattern} is nowhere in the ${place.stream}`;
        this.#context.say(note === undefined ? nowhere : `${nowhere}: ${note}`, 'error');
        return;
      }
      this.#model.match = found.range;
      this.#model.goTo(found.range.offset);
      const end = towards === 'forward' ? 'beginning' : 'end';
      if (found.hasWrapped) this.#context.say(`the search went on from the ${end}`);
      this.#context.changedNow();
    } catch (error) {
      if (error instanceof HexzError && error.code === 'USAGE') finder.pattern = undefined;
      this.#fail(error);
    }
  }

  /** The next page with a byte in it that is not zero. */
  async #findData(direction: Direction): Promise<void> {
    const { finder, cursorOffset, place } = this.#model;
    const pageOffset = cursorOffset - (cursorOffset % PAGE_BYTES);
    const from = direction === 'forward' ? pageOffset + PAGE_BYTES - 1 : pageOffset;
    try {
      const found = await finder.find(place, NOT_ZERO, direction, from, { wraps: false });
      if (found.range !== undefined) this.#model.goTo(found.range.offset);
      else
        this.#context.say(`all zeros up to the ${direction === 'forward' ? 'end' : 'beginning'}`);
      this.#context.changedNow();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #listMatches(): Promise<void> {
    const { finder, place } = this.#model;
    finder.pattern ??= await this.#context.askLine('list all: ', '', PATTERN_HINT);
    if (finder.pattern === undefined) return;
    await this.#context.run(`find ${place.stream} ${quote(finder.pattern)}${this.#flags}`);
  }

  async #listStrings(): Promise<void> {
    const { place, cursorOffset } = this.#model;
    await this.#context.run(`strings ${place.stream} ${cursorOffset}${this.#flags}`);
  }

  async #askBookmark(): Promise<void> {
    const { cursorOffset } = this.#model;
    const name = await this.#context.askLine(`name of ${formatOffset(cursorOffset)}: `);
    if (name === undefined) return;
    if (!isBookmarkName(name)) {
      this.#context.say('a name has letters, digits and _ only', 'error');
      return;
    }
    this.#context.session.bookmarks.set(name, cursorOffset);
    this.#context.say(`$${name} is ${formatOffset(cursorOffset)}`, 'good');
  }

  async #export(): Promise<void> {
    const { marked, cursorOffset, place } = this.#model;
    const startOffset = marked?.startOffset ?? cursorOffset;
    const length =
      marked === undefined
        ? await this.#context.askLine(`bytes from ${formatOffset(startOffset)} on: `, '4K')
        : `${marked.endOffset - marked.startOffset}`;
    if (length === undefined || length.trim() === '') return;
    const name = `${place.stream}-${startOffset.toString(16)}.bin`;
    const file = await this.#context.askLine('write to: ', name);
    if (file === undefined || file.trim() === '') return;
    const words = [place.stream, `${startOffset}`, quote(length), quote(file)];
    await this.#context.run(`export ${words.join(' ')}${this.#flags}`);
    this.#model.moved();
  }

  /** As options of a command. */
  get #flags(): string {
    const { side, addressing } = this.#model.place;
    return `${side === 'base' ? ' --base' : ''}${addressing === 'raw' ? ' --raw' : ''}`;
  }

  /** What was typed wrong is no matter for the log. */
  #fail(error: unknown): void {
    if (error instanceof HexzError && error.code === 'USAGE') {
      this.#context.say(error.message, 'error');
    } else {
      this.#context.fail(error);
    }
  }
}

const opposite = (direction: Direction): Direction =>
  direction === 'forward' ? 'backward' : 'forward';
