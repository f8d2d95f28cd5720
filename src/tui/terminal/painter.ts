import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';

const BEGIN_UPDATE = '\u001b[?2026h\u001b[?25l';
const END_UPDATE = '\u001b[?2026l';
const ERASE_ROW = '\u001b[0m\u001b[K';

/**
 * Paints frames: of each, only the rows that have changed, at their places.
 *
 * Ink 6.8 makes the frames and cannot do that itself. Its own painter wipes screen and scrollback for a frame that is
 * as tall as the terminal, and on each shrink; its incremental one comes one row too low with every frame that is less
 * tall (measured). So Ink hands over whole frames, which it does in its `debug` mode: one call of `write` for each.
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
    const frames = new Writable({
      decodeStrings: false,
      write: (frame: unknown, _encoding, done) => {
        if (typeof frame === 'string') this.paint(frame.split('\n'));
        done();
      },
    });
    Object.defineProperties(frames, {
      columns: { get: () => output.columns },
      // No frame is too tall.
      rows: { value: Number.MAX_SAFE_INTEGER },
    });
    this.stream = frames as unknown as WriteStream;
  }

  /** The terminal shows something else: the next frame is painted whole. */
  forget(): void {
    this.#painted = [];
  }

  /** Nothing is painted any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Paints rows that are not wider than the terminal. */
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
