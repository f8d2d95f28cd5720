import fc from 'fast-check';
import { expect } from 'vitest';
import type { ControlClient } from '../../../src/engine/control/client.js';
import type { WireDiffTally } from '../../../src/engine/control/protocol/inspection.js';
import type { ReviewCounts } from '../../../src/engine/control/protocol/review.js';
import type { EngineClient } from '../../../src/repl/client.js';
import type { Screen } from '../../../src/tui/screen.js';
import type { ViewName } from '../../../src/tui/views/view.js';
import { isIn, plain, TestScreen, testScreens } from './openScreen.js';

const PAGE = 4096;

/** A screen that shows changes, without a terminal. */
export class ChangesScreen extends TestScreen {
  constructor(screen: Screen) {
    super(screen, { rows: 30, columns: 120 });
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

  /** The same without line breaks and frames. */
  get words(): string {
    return this.text.replaceAll(/[\s│]+/g, ' ');
  }

  /** As it stands there, or as words of a text that is broken. */
  override has(pattern: RegExp | string): boolean {
    return super.has(pattern) || isIn(this.words, pattern);
  }
}

/** For the top of a test file: opens screens, which are stopped after each test. */
export function changesScreens(): (client: EngineClient, view: ViewName) => Promise<ChangesScreen> {
  const open = testScreens();
  return async (client, view) => {
    const { screen } = await open(client);
    screen.open(view);
    return new ChangesScreen(screen);
  };
}

/** Draws the view that is shown, its list and what may be open of it, in any size. */
export function expectRowsForAnySize({ screen }: ChangesScreen): void {
  const { view } = screen;
  const sizes = fc.record({
    rows: fc.integer({ min: 0, max: 60 }),
    columns: fc.integer({ min: 0, max: 200 }),
    isOpen: fc.boolean(),
  });
  fc.assert(
    fc.property(sizes, ({ isOpen, ...size }) => {
      view.perform(isOpen ? 'open' : 'close');
      const rows = view.draw(size);
      expect(rows).toHaveLength(size.rows);
      for (const row of rows) expect([...plain(row)]).toHaveLength(size.columns);
    }),
  );
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
