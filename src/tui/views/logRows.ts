import { wrap } from '../drawing/text.js';
import type { EngineLog, LogLine } from '../model/engineLog.js';

/** A row of a line that is broken for some width. */
export interface LogRow {
  readonly line: LogLine;
  /** Number of the line. */
  readonly number: number;
  readonly text: string;
  readonly isFirst: boolean;
}

/** What lines are shown, and how wide. */
export interface LogLayout {
  readonly columns: number;
  readonly filter: string;
}

/**
 * The lines of the log as rows. Each line is broken once for a layout.
 *
 * Invariant: `rows` are those of the lines up to number `#next`, as far as the log still has them; so many rows were there
 * before them as `droppedRows` says: with it, a row has a number that it keeps.
 */
export class LogRows {
  rows: LogRow[] = [];
  droppedRows = 0;
  readonly #textOf: (line: LogLine) => string;
  #next = 0;
  #layout: LogLayout = { columns: 0, filter: '' };

  constructor(textOf: (line: LogLine) => string) {
    this.#textOf = textOf;
  }

  /** Number of the row with which a line begins, or what of it is left. */
  rowOf(lineNumber: number): number {
    const index = this.rows.findIndex(({ number }) => number >= lineNumber);
    return this.droppedRows + (index === -1 ? this.rows.length : index);
  }

  /** Takes what is new in a log, and drops what is gone from it. Answers whether all rows are others than before. */
  update(log: EngineLog, layout: LogLayout): boolean {
    const { columns, filter } = this.#layout;
    const isOther = layout.columns !== columns || layout.filter !== filter;
    if (isOther) {
      this.#layout = layout;
      this.rows = [];
      this.droppedRows = 0;
      this.#next = 0;
    }
    const gone = this.rows.findIndex(({ number }) => number >= log.firstNumber);
    const dropped = gone === -1 ? this.rows.length : gone;
    if (dropped > 0) this.rows.splice(0, dropped);
    this.droppedRows += dropped;
    const wanted = layout.filter.toLowerCase();
    for (let at = Math.max(this.#next, log.firstNumber); at < log.nextNumber; at++) {
      const line = log.lines[at - log.firstNumber];
      if (line === undefined) continue;
      const text = this.#textOf(line);
      if (!text.toLowerCase().includes(wanted)) continue;
      wrap(text, layout.columns).forEach((part, index) => {
        this.rows.push({ line, number: at, text: part, isFirst: index === 0 });
      });
    }
    this.#next = log.nextNumber;
    return isOther;
  }
}
