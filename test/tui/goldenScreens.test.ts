import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliPath, runCli } from '../support/cli.js';
import { goldenPath } from '../support/fixtures.js';
import { type ScreenSize, type ScreenTerminal, screens } from '../support/screen.js';
import { temporaryDirectories } from '../support/temporary.js';
import { until } from '../support/until.js';

/*
 * Screens in which nothing is of this machine or this moment, compared whole with files in golden/. A change that is
 * meant is taken over with `npx vitest run test/tui/goldenScreens.test.ts --update`, and read in the diff.
 */

const newDirectory = temporaryDirectories();
const open = screens();
const snapshot = goldenPath('a-lz4-4k-both.hxz');
const SIZES: readonly ScreenSize[] = [
  { columns: 80, rows: 24 },
  { columns: 160, rows: 50 },
];
/** A plan of a commit is made anew at leisure. */
const SETTLED_MS = 15_000;
const TEST_MS = 120_000;
/** How old changes are that were there before: eight columns. */
const AGE = / +> +\d+ (s|min)/g;
const goldenDirectory = join(import.meta.dirname, 'golden');

/** Nothing is mounted: where mounts are is another place each time. */
function inspect(size: ScreenSize, overlay: string): ScreenTerminal {
  return open([cliPath, 'inspect', snapshot, '--no-mount', '--rw', '--overlay', overlay], {
    size,
    // Sizes are estimated by encoding; another codec makes others.
    env: { XDG_STATE_HOME: newDirectory(), HEXZ_CODECS: 'bundled' },
  });
}

async function writeOver(overlay: string, offsets: readonly number[]): Promise<void> {
  const writes = offsets.map((offset) => `write disk ${offset} 'hello, world'`);
  const result = await runCli([
    ...['inspect', snapshot, '--no-mount', '--rw', '--overlay', overlay],
    ...['set write on', ...writes].flatMap((command) => ['-c', command]),
  ]);
  expect(result).toMatchObject({ status: 0 });
}

/** What comes from the engine fills in: compared is what the screen becomes. */
async function expectGolden(screen: ScreenTerminal, name: string): Promise<void> {
  const { length: rows } = screen.rows();
  const file = join(goldenDirectory, `${name}-${rows}-rows.txt`);
  const text = (): string => `${screen.text().replaceAll(AGE, '   > N s')}\n`;
  const expected = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  // If it never does, the comparison tells how it differs.
  await until('the golden screen', () => text() === expected, SETTLED_MS).catch(() => {});
  await expect(text()).toMatchFileSnapshot(file);
}

describe.each(SIZES)('at $columns x $rows', (size) => {
  test(
    'the views of a snapshot that nothing was written over',
    async () => {
      const screen = inspect(size, join(newDirectory(), 'empty.overlay'));
      await screen.shows(/○ not mounted/);
      await expectGolden(screen, 'activity');
      for (const [key, name] of [
        ['2', 'overlay-empty'],
        ['3', 'disk'],
        ['?', 'disk-help'],
        ['4', 'memory'],
        ['6', 'log-empty'],
      ] as const) {
        screen.type(key);
        await expectGolden(screen, name);
      }
    },
    TEST_MS,
  );

  test(
    'what was written, and the review of it',
    async () => {
      const overlay = join(newDirectory(), 'changed.overlay');
      await writeOver(overlay, [0x1000, 0x3ff8, 0x8000]);
      const screen = inspect(size, overlay);
      await screen.shows(/○ not mounted/);
      screen.type('5');
      await screen.shows(/▸\[ \] +0x0000_1000/);
      screen.type('d');
      await expectGolden(screen, 'review');
      screen.type('\r');
      await expectGolden(screen, 'review-sides');
      screen.type('2');
      await expectGolden(screen, 'overlay');
      screen.type('\r');
      await expectGolden(screen, 'overlay-sides');
    },
    TEST_MS,
  );
});
