import type { EngineState } from '../engine/control/protocol/engineState.js';
import { printable } from '../repl/rendering/values.js';
import { Line } from './drawing/line.js';
import { fitRows } from './drawing/panel.js';
import { wrap } from './drawing/text.js';
import type { Theme } from './drawing/theme.js';
import { headerRow } from './header.js';
import type { Input } from './terminal/input.js';
import { Painter } from './terminal/painter.js';
import { Terminal, type TerminalOptions } from './terminal/terminal.js';

/** What is known before there is an engine. */
export interface OpeningFacts {
  readonly snapshot: EngineState['snapshot'];
  readonly isWritable: boolean;
  readonly isMounted: boolean;
}

const SIGNALS = ['SIGHUP', 'SIGTERM', 'SIGINT'] as const;
/** A disk may report what it reads for hours. */
const MAX_HELD_LINES = 100;

/**
 * What the terminal shows until the screen does: what the snapshot is, and that its engine starts. Engine and screen take
 * a while to load; this needs little, and nothing that they do.
 *
 *   state    the terminal                  keys
 *   closed   as other programs expect it   are not ours
 *   open     shows this                    are kept for the screen; one that leaves is told by `isLeft`
 *   taken    is the screen's               the screen's
 *
 * What is to be said of the engine meanwhile would stand across the screen: it is held until `close`.
 */
export class Opening {
  readonly terminal: Terminal;
  readonly theme: Theme;
  /** Whether the person does not want to wait. */
  isLeft = false;
  readonly #options: TerminalOptions;
  readonly #painter: Painter;
  #facts: OpeningFacts | undefined;
  #typed: Input[] = [];
  #heldLines: string[] = [];
  readonly #onResize = (): void => {
    this.terminal.clear();
    this.#painter.forget();
    this.#draw();
  };
  readonly #onSignal = (): void => this.#leave();

  constructor(options: TerminalOptions, theme: Theme) {
    this.#options = options;
    this.theme = theme;
    this.terminal = new Terminal(options);
    this.#painter = new Painter(options.output);
  }

  open(facts: OpeningFacts): void {
    this.#facts = facts;
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    this.#options.output.on('resize', this.#onResize);
    this.terminal.enter((input) => this.#take(input));
    this.#draw();
  }

  /** Lets the screen have the terminal. Answers what was typed before. */
  handOver(): readonly Input[] {
    this.#stop();
    return this.#typed;
  }

  /** Says a line on standard error, as soon as it stands there alone. */
  readonly tell = (line: string): void => {
    this.#heldLines.push(line);
    if (!this.terminal.isHere) this.#tellHeld();
    else if (this.#heldLines.length > MAX_HELD_LINES) this.#heldLines.shift();
  };

  /** Gives the terminal back. */
  close(): void {
    this.#stop();
    this.terminal.leave();
    this.#tellHeld();
  }

  #tellHeld(): void {
    for (const line of this.#heldLines.splice(0)) {
      process.stderr.write(`hexz: ${printable(line)}\n`);
    }
  }

  #stop(): void {
    for (const signal of SIGNALS) process.removeListener(signal, this.#onSignal);
    this.#options.output.removeListener('resize', this.#onResize);
  }

  #take(input: Input): void {
    if (input.kind === 'background') {
      this.theme.setBackground(input.isLight);
      this.#draw();
      return;
    }
    const isLeaving = input.kind === 'key' && (input.key === 'q' || input.key === 'ctrl+c');
    if (isLeaving) this.#leave();
    else if (!this.isLeft) this.#typed.push(input);
  }

  /** An engine that nobody has connected to ends with this process, so who insists need not wait for it. */
  #leave(): void {
    if (this.isLeft) process.exit();
    this.isLeft = true;
    this.#draw();
  }

  #draw(): void {
    const { rows, columns } = this.terminal.size;
    const size = { rows: Math.max(0, rows - 1), columns };
    this.#painter.paint(fitRows(this.#rows(columns, size.rows), this.theme, size));
  }

  #rows(columns: number, rows: number): string[] {
    const facts = this.#facts;
    if (facts === undefined) return [];
    const { theme } = this;
    const { snapshot, isWritable, isMounted } = facts;
    const line = (text: string): string => new Line(theme, columns).add(text, 'dim').end();
    const text = this.isLeft
      ? 'Leaving, as soon as the engine has started. Ctrl+C: at once.'
      : `The engine starts${isMounted ? ', and mounts the disk' : ''} …`;
    const header = {
      overlay: isWritable ? 'rw' : 'ro',
      mount: '',
      condition: this.isLeft ? '○ leaving' : isMounted ? '○ mounting' : '○ starting',
      conditionStyle: 'dim',
    } as const;
    const above = [headerRow(snapshot, header, theme, columns), line('')];
    above.push(...wrap(` ${text}`, Math.max(1, columns)).map(line));
    const below = new Line(theme, columns).add('q', 'key').add(' quit', 'dim').end();
    return [...fitRows(above, theme, { rows: Math.max(0, rows - 1), columns }), below];
  }
}
