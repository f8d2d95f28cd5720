import pty from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { afterEach } from 'vitest';
import { cliEnvironment } from './cli.js';
import { until, within } from './until.js';

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

interface ScreenOptions {
  readonly size?: ScreenSize;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** What must never be sent: it wipes what the person had in his terminal before. */
const WIPE_SCROLLBACK = '\u001b[3J';
const SETTLED_MS = 15_000;

/** A program on a terminal whose screen can be read. */
export class ScreenTerminal {
  readonly status: Promise<number>;
  /** Everything that the program has sent. */
  sent = '';
  readonly #pty: pty.IPty;
  readonly #screen: xterm.Terminal;

  constructor(command: string, args: readonly string[], options: ScreenOptions = {}) {
    const { size = { columns: 100, rows: 28 }, env = {}, cwd } = options;
    this.#pty = pty.spawn(command, [...args], {
      cols: size.columns,
      rows: size.rows,
      env: { ...(cliEnvironment(env) as Record<string, string>), TERM: 'xterm-256color' },
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#screen = new xterm.Terminal({
      cols: size.columns,
      rows: size.rows,
      allowProposedApi: true,
    });
    this.#pty.onData((data) => {
      this.sent += data;
      this.#screen.write(data);
    });
    this.status = new Promise((resolve) => this.#pty.onExit(({ exitCode }) => resolve(exitCode)));
  }

  get pid(): number {
    return this.#pty.pid;
  }

  /** How often the scrollback was wiped. */
  get wipes(): number {
    return this.sent.split(WIPE_SCROLLBACK).length - 1;
  }

  get isAlternate(): boolean {
    return this.#screen.buffer.active.type === 'alternate';
  }

  /** Whether the program has asked for reports of the mouse. */
  get hasMouse(): boolean {
    return this.#screen.modes.mouseTrackingMode !== 'none';
  }

  get hasBracketedPaste(): boolean {
    return this.#screen.modes.bracketedPasteMode;
  }

  get wraps(): boolean {
    return this.#screen.modes.wraparoundMode;
  }

  /** The rows of the screen, without blanks at their ends. */
  rows(): string[] {
    const buffer = this.#screen.buffer.active;
    return Array.from(
      { length: this.#screen.rows },
      (_, row) => buffer.getLine(buffer.baseY + row)?.translateToString(true) ?? '',
    );
  }

  text(): string {
    return this.rows().join('\n');
  }

  type(text: string): void {
    this.#pty.write(text);
  }

  resize({ columns, rows }: ScreenSize): void {
    this.#screen.resize(columns, rows);
    this.#pty.resize(columns, rows);
  }

  kill(signal: string): void {
    this.#pty.kill(signal);
  }

  /** Waits until the screen looks so. */
  async shows(expected: RegExp | ((text: string) => boolean)): Promise<string> {
    const matches = (): boolean =>
      typeof expected === 'function' ? expected(this.text()) : expected.test(this.text());
    try {
      await until('the screen', matches, SETTLED_MS);
    } catch {
      throw new Error(`the screen never showed ${expected}, but:\n${this.text()}`);
    }
    return this.text();
  }

  async end(): Promise<number> {
    return within('the end of the program', this.status);
  }

  /** Whatever a test left behind. */
  async sweep(): Promise<void> {
    try {
      this.#pty.kill('SIGTERM');
    } catch {
      // It has ended.
    }
    await within('the end of the program', this.status);
    this.#screen.dispose();
  }
}

/** Screens that end with the test that opened them. */
export function screens(): (args: readonly string[], options?: ScreenOptions) => ScreenTerminal {
  const opened: ScreenTerminal[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((screen) => screen.sweep()));
  });
  return (args, options) => {
    const screen = new ScreenTerminal(process.execPath, args, options);
    opened.push(screen);
    return screen;
  };
}
