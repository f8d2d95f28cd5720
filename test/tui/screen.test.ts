import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliPath } from '../support/cli.js';
import { goldenPath } from '../support/fixtures.js';
import { type ScreenTerminal, screens } from '../support/screen.js';
import { temporaryDirectories } from '../support/temporary.js';
import { withoutFuse } from '../support/withoutFuse.js';

const newDirectory = temporaryDirectories();
const open = screens();
const snapshot = goldenPath('a-lz4-4k-both.hxz');

/** Nothing is mounted: what is tested here is the screen alone. */
function inspect(
  args: readonly string[] = [],
  options: Parameters<typeof open>[1] = {},
): ScreenTerminal {
  const { env = {}, ...others } = options;
  return open([cliPath, 'inspect', snapshot, '--no-mount', ...args], {
    ...others,
    env: { XDG_STATE_HOME: newDirectory(), ...env },
  });
}

const READY = /○ not mounted/;
/** Of a foreground or a background; what else there is makes bold, dim or inverse. */
const COLOUR = /^(3|4|9|10)\d$/;

describe('the screen', () => {
  test('opens in the alternate screen, and leaves the terminal as it was', async () => {
    const screen = inspect();
    await screen.shows(READY);
    expect([screen.isAlternate, screen.hasMouse, screen.hasBracketedPaste, screen.wraps]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    screen.type('q');
    expect(await screen.end()).toBe(0);
    expect([screen.isAlternate, screen.hasMouse, screen.hasBracketedPaste, screen.wraps]).toEqual([
      false,
      false,
      false,
      true,
    ]);
    expect(screen.sent.endsWith('\u001b[?25h')).toBe(true);
    expect(screen.wipes).toBe(0);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'])(
    'leaves the terminal as it was on %s',
    async (signal) => {
      const screen = inspect();
      await screen.shows(READY);
      screen.kill(signal);
      expect(await screen.end()).toBe(0);
      expect([screen.isAlternate, screen.hasMouse, screen.wraps]).toEqual([false, false, true]);
    },
  );

  test('asks for no mouse and no alternate screen where they are not wanted', async () => {
    const screen = inspect(['--no-mouse', '--no-alt-screen']);
    await screen.shows(READY);
    expect([screen.isAlternate, screen.hasMouse]).toEqual([false, false]);
    screen.type('q');
    expect(await screen.end()).toBe(0);
    expect(screen.wipes).toBe(0);
  });

  test('without colours sends none', async () => {
    const screen = inspect([], { env: { NO_COLOR: '1' } });
    await screen.shows(READY);
    screen.type('q');
    await screen.end();
    const codes = screen.sent
      .split('\u001b[')
      .flatMap((text) => /^([\d;]*)m/.exec(text)?.[1]?.split(';') ?? []);
    expect(codes.filter((code) => COLOUR.test(code))).toEqual([]);
  });

  test('follows the terminal from 200x60 down to one cell and back', async () => {
    const screen = inspect([], { size: { columns: 200, rows: 60 } });
    await screen.shows(READY);
    for (const [columns, rows] of [
      [120, 40],
      [80, 24],
      [40, 10],
      [20, 5],
      [10, 3],
      [3, 2],
      [1, 1],
      [2, 2],
      [80, 24],
    ] as const) {
      screen.resize({ columns, rows });
    }
    await screen.shows((text) => READY.test(text) && text.split('\n').length === 24);
    expect(screen.rows().at(-1)).toBe('');
    expect(screen.wipes).toBe(0);
    screen.type('q');
    expect(await screen.end()).toBe(0);
  });
});

describe('while the engine starts', () => {
  const STARTING = /^hexz +a-lz4-4k-both\.hxz.*○ starting$/m;

  test('what the snapshot is stands there already, and what is typed is not lost', async () => {
    const screen = inspect();
    expect(await screen.shows(STARTING)).not.toContain('● live');
    screen.type('3');
    await screen.shows(READY);
    await screen.shows(/┌ disk.* of /);
    screen.type('q');
    expect(await screen.end()).toBe(0);
  });

  test.each([
    ['q', (screen: ScreenTerminal) => screen.type('q')],
    ['SIGTERM', (screen: ScreenTerminal) => screen.kill('SIGTERM')],
  ])('%s ends both, and gives the terminal back', async (_, leave) => {
    const screen = inspect();
    await screen.shows(STARTING);
    leave(screen);
    expect(await screen.end()).toBe(0);
    expect([screen.isAlternate, screen.hasMouse, screen.wraps]).toEqual([false, false, true]);
    expect(screen.sent).not.toContain('● live');
  });
});

describe('where nothing can be mounted', () => {
  test('it opens without a mount, and says why and what tells more', async () => {
    const screen = open([cliPath, 'inspect', snapshot], {
      env: { XDG_STATE_HOME: newDirectory(), ...withoutFuse },
      size: { columns: 120, rows: 28 },
    });
    const shown = await screen.shows(READY);
    expect(shown).toMatch(/^! Not mounted: koffi cannot be loaded.*hexz doctor/m);
    expect(shown.split('\n')[0]).toContain('not mounted');
    screen.type('q');
    expect(await screen.end()).toBe(0);
  });

  test('a mountpoint that was named is a must', async () => {
    const screen = open([cliPath, 'inspect', snapshot, newDirectory()], { env: withoutFuse });
    expect(await screen.end()).toBe(6);
    expect(screen.isAlternate).toBe(false);
    await screen.shows(/koffi cannot be loaded/);
  });
});

describe('the prompt', () => {
  test('completes and runs commands of the REPL, in any view, and keeps them', async () => {
    const state = newDirectory();
    const screen = inspect([], { env: { XDG_STATE_HOME: state } });
    await screen.shows(READY);
    screen.type(':boo');
    await screen.shows(/^:boo/m);
    screen.type('\t');
    await screen.shows(/^:bookmark /m);
    screen.type('here 32\r');
    await screen.shows((text) => !text.includes(':bookmark'));
    screen.type(':');
    await screen.shows(/^:/m);
    screen.type('\u001b[A');
    await screen.shows(/^:bookmark here 32/m);
    screen.type('\u0015sh echo "$HEXZ_SNAPSHOT"\r');
    await screen.shows(new RegExp(snapshot.slice(-20)));
  });

  test('marks the column of what is wrong', async () => {
    const screen = inspect();
    await screen.shows(READY);
    screen.type(':hash disk 0x\r');
    await screen.shows(/hash disk 0x\s*│\n│ {12}\^\s*│\n│0x is no number/);
  });

  test('takes a megabyte that is pasted, and control characters as nothing', async () => {
    const screen = inspect();
    await screen.shows(READY);
    screen.type(':');
    await screen.shows(/^:/m);
    screen.type(`\u001b[200~${'x'.repeat((1 << 20) - 2)}\u0007\n\u001b[201~END`);
    await screen.shows(/x END/);
    screen.type('\u001b');
    await screen.shows((text) => !text.includes('END'));
  });

  test('Esc cancels a command that runs', async () => {
    const screen = inspect();
    await screen.shows(READY);
    screen.type(':sh sleep 60\r');
    await screen.shows(/running sh sleep 60/);
    screen.type('\u001b');
    await screen.shows(/cancelled/);
  });
});

test('the help lists every key, and closes', async () => {
  const screen = inspect([], { size: { columns: 100, rows: 60 } });
  await screen.shows(READY);
  screen.type('?');
  const shown = await screen.shows(/Everywhere/);
  for (const text of ['Shift+Tab', 'Ctrl+L', 'type a command']) expect(shown).toContain(text);
  screen.type('\u001b');
  await screen.shows((text) => !text.includes('Everywhere'));
});

test('the engine that ends is told of, with what to do about the overlay', async () => {
  const overlay = join(newDirectory(), 'kept.overlay');
  const screen = inspect(['--rw', '--overlay', overlay], { size: { columns: 160, rows: 30 } });
  await screen.shows(READY);
  screen.type(':state\r');
  const [, pid] = /process (\d+),/.exec(await screen.shows(/process \d+,/)) ?? [];
  process.kill(Number(pid), 'SIGKILL');
  const shown = await screen.shows(/has ended/);
  expect(shown).toContain(`hexz overlay verify ${overlay}`.slice(0, 60));
  screen.type('qq');
  await screen.end();
});
