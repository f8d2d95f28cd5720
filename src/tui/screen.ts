import { asHexzError } from '../engine/errors.js';
import type { Addressing, StreamName } from '../repl/commands/definition.js';
import { complete } from '../repl/completion.js';
import type { History } from '../repl/history.js';
import { countOf, printable } from '../repl/rendering/values.js';
import type { Session } from '../repl/session.js';
import type { Style, Theme } from './drawing/theme.js';
import { helpLines } from './helpText.js';
import {
  commandFor,
  type PaneCommand,
  paneBindings,
  type ScreenCommand,
  screenBindings,
} from './keys/bindings.js';
import { Clock } from './model/clock.js';
import { reasonFirst } from './model/damage.js';
import { EngineWatch } from './model/engineWatch.js';
import { CommandRunner } from './prompt/commandRunner.js';
import { LineInput } from './prompt/lineInput.js';
import { ChoiceQuestion, LineQuestion, type Question } from './prompt/question.js';
import { routeTo } from './prompt/routes.js';
import type { Input } from './terminal/input.js';
import { createViews } from './views/all.js';
import { TextPane } from './views/textPane.js';
import type { Choice, ScreenContext, View, ViewName } from './views/view.js';

/** How a person has left. */
export interface Leaving {
  /** Whether a temporary overlay is to stay. */
  readonly keepsOverlay: boolean;
}

export interface ScreenOptions {
  readonly session: Session;
  readonly history: History;
  readonly theme: Theme;
  /** Whether leaving ends the engine, so that changes in a temporary overlay would be lost. */
  readonly endsEngine: boolean;
  /** What the person should know from the start, such as why nothing is mounted. */
  readonly banner?: string | undefined;
  /** Leaves the terminal to the shell until it comes back. */
  readonly suspend: () => void;
  readonly redraw: () => void;
}

/** A row between rows of the layout that the mouse can be on. */
export interface TabPlace {
  readonly name: ViewName;
  readonly start: number;
  readonly end: number;
}

/**
 * What is on the screen, and who gets the keys.
 *
 *   on top            the keys go to                            until
 *   a question        it alone                                  it is answered or given up
 *   a pane            it (scroll, close), then the screen       it is closed
 *   nothing           the view, then the screen
 *
 * Invariant: one view is shown. Everything else that changes what is seen says so to the clock.
 */
export class Screen implements ScreenContext {
  readonly session: Session;
  readonly engine: EngineWatch;
  readonly theme: Theme;
  readonly clock: Clock;
  readonly views: ReadonlyMap<ViewName, View>;
  /** What the person has to know as long as it holds. */
  readonly banner: string | undefined;
  readonly #options: ScreenOptions;
  readonly #runner: CommandRunner;
  readonly #typed: string[];
  readonly #leave: Promise<Leaving>;
  #resolveLeave: (leaving: Leaving) => void = () => {};
  #name: ViewName;
  #question: Question | undefined;
  #pane: TextPane | undefined;
  #results: TextPane | undefined;
  #message: { readonly text: string; readonly style: Style } | undefined;
  /** Where the app has put what the mouse can hit; told with every paint. */
  tabs: { readonly row: number; readonly places: readonly TabPlace[] } = { row: 0, places: [] };
  bodyRow = 0;
  columns = 80;

  /** @throws HexzError ENGINE_GONE */
  static async open(options: ScreenOptions): Promise<Screen> {
    const clock = new Clock();
    const engine = await EngineWatch.start(options.session.client, clock.changed);
    return new Screen(options, clock, engine);
  }

  private constructor(options: ScreenOptions, clock: Clock, engine: EngineWatch) {
    this.#options = options;
    this.session = options.session;
    this.theme = options.theme;
    this.banner = options.banner;
    this.clock = clock;
    this.engine = engine;
    this.#typed = [...options.history.lines];
    this.#leave = new Promise((resolve) => {
      this.#resolveLeave = resolve;
    });
    this.views = createViews(this);
    const [first = 'log'] = this.views.keys();
    this.#name = first;
    this.view.shown?.(true);
    const route = routeTo(
      this.views,
      () => this.#name,
      (name) => this.open(name),
    );
    this.#runner = new CommandRunner(this.session, route);
    engine.onState(({ mount }, before) => {
      if (before.mount !== null && mount === null && !this.#runner.isRunning) {
        this.say(`${before.mount.mountpoint} was unmounted; :mount DIRECTORY mounts it again`);
      }
    });
  }

  get name(): ViewName {
    return this.#name;
  }

  get view(): View {
    const view = this.views.get(this.#name);
    if (view === undefined) throw new Error(`there is no view ${this.#name}`);
    return view;
  }

  get pane(): TextPane | undefined {
    return this.#pane;
  }

  get question(): Question | undefined {
    return this.#question;
  }

  get message(): { readonly text: string; readonly style: Style } | undefined {
    return this.#message;
  }

  get isRunning(): boolean {
    return this.#runner.isRunning;
  }

  /** Resolves when the person has left. */
  get leaving(): Promise<Leaving> {
    return this.#leave;
  }

  readonly changed = (): void => this.clock.changed();
  readonly changedIn = (milliseconds: number): void => this.clock.changedIn(milliseconds);
  readonly changedNow = (): void => this.clock.changedNow();

  onTick(listener: () => void): void {
    this.clock.onTick(listener);
  }

  open(name: ViewName): void {
    if (name === this.#name || !this.views.has(name)) return;
    this.view.shown?.(false);
    this.#name = name;
    this.view.shown?.(true);
    this.changedNow();
  }

  showOffset(stream: StreamName, offset: number, addressing?: Addressing): void {
    this.#pane = undefined;
    this.views.get(stream)?.goTo?.(offset, addressing);
    this.open(stream);
  }

  say(text: string, style: Style = 'plain'): void {
    this.#message = { text: printable(text), style };
    this.changedNow();
  }

  fail(error: unknown): void {
    const known = asHexzError(error);
    if (known.code === 'CANCELLED') return;
    // That it is gone is shown all the time, and what was mistyped is nothing to come back to.
    if (known.code !== 'ENGINE_GONE' && known.code !== 'USAGE') this.engine.met(known);
    this.say(reasonFirst(known), 'error');
  }

  async run(text: string): Promise<void> {
    const pane = new TextPane(this.theme, printable(text.trim()));
    const shown = this.#name;
    const open = (): void => {
      this.#results = pane;
      this.#pane = pane;
      this.changed();
    };
    this.say(`running ${text.trim()} …`);
    const error = await this.#runner.run(text, Math.max(20, this.columns - 2), {
      line: (line, style) => {
        pane.add(line, style);
        if (this.#pane !== pane) open();
        this.changed();
      },
    });
    this.#message = undefined;
    if (error === undefined && pane.isEmpty && shown === this.#name) this.say('done', 'good');
    if (this.session.isOver) await this.#quit();
    this.changedNow();
  }

  askLine(label: string, text = '', hint = ''): Promise<string | undefined> {
    return this.#ask(
      (settle) =>
        new LineQuestion(label, new LineInput({ text, changed: this.changedNow }), settle, hint),
    );
  }

  choose<Answer extends string>(
    question: string,
    choices: readonly Choice<Answer>[],
  ): Promise<Answer | undefined> {
    return this.#ask((settle) => new ChoiceQuestion(question, choices, settle));
  }

  /** The terminal is gone, or the process is to end: what was changed stays. */
  sendAway(): void {
    this.#runner.cancel();
    this.#resolveLeave({ keepsOverlay: true });
  }

  stop(): void {
    this.#runner.cancel();
    this.engine.stop();
    this.clock.stop();
  }

  take(input: Input): void {
    if (input.kind === 'background') {
      this.theme.setBackground(input.isLight);
      this.changedNow();
      return;
    }
    // What runs is said until it has ended.
    if (!this.#runner.isRunning) this.#message = undefined;
    const question = this.#question;
    if (question !== undefined) {
      if (question.take(input) && this.#question === question) this.#question = undefined;
    } else if (input.kind === 'key') {
      this.#key(input.key);
    } else if (input.kind === 'press') {
      this.#press(input.row, input.column);
    } else if (input.kind === 'wheel') {
      if (this.#pane !== undefined) this.#pane.wheel(input.lines);
      else this.view.wheel?.(input.lines, this.#placeInBody(input.row, input.column));
    }
    this.changedNow();
  }

  #ask<Answer>(
    create: (settle: (answer: Answer | undefined) => void) => Question,
  ): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      this.#question = create(resolve);
      this.changedNow();
    });
  }

  #key(key: string): void {
    if (this.#runner.isRunning && (key === 'escape' || key === 'ctrl+c')) {
      this.#runner.cancel();
      this.say('cancelling …');
      return;
    }
    const inPane =
      this.#pane === undefined ? undefined : commandFor<PaneCommand>(key, paneBindings);
    if (this.#pane !== undefined && inPane !== undefined) {
      if (inPane === 'close') this.#pane = undefined;
      else this.#pane.perform(inPane);
      return;
    }
    const inView = this.#pane === undefined ? commandFor(key, this.view.bindings()) : undefined;
    if (inView !== undefined) {
      this.view.perform(inView);
      return;
    }
    const command = commandFor<ScreenCommand>(key, screenBindings);
    if (command !== undefined) this.#perform(command);
  }

  #perform(command: ScreenCommand): void {
    switch (command) {
      case 'command':
        void this.#prompt();
        return;
      case 'help':
        this.#showHelp();
        return;
      case 'results':
        this.#pane = this.#results;
        if (this.#pane === undefined) this.say('no command has answered anything yet');
        return;
      case 'nextView':
        this.#turn(1);
        return;
      case 'previousView':
        this.#turn(-1);
        return;
      case 'redraw':
        this.#options.redraw();
        return;
      case 'suspend':
        this.#options.suspend();
        return;
      case 'quit':
        void this.#quit();
        return;
      default:
        this.#openNumber(Number(command.slice('view'.length)));
    }
  }

  #openNumber(number: number): void {
    const name = [...this.views.keys()][number - 1];
    this.#pane = undefined;
    if (name !== undefined) this.open(name);
  }

  #turn(step: number): void {
    const names = [...this.views.keys()];
    const index = names.indexOf(this.#name) + step;
    this.#pane = undefined;
    this.open(names[(index + names.length) % names.length] ?? this.#name);
  }

  #showHelp(): void {
    const pane = new TextPane(this.theme, 'help');
    for (const { text, style } of helpLines(this.view)) pane.add(text, style);
    this.#pane = pane;
  }

  async #prompt(): Promise<void> {
    const text = await this.#ask<string>((settle) => {
      const input = new LineInput({
        history: this.#typed,
        complete: (line) => complete(this.session, line),
        changed: this.changedNow,
      });
      return new LineQuestion(':', input, settle);
    });
    if (text === undefined || text.trim() === '') return;
    if (text !== this.#typed.at(-1)) this.#typed.push(text);
    this.#options.history.add(text);
    this.#pane = undefined;
    await this.run(text);
  }

  #press(row: number, column: number): void {
    if (row === this.tabs.row) {
      const tab = this.tabs.places.find(({ start, end }) => column >= start && column < end);
      this.#pane = undefined;
      if (tab !== undefined) this.open(tab.name);
      return;
    }
    if (this.#pane === undefined && row >= this.bodyRow) {
      this.view.press?.(this.#placeInBody(row, column));
    }
  }

  #placeInBody(row: number, column: number): { row: number; column: number } {
    return { row: row - this.bodyRow, column };
  }

  /** Asks if something would be lost. */
  async #quit(): Promise<void> {
    const { overlay } = this.engine.state;
    const loses =
      this.#options.endsEngine &&
      this.engine.end === undefined &&
      overlay?.isTemporary === true &&
      overlay.dirtyPages > 0;
    if (!loses) {
      this.#resolveLeave({ keepsOverlay: false });
      return;
    }
    const pages = countOf(overlay.dirtyPages, 'changed page');
    const answer = await this.choose(`The temporary overlay holds ${pages}.`, [
      { answer: 'lose', key: 'y', label: 'leave and lose them' },
      { answer: 'keep', key: 'k', label: 'leave and keep the overlay' },
    ]);
    if (answer === undefined) this.session.goOn();
    else this.#resolveLeave({ keepsOverlay: answer === 'keep' });
  }
}
