import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import xterm from '@xterm/headless';
import { describe, expect, test } from 'vitest';
import { Painter } from '../../../src/tui/terminal/painter.js';

const SIZE = { columns: 20, rows: 4 };

/** A painter on a terminal, in the place of Ink. */
class Painted {
  readonly painter: Painter;
  readonly #screen = new xterm.Terminal({
    cols: SIZE.columns,
    rows: SIZE.rows,
    allowProposedApi: true,
  });
  sent = '';

  constructor() {
    const output = new Writable({
      decodeStrings: false,
      write: (text: string, _, done) => {
        this.sent += text;
        this.#screen.write(text, done);
      },
    });
    this.painter = new Painter(output as unknown as WriteStream);
    // As the screen has it.
    output.write('\u001b[?7l');
  }

  async paint(...rows: readonly string[]): Promise<string[]> {
    this.sent = '';
    this.painter.stream.write(rows.map((row) => row.padEnd(SIZE.columns)).join('\n'));
    return this.shown();
  }

  async shown(): Promise<string[]> {
    await new Promise<void>((resolve) => this.#screen.write('', resolve));
    const { active } = this.#screen.buffer;
    return Array.from(
      { length: SIZE.rows },
      (_, row) => active.getLine(row)?.translateToString(true) ?? '',
    );
  }
}

describe('a frame', () => {
  test('is shown as its rows are, to the last cell of the last one', async () => {
    const painted = new Painted();
    const full = 'x'.repeat(SIZE.columns);
    expect(await painted.paint('first', full, '', full)).toEqual(['first', full, '', full]);
  });

  test('costs only what has changed', async () => {
    const painted = new Painted();
    await painted.paint('first', 'second', 'third');
    await painted.paint('first', 'other', 'third');
    expect(painted.sent).toContain('other');
    expect(painted.sent).not.toMatch(/first|third/);
    await painted.paint('first', 'other', 'third');
    expect(painted.sent).toBe('');
  });

  test('leaves nothing of one that was wider or taller', async () => {
    const painted = new Painted();
    await painted.paint('a long first row', 'second', 'third');
    expect(await painted.paint('short', 'second')).toEqual(['short', 'second', '', '']);
  });

  test('is painted whole when the terminal shows something else', async () => {
    const painted = new Painted();
    await painted.paint('first', 'second');
    painted.painter.forget();
    await painted.paint('first', 'second');
    expect(painted.sent).toMatch(/first.*second/);
  });
});
