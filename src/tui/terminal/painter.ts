import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import stringWidth from 'string-width';

const BEGIN_UPDATE = '\u001b[?2026h\u001b[?25l';
const END_UPDATE = '\u001b[?2026l';
const ERASE_END = '\u001b[0m\u001b[K';
/** Wipes what the person had in his terminal before; never to be sent. */
const WIPE_SCROLLBACK = '\u001b[3J';

/**
 * Paints the frames that Ink makes: of each, only the rows that have changed, at their places.
 *
 * Ink 6.8 cannot do that itself. Its own painter wipes screen and scrollback for a frame that is as tall as the
 * terminal, and on each shrink; its incremental one comes one row too low with every frame that is less tall
 * (measured). So Ink hands over whole frames, which it does in its `debug` mode: one call of `write` for each.
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
        if (typeof frame === 'string' && !this.#isStopped) this.#paint(frame);
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

  #paint(frame: string): void {
    const rows = frame.replaceAll(WIPE_SCROLLBACK, '').split('\n');
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
  }
}
