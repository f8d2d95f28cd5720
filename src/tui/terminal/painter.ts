import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import stringWidth from 'string-width';

const BEGIN_UPDATE = '\u001b[?2026h\u001b[?25l';
const END_UPDATE = '\u001b[?2026l';
const ERASE_END = '\u001b[0m\u001b[K';

/**
 * Paints frames: of each, only the rows that have changed, at their places.
 *
 * Ink 6.8 cannot do that itself. Its own painter wipes screen and scrollback for a frame that is as tall as the
 * terminal, and on each shrink; its incremental one comes one row too low with every frame that is less tall
 * (measured). So nothing of what Ink writes gets to the terminal.
 *
 * Invariant: `#painted` are the rows that the terminal shows, from its first one on; it is empty when nobody knows.
 */
export class Painter {
  /** What Ink takes for the terminal. */
  readonly stream: WriteStream;
  readonly #output: WriteStream;
  #painted: readonly string[] = [];
  #isStopped = false;

  constructor(output: WriteStream) {
    this.#output = output;
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    Object.defineProperties(nowhere, {
      columns: { get: () => output.columns },
      rows: { get: () => output.rows },
    });
    this.stream = nowhere as unknown as WriteStream;
  }

  /** The terminal shows something else: the next frame is painted whole. */
  forget(): void {
    this.#painted = [];
  }

  /** Nothing is painted any more. */
  stop(): void {
    this.#isStopped = true;
  }

  readonly paint = (rows: readonly string[]): void => {
    if (this.#isStopped) return;
    let text = '';
    rows.forEach((row, index) => {
      if (row === this.#painted[index]) return;
      text += `\u001b[${index + 1};1H${row}`;
      // Behind a full row the cursor stands on its last cell, which would be erased.
      if (stringWidth(row) < this.#output.columns) text += ERASE_END;
    });
    for (let index = rows.length; index < this.#painted.length; index++) {
      text += `\u001b[${index + 1};1H${ERASE_END}`;
    }
    this.#painted = rows;
    if (text !== '' && !this.#output.destroyed) {
      this.#output.write(BEGIN_UPDATE + text + END_UPDATE);
    }
  };
}
