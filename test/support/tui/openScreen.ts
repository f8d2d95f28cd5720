import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { ActivitySample } from '../../../src/engine/control/protocol/activity.js';
import type { Item } from '../../../src/engine/control/protocol/methods.js';
import type { EngineClient } from '../../../src/repl/client.js';
import { History } from '../../../src/repl/history.js';
import { Session } from '../../../src/repl/session.js';
import type { Size } from '../../../src/tui/drawing/panel.js';
import { Theme } from '../../../src/tui/drawing/theme.js';
import { drawScreen } from '../../../src/tui/drawScreen.js';
import { Screen } from '../../../src/tui/screen.js';
import { temporaryDirectories } from '../temporary.js';
import { until } from '../until.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is taken out
const STYLES = /\u001b\[[\d;]*m/g;

export const plain = (row: string): string => row.replace(STYLES, '');

/** A screen without a terminal. */
export class TestScreen {
  readonly screen: Screen;
  size: Size;

  constructor(screen: Screen, size: Size) {
    this.screen = screen;
    this.size = size;
  }

  /** Keys by their names; anything longer that is none is typed. */
  press(...keys: readonly string[]): void {
    for (const key of keys) this.screen.take({ kind: 'key', key });
  }

  type(text: string): void {
    for (const key of text) this.press(key === ' ' ? 'space' : key);
  }

  rows(): string[] {
    return drawScreen(this.screen, this.size).map(plain);
  }

  /** The rows of the view alone. */
  body(): string[] {
    const rows = this.rows();
    return rows.slice(this.screen.bodyRow, -2);
  }

  get text(): string {
    return this.rows().join('\n');
  }

  /** Whether it shows something. */
  has(pattern: RegExp | string): boolean {
    return isIn(this.text, pattern);
  }

  /** Waits until it shows something, and answers all of it. */
  async shows(pattern: RegExp | string): Promise<string> {
    const what = `${pattern} on the screen`;
    try {
      await until(what, () => this.has(pattern));
    } catch (error) {
      throw new Error(`${what}; it shows\n${this.text}`, { cause: error });
    }
    return this.text;
  }
}

export const isIn = (text: string, pattern: RegExp | string): boolean =>
  typeof pattern === 'string' ? text.includes(pattern) : pattern.test(text);

/** For the top of a test file: opens screens, which are stopped after each test. */
export function testScreens(): (client: EngineClient, size?: Size) => Promise<TestScreen> {
  const newDirectory = temporaryDirectories();
  const opened: Screen[] = [];
  afterEach(() => {
    for (const screen of opened.splice(0)) screen.stop();
  });
  return async (client, size = { rows: 24, columns: 80 }) => {
    const screen = await Screen.open({
      session: new Session(client),
      history: new History(join(newDirectory(), 'history')),
      theme: new Theme({ isColoured: false }),
      endsEngine: false,
      suspend: () => {},
      redraw: () => {},
    });
    opened.push(screen);
    return new TestScreen(screen, size);
  };
}

/** What an engine tells by itself: what a test says, when it says it, without an end. */
export class WatchItems {
  readonly #waiting: Item<'watch'>[][] = [];
  #wake: () => void = () => {};

  send(...items: Item<'watch'>[]): void {
    this.#waiting.push(items);
    this.#wake();
  }

  async *batches(): AsyncGenerator<Item<'watch'>[], void> {
    for (;;) {
      const batch = this.#waiting.shift();
      if (batch !== undefined) yield batch;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

/** A sample in which nothing has happened, but what is said. */
export const sampleOf = (changes: Partial<ActivitySample>): ActivitySample => ({
  time: 0,
  seconds: 0.125,
  counters: { streams: {}, hitBlocks: 0, decodedBlocks: 0, decodeMicroseconds: 0 },
  readLatency: null,
  writeLatency: null,
  touched: {},
  events: [],
  lostEvents: 0,
  dirtyPages: 0,
  diskLength: 0,
  ...changes,
});
