import { describe, expect, test } from 'vitest';
import type { Item } from '../../../src/engine/control/protocol/methods.js';
import { fakeEngine, readingMethods } from '../../support/repl/fakeEngine.js';
import { type TestScreen, testScreens, WatchItems } from '../../support/tui/openScreen.js';

const open = testScreens();

type Level = 'info' | 'warning' | 'error';

const lineOf = (text: string, level: Level): Item<'watch'> => ({ log: { time: 0, level, text } });

async function logScreen(): Promise<{
  screen: TestScreen;
  say: (from: number, count: number, level?: Level) => void;
}> {
  const watch = new WatchItems();
  const client = fakeEngine({
    ...readingMethods(),
    watch: () => ({ batches: watch.batches(), result: {} }),
  });
  const screen = await open(client);
  return {
    screen,
    say: (from, count, level = 'info') => {
      watch.send(
        ...Array.from({ length: count }, (_, index) => lineOf(`line ${from + index}.`, level)),
      );
    },
  };
}

describe('the log', () => {
  test('counts what nobody has seen, also behind more lines than it keeps', async () => {
    const { screen, say } = await logScreen();
    say(0, 7000);
    screen.press('6');
    await screen.shows('line 6999.');
    screen.press('1');
    expect(screen.text).not.toMatch(/Log \d/);
    say(7000, 3, 'error');
    await screen.shows(' 6 Log 3! ');
    screen.press('6', '1');
    expect(screen.text).not.toMatch(/Log \d/);
  });

  test('does not keep what was mistyped', async () => {
    const { screen, say } = await logScreen();
    screen.press('3', 'o');
    await screen.shows(/^go to/m);
    screen.type('nothing');
    screen.press('enter');
    await screen.shows('nothing is no number');
    screen.press('6');
    say(0, 1);
    await screen.shows('line 0.');
    expect(screen.text).not.toContain('nothing is no number');
  });

  test('stays where somebody has scrolled to, while lines come and others go', async () => {
    const { screen, say } = await logScreen();
    screen.press('6');
    say(0, 4000);
    await screen.shows('line 3999.');
    screen.press('pageup', 'pageup');
    const before = screen.body().slice(1, -1);
    expect(before.join()).not.toContain('line 3999.');
    say(4000, 2000);
    await screen.shows(/\d+ rows below: G/);
    await screen.shows(/2.036 rows below/);
    expect(screen.body().slice(1, -1)).toEqual(before);
    screen.press('G');
    await screen.shows('line 5999.');
    say(6000, 1);
    await screen.shows('line 6000.');
  });

  test('shows the same lines when the terminal becomes narrower', async () => {
    const { screen, say } = await logScreen();
    screen.press('6');
    say(0, 200);
    await screen.shows('line 199.');
    screen.press('home', 'pagedown');
    const [first = ''] = /line \d+\./.exec(screen.body()[1] ?? '') ?? [];
    screen.size = { rows: 24, columns: 30 };
    expect(screen.body()[1]).toContain(first);
  });
});
