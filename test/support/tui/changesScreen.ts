import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { ControlClient } from '../../../src/engine/control/client.js';
import type { WireDiffTally } from '../../../src/engine/control/protocol/inspection.js';
import type { Item } from '../../../src/engine/control/protocol/methods.js';
import type { ReviewCounts } from '../../../src/engine/control/protocol/review.js';
import type { EngineClient } from '../../../src/repl/client.js';
import { History } from '../../../src/repl/history.js';
import { Session } from '../../../src/repl/session.js';
import type { Size } from '../../../src/tui/drawing/panel.js';
import { Theme } from '../../../src/tui/drawing/theme.js';
import { drawScreen } from '../../../src/tui/drawScreen.js';
import { Screen } from '../../../src/tui/screen.js';
import type { ViewName } from '../../../src/tui/views/view.js';
import { temporaryDirectories } from '../temporary.js';
import { until } from '../until.js';

const PAGE = 4096;

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is taken out
const STYLES = /\u001b\[[\d;]*m/g;

/** A screen that shows changes, without a terminal. */
export class ChangesScreen {
  readonly screen: Screen;
  size: Size = { rows: 30, columns: 120 };

  constructor(screen: Screen) {
    this.screen = screen;
  }

  /** Keys by their names. */
  press(...keys: readonly string[]): void {
    for (const key of keys) this.screen.take({ kind: 'key', key });
  }

  /** What is typed in place of what a question suggests. */
  answer(text: string): void {
    this.press('ctrl+e', 'ctrl+u');
    this.screen.take({ kind: 'paste', text });
    this.press('enter');
  }

  /** A command on the prompt. */
  command(text: string): void {
    this.press(':');
    this.answer(text);
  }

  rows(): readonly string[] {
    return drawScreen(this.screen, this.size).map((row) => row.replace(STYLES, ''));
  }

  get text(): string {
    return this.rows().join('\n');
  }

  /** The same without line breaks and frames. */
  get words(): string {
    return this.text.replaceAll(/[\s│]+/g, ' ');
  }

  /** Waits until it shows something, and answers all of it. */
  async shows(pattern: RegExp | string): Promise<string> {
    const isIn = (text: string): boolean =>
      typeof pattern === 'string' ? text.includes(pattern) : pattern.test(text);
    const isShown = (): boolean => isIn(this.text) || isIn(this.words);
    try {
      await until(`${pattern} on the screen`, isShown);
    } catch (error) {
      throw new Error(`no ${pattern} on\n${this.text}`, { cause: error });
    }
    return this.text;
  }
}

/** For the top of a test file: opens screens, which are stopped after each test. */
export function changesScreens(): (client: EngineClient, view: ViewName) => Promise<ChangesScreen> {
  const newDirectory = temporaryDirectories();
  const screens: Screen[] = [];
  afterEach(() => {
    for (const screen of screens.splice(0)) screen.stop();
  });
  return async (client, view) => {
    const screen = await Screen.open({
      session: new Session(client),
      history: new History(join(newDirectory(), 'history')),
      theme: new Theme({ isColoured: false }),
      endsEngine: false,
      suspend: () => {},
      redraw: () => {},
    });
    screens.push(screen);
    screen.open(view);
    return new ChangesScreen(screen);
  };
}

/** Writes bytes into the overlay of an engine. */
export const writeAt = async (
  client: ControlClient,
  offset: number,
  bytes: Buffer | string,
): Promise<void> => {
  await client.request('write', { offset, bytes: Buffer.from(bytes).toString('base64') });
};

/** Writes to the beginnings of pages. */
export async function writePages(
  client: ControlClient,
  pages: readonly number[],
  text = 'written',
): Promise<void> {
  for (const page of pages) await writeAt(client, page * PAGE, text);
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
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

/** The counts of a review in which there is nothing. */
export const noCounts: ReviewCounts = {
  revision: 1,
  hunks: 0,
  keep: 0,
  drop: 0,
  open: 0,
  viewed: 0,
  changed: 0,
  keepPages: 0,
  dropPages: 0,
  openPages: 0,
  keepBytes: 0,
  dropBytes: 0,
  openBytes: 0,
  canUndo: false,
  canRedo: false,
  unsaved: null,
};

/** The sums of a comparison in which nothing differs. */
export const noTally: WireDiffTally = {
  stream: 'disk',
  extents: 0,
  changedPages: 0,
  equalPages: 0,
  newPages: 0,
  differentBytes: 0,
  newBytes: 0,
  cutRanges: 0,
  cutBytes: 0,
  grownBytes: 0,
  removedBytes: 0,
};
