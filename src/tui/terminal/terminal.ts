import type { ReadStream, WriteStream } from 'node:tty';
import type { Size } from '../drawing/panel.js';
import { BACKGROUND_QUERY, type Input, InputDecoder } from './input.js';

export interface TerminalOptions {
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly usesAlternateScreen: boolean;
  readonly usesMouse: boolean;
  /** Whether its colours depend on its background, which it is asked for. */
  readonly asksBackground: boolean;
}

/** How long a terminal may take between the bytes of one key. */
const ESCAPE_LIMIT_MS = 40;

const ENTER_ALTERNATE = '\u001b[?1049h';
const LEAVE_ALTERNATE = '\u001b[?1049l';
const EMPTY = '\u001b[H\u001b[2J';
const PASTE_ON = '\u001b[?2004h';
const PASTE_OFF = '\u001b[?2004l';
/** Presses and the wheel, reported as in SGR. */
const MOUSE_ON = '\u001b[?1000h\u001b[?1006h';
const MOUSE_OFF = '\u001b[?1006l\u001b[?1000l';
/** A terminal that takes a character for wider than we do must not begin a new row. */
const WRAP_OFF = '\u001b[?7l';
const WRAP_ON = '\u001b[?7h';
const CURSOR_ON = '\u001b[?25h';
const RESET_STYLE = '\u001b[0m';

/**
 * The modes of a terminal while the screen is there: raw keys, the alternate screen, mouse reports, bracketed paste.
 *
 *   state    the terminal                              begins with
 *   away     as other programs expect it               the start, `leave`, the end of the process
 *   here     ours; input is decoded and passed on      `enter`
 *
 * Invariant: whatever ends the process, the terminal is `away` behind it; only a kill that cannot be caught leaves
 * it. `leave` may be called at any time, and twice.
 */
export class Terminal {
  readonly #options: TerminalOptions;
  readonly #decoder = new InputDecoder();
  #isHere = false;
  #timer: NodeJS.Timeout | undefined;
  #onInput: (input: Input) => void = () => {};
  readonly #onExit = () => this.leave();
  readonly #onData = (text: string) => this.#receive(text);

  constructor(options: TerminalOptions) {
    this.#options = options;
  }

  get isHere(): boolean {
    return this.#isHere;
  }

  get size(): Size {
    const { rows, columns } = this.#options.output;
    return { rows: rows || 24, columns: columns || 80 };
  }

  /** @param onInput gets what the person does from now on */
  enter(onInput: (input: Input) => void): void {
    const { input, usesAlternateScreen, usesMouse, asksBackground } = this.#options;
    this.#onInput = onInput;
    if (this.#isHere) return;
    this.#isHere = true;
    process.on('exit', this.#onExit);
    input.setRawMode(true);
    input.setEncoding('utf8');
    input.on('data', this.#onData);
    input.resume();
    this.#write(
      `${usesAlternateScreen ? ENTER_ALTERNATE : this.#scrolledAway()}${EMPTY}${WRAP_OFF}${PASTE_ON}${usesMouse ? MOUSE_ON : ''}${asksBackground ? BACKGROUND_QUERY : ''}`,
    );
  }

  leave(): void {
    if (!this.#isHere) return;
    this.#isHere = false;
    const { input, usesAlternateScreen, usesMouse } = this.#options;
    process.removeListener('exit', this.#onExit);
    clearTimeout(this.#timer);
    input.removeListener('data', this.#onData);
    this.#write(
      `${RESET_STYLE}${usesMouse ? MOUSE_OFF : ''}${PASTE_OFF}${WRAP_ON}${usesAlternateScreen ? LEAVE_ALTERNATE : `\u001b[${this.size.rows};1H`}${CURSOR_ON}`,
    );
    try {
      input.setRawMode(false);
    } catch {
      // The terminal is gone.
    }
    input.pause();
  }

  /** Makes the screen empty, where its content is not known any more. */
  clear(): void {
    if (this.#isHere) this.#write(RESET_STYLE + EMPTY);
  }

  /** Without an alternate screen, what is there is moved to where the terminal keeps what has gone by. */
  #scrolledAway(): string {
    const { rows } = this.size;
    return `\u001b[${rows};1H${'\n'.repeat(rows)}`;
  }

  #receive(text: string): void {
    clearTimeout(this.#timer);
    this.#pass(this.#decoder.take(text));
    if (!this.#decoder.isWaiting) return;
    this.#timer = setTimeout(() => this.#pass(this.#decoder.flush()), ESCAPE_LIMIT_MS);
  }

  #pass(inputs: readonly Input[]): void {
    for (const input of inputs) this.#onInput(input);
  }

  #write(text: string): void {
    if (!this.#options.output.destroyed) this.#options.output.write(text);
  }
}
