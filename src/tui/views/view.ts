import type { Addressing, StreamName } from '../../repl/commands/definition.js';
import type { Session } from '../../repl/session.js';
import type { Size } from '../drawing/panel.js';
import type { Theme } from '../drawing/theme.js';
import type { Binding } from '../keys/bindings.js';
import type { EngineWatch } from '../model/engineWatch.js';

export type ViewName = 'activity' | 'overlay' | 'disk' | 'memory' | 'review' | 'log';

/** A place in the room of a view, from 0. */
export interface Place {
  readonly row: number;
  readonly column: number;
}

/** An answer that a person can give with one key. */
export interface Choice<Answer extends string = string> {
  readonly answer: Answer;
  readonly key: string;
  readonly label: string;
}

/** What a view can use of the screen that it is on. */
export interface ScreenContext {
  readonly session: Session;
  readonly engine: EngineWatch;
  readonly theme: Theme;
  /** Something is to be painted with the next tick. */
  changed(): void;
  /** What is shown is another then, such as an age. */
  changedIn(milliseconds: number): void;
  /** A person waits for it. */
  changedNow(): void;
  /** Told before each paint of a tick. */
  onTick(listener: () => void): void;
  /** Opens the view of a stream at a byte: of memory, its guest-physical address, or `raw` its place in the stream. */
  showOffset(stream: StreamName, offset: number, addressing?: Addressing): void;
  /** Runs a command of the REPL as if it had been typed; what it answers opens where it fits. */
  run(text: string): Promise<void>;
  /** Asks for a line; undefined when the person thinks better of it. The hint says what can be typed, where it has room. */
  askLine(label: string, text?: string, hint?: string): Promise<string | undefined>;
  /** Asks something that is answered with one key; undefined as above. */
  choose<Answer extends string>(
    question: string,
    choices: readonly Choice<Answer>[],
  ): Promise<Answer | undefined>;
  /** Says something in the line above the keys, until the next key. */
  say(text: string, style?: 'plain' | 'error' | 'good'): void;
  /** Shows what went wrong there, and keeps it in the log. */
  fail(error: unknown): void;
}

/**
 * One of the six views. It draws what it knows and asks for what it lacks; when that is there, it says `changed`.
 */
export interface View {
  readonly title: string;
  /** Behind the title, such as a count; empty for none. */
  badge(): string;
  /** Keys that it binds, those of what has the focus first. */
  bindings(): readonly Binding[];
  perform(command: string): void;
  /** Exactly `size.rows` rows, each `size.columns` wide. Called for each paint while it is shown. */
  draw(size: Size): readonly string[];
  /** It is shown from now on, or not any more. */
  shown?(isShown: boolean): void;
  /** Shows a byte, of a view of bytes. */
  goTo?(offset: number, addressing?: Addressing): void;
  press?(place: Place): void;
  wheel?(lines: number, place: Place): void;
}
