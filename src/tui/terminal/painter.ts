import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';

const BEGIN_UPDATE = '\u001b[?2026h\u001b[?25l';
const END_UPDATE = '\u001b[?2026l';
const ERASE_ROW = '\u001b[0m\u001b[K';

/**
 * Paints frames: of each, only the rows that have changed, at their places. Ink decides when, and this what.
 *
 * Ink 6.8 cannot paint them itself. Its own painter wipes screen and scrollback for a frame that is as tall as the
 * terminal, and on each shrink; its incremental one comes one row too low with every frame that is less tall. And of
 * finished rows it makes characters with styles, and rows again, which takes five times as long as to draw them, and
 * keeps each text that it has measured for ever (all measured). So rows are held here, and Ink gets a short name for
 * them, which it lays out and hands back: in its `debug` mode with one call of `write` for each frame.
 *
 *   a frame    begins with               ends
 *   held       `hold`                    Ink hands its name back, or another one is held
 *   painted    that                      the next one is painted; `forget`, when nobody knows what the terminal shows
 */
export class Painter {
  /** What Ink takes for the terminal. */
  readonly stream: WriteStream;
  readonly #output: WriteStream;
  #held: readonly string[] = [];
  #name = 0;
  #painted: readonly string[] = [];
  #isStopped = false;

  constructor(output: WriteStream) {
    this.#output = output;
    const names = new Writable({
      decodeStrings: false,
      write: (name: unknown, _encoding, done) => {
        if (name === String(this.#name)) this.paint(this.#held);
        done();
      },
    });
    Object.defineProperties(names, {
      // Room for a name, and no frame is too tall.
      columns: { value: 80 },
      rows: { value: Number.MAX_SAFE_INTEGER },
    });
    this.stream = names as unknown as WriteStream;
  }

  /**
   * Holds a frame until it is to be painted.
   *
   * @param rows as wide as the terminal
   * @returns its name
   */
  hold(rows: readonly string[]): string {
    this.#held = rows;
    this.#name++;
    return String(this.#name);
  }

  /** The terminal shows something else: the next frame is painted whole. */
  forget(): void {
    this.#painted = [];
  }

  /** Nothing is painted any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Paints rows as wide as the terminal now. */
  paint(rows: readonly string[]): void {
    if (this.#isStopped) return;
    let text = '';
    for (let index = 0; index < Math.max(rows.length, this.#painted.length); index++) {
      const row = rows[index] ?? '';
      if (row === this.#painted[index]) continue;
      // Erased before: behind a full row the cursor stands on its last cell.
      text += `\u001b[${index + 1};1H${ERASE_ROW}${row.trimEnd()}`;
    }
    this.#painted = rows;
    if (text !== '' && !this.#output.destroyed) {
      this.#output.write(BEGIN_UPDATE + text + END_UPDATE);
    }
  }
}
