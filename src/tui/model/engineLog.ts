import type { Item } from '../../engine/control/protocol/methods.js';

export type LogLine = Extract<Item<'watch'>, { log: unknown }>['log'];

const MAX_LINES = 5000;

/**
 * What the engine and the screen have said, the newest at the end. Lines are numbered from 0 on and keep their numbers;
 * of many, the oldest go.
 */
export class EngineLog {
  readonly lines: LogLine[] = [];
  firstNumber = 0;

  /** Number of the line that comes next. */
  get nextNumber(): number {
    return this.firstNumber + this.lines.length;
  }

  add(line: LogLine): void {
    this.lines.push(line);
    // Not for each line, as all others move.
    if (this.lines.length < MAX_LINES * 1.1) return;
    const dropped = this.lines.length - MAX_LINES;
    this.lines.splice(0, dropped);
    this.firstNumber += dropped;
  }

  /** The lines from a number on, as far as there are any. */
  from(number: number): readonly LogLine[] {
    return this.lines.slice(Math.max(0, number - this.firstNumber));
  }
}
