import type { Output } from './output.js';
import { formatBytes } from './rendering/values.js';

const REDRAW_MS = 100;
/** What ends before needs none. */
const PATIENCE_MS = 500;

/**
 * How far a command is, in a line of the terminal that goes away before anything else is written.
 *
 * State: `#isShown` while the line is there.
 */
export class ProgressLine implements Output {
  readonly #terminal: Output;
  #beganAt = performance.now();
  #drawnAt = 0;
  #isShown = false;

  constructor(terminal: Output) {
    this.#terminal = terminal;
  }

  /** A command begins. */
  begin(): void {
    this.#beganAt = performance.now();
  }

  show(doneBytes: number, totalBytes: number | undefined): void {
    const now = performance.now();
    if (now - this.#beganAt < PATIENCE_MS || now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#isShown = true;
    const share = totalBytes ? `${Math.floor((doneBytes / totalBytes) * 100)} %, ` : '';
    void this.#terminal.write(`\r\u001b[K${share}${formatBytes(doneBytes)}; Ctrl+C cancels`);
  }

  /** Writes something that stays. */
  write(text: string): Promise<void> | undefined {
    this.clear();
    return this.#terminal.write(text);
  }

  clear(): void {
    if (this.#isShown) void this.#terminal.write('\r\u001b[K');
    this.#isShown = false;
  }
}
