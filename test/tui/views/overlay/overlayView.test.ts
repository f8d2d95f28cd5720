import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ControlClient } from '../../../../src/engine/control/client.js';
import { engines } from '../../../support/engines.js';
import { type BuiltRecipe, builtRecipe } from '../../../support/recipes.js';
import { temporaryDirectories } from '../../../support/temporary.js';
import {
  type ChangesScreen,
  changesScreens,
  expectRowsForAnySize,
  writeAt,
  writePages,
} from '../../../support/tui/changesScreen.js';

const all = engines();
const open = changesScreens();
const newDirectory = temporaryDirectories();
let repeated: BuiltRecipe;

beforeAll(async () => {
  repeated = await builtRecipe('repeated');
});

async function overlayScreen(): Promise<{ client: ControlClient; screen: ChangesScreen }> {
  const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
  return { client, screen: await open(client, 'overlay') };
}

/** Offset, pages and what differs, of the rows of the list. */
const listed = (text: string): string[] =>
  [...text.matchAll(/0x[\da-f]{4}_[\da-f]{4} +\d+ +[\d.]+ (?:B|KiB)/g)].map(([row]) =>
    row.replaceAll(/ +/g, ' '),
  );

describe('the overlay', () => {
  test('says why there is nothing to see', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    const screen = await open(client, 'overlay');
    expect(await screen.shows('There is no overlay')).toContain('--rw');
    const { screen: empty } = await overlayScreen();
    expect(await empty.shows('Nothing is dirty yet')).toContain(':mount DIRECTORY mounts it');
  });

  test('lists extents as they come, with what differs and totals', async () => {
    const { client, screen } = await overlayScreen();
    await writePages(client, [50, 51, 52, 90], 'hello');
    const same = await client.request('read', { stream: 'disk', offset: 200 * 4096, length: 4096 });
    await writeAt(client, 200 * 4096, Buffer.from(same.pieces[0]?.bytes ?? '', 'base64'));
    const text = await screen.shows(
      /5 pages, 20 KiB; really different \d+ B [^s][\s\S]*0x000c_8000 +1 +0 B/,
    );
    expect(listed(text)).toEqual([
      expect.stringMatching(/^0x0003_2000 3 1[45] B$/),
      expect.stringMatching(/^0x0005_a000 1 5 B$/),
      '0x000c_8000 1 0 B',
    ]);
    expect(text).toContain('same as base');
    expect(text).toContain('extents   3 in 5 pages');
    expect(text).toContain(' 2 Overlay 5p ');
    expect(text).toMatch(/0x0003_2000 +3 +\d+ B +\d+ s/);
    await writePages(client, [120]);
    await screen.shows(/extents {3}4 in 6 pages[\s\S]*0x0007_8000/);
  });

  test('says of what was dirty before the session how old it is at least', async () => {
    const overlay = join(newDirectory(), 'kept.overlay');
    const options = { snapshot: repeated.snapshot, rw: true, overlay };
    const { client: before } = await all.leased(options);
    await writePages(before, [7]);
    await before.request('shutdown', {});
    await before.closed;
    const { client } = await all.leased(options);
    const screen = await open(client, 'overlay');
    await screen.shows(/0x0000_7000 +1 +\d+ B +> \d+ s/);
    await writePages(client, [9]);
    await screen.shows(/0x0000_9000 +1 +\d+ B +\d+ s/);
    expect(screen.text).toMatch(/0x0000_7000 +1 +\d+ B +> \d+ s/);
  });

  test('keeps its selection on an extent while others come', async () => {
    const { client, screen } = await overlayScreen();
    await writePages(client, [100, 200, 300]);
    await screen.shows(/▸.*0x0006_4000/);
    screen.press('down');
    await screen.shows(/▸.*0x000c_8000/);
    await writePages(client, [10, 12, 14, 16]);
    expect(await screen.shows('in 7 pages')).toMatch(/▸.*0x000c_8000/);
    await screen.shows('0x0001_0000');
    expect(screen.text).toMatch(/▸.*0x000c_8000/);
  });

  test('opens an extent beside its base, and goes from change to change', async () => {
    const { client, screen } = await overlayScreen();
    // Zeros in the base: every fourth page from the third on.
    await writeAt(client, 2 * 4096 + 0x20, 'first');
    await writeAt(client, 2 * 4096 + 0x800, 'second');
    await writeAt(client, 6 * 4096 + 0x8, 'third');
    await screen.shows('extents   2 in 2 pages');
    screen.press('enter');
    const text = await screen.shows('0x0000_2000  base │ overlay');
    await screen.shows('first');
    expect(screen.text).toMatch(
      /▸0x0000_?2020\*00\*00\*00\*00\*00 00 00 00 \.{8}≠\*66\*69\*72\*73\*74 00 00 00 first\.{3}/,
    );
    expect(screen.text).toMatch(/… 2 equal rows …/);
    expect(screen.text).toMatch(/… 247 equal rows …/);
    expect(text).toContain('extents   2 in 2 pages');
    screen.press('n');
    await screen.shows(/▸0x0000_?2800/);
    screen.press('n');
    await screen.shows(/▸0x0000_?6008/);
    expect(screen.text).toContain('0x0000_6000  base │ overlay');
    screen.press('n');
    await screen.shows('no change behind this one');
    screen.press('N');
    await screen.shows(/▸0x0000_?2800/);
    screen.press('N');
    await screen.shows(/▸0x0000_?2020/);
    screen.press('N');
    await screen.shows('no change before this one');
    await writeAt(client, 2 * 4096 + 0x40, 'later');
    await screen.shows('later');
    screen.press('escape');
    expect(screen.text).not.toContain('base │ overlay');
  });

  test('shows the next change with what is before and behind it, not on the last row', async () => {
    const { client, screen } = await overlayScreen();
    await writeAt(client, 40 * 4096, Buffer.alloc(20 * 4096, 0xee));
    await screen.shows('extents   1 in 20 pages');
    screen.press('enter');
    await screen.shows(/▸0x0002_?8000/);
    for (const page of ['9000', 'a000', 'b000']) {
      screen.press('n');
      const selected = new RegExp(`▸0x0002_?${page}`);
      await screen.shows(selected);
      const rows = screen.body();
      const row = rows.findIndex((text) => selected.test(text));
      expect(row).toBeGreaterThan(rows.length / 5);
      expect(row).toBeLessThan(rows.length / 2);
    }
  });

  test('offers to split only what has two pages, and names the page that it becomes', async () => {
    const { client, screen } = await overlayScreen();
    await writePages(client, [4, 20, 21, 22]);
    await screen.shows('extents   2 in 4 pages');
    expect(screen.rows().at(-1)).not.toContain('s split');
    screen.press('s');
    await screen.shows('this is one page: it cannot be split');
    screen.press('down');
    await screen.shows(/▸ +0x0001_4000/);
    screen.size = { rows: 30, columns: 200 };
    expect(screen.rows().at(-1)).toContain('s split');
    screen.press('enter');
    await screen.shows(/▸0x0001_?4000/);
    screen.press('s');
    // What stands there works: the page of the first row would be no split.
    await screen.shows('begins with the page (0x0001_5000 to 0x0001_6000): 0x0001_5000');
    screen.answer('0x16123');
    await screen.shows('split: the second part begins with 0x16123, which is the page 0x0001_6000');
    expect((await client.request('review', {})).hunks).toMatchObject([
      { pageIndex: 4 },
      { pageIndex: 20, pageCount: 2 },
      { pageIndex: 22, pageCount: 1 },
    ]);
  });

  test('shows sixteen bytes where there is room, and eight in 80 columns', async () => {
    const { client, screen } = await overlayScreen();
    await writeAt(client, 2 * 4096, 'left and right sides');
    await screen.shows('extents   1 in 1 page');
    screen.press('enter');
    screen.size = { rows: 40, columns: 200 };
    await screen.shows('left and right s');
    screen.size = { rows: 24, columns: 80 };
    expect(await screen.shows('left and')).not.toContain('left and right');
    expect(screen.text).not.toContain('extents ');
  });

  test('steps through a long change by pages, and reaches its end', async () => {
    const { client, screen } = await overlayScreen();
    await writeAt(client, 40 * 4096, Buffer.alloc(40 * 4096, 0xee));
    await screen.shows('extents   1 in 40 pages');
    screen.press('enter');
    await screen.shows(/▸0x0002_?8000/);
    screen.press('n');
    await screen.shows(/▸0x0002_?9000/);
    screen.press('end');
    await screen.shows(/▸0x0004_?fff8/);
    screen.press('N');
    await screen.shows(/▸0x0004_?f000/);
    screen.press('home');
    await screen.shows(/▸0x0002_?8000/);
    screen.screen.take({ kind: 'wheel', row: 6, column: 100, lines: 3 });
    await screen.shows(/▸0x0002_?8018/);
    screen.screen.take({ kind: 'press', row: 5, column: 100 });
    await screen.shows(/▸0x0002_?8010/);
  });

  test('is led by the mouse, too', async () => {
    const { client, screen } = await overlayScreen();
    await writePages(client, [4, 20, 40]);
    await screen.shows('extents   3 in 3 pages');
    const row = screen.rows().findIndex((text) => text.includes('0x0001_4000'));
    screen.screen.take({ kind: 'press', row, column: 10 });
    await screen.shows(/▸ +0x0001_4000/);
    screen.screen.take({ kind: 'wheel', row, column: 10, lines: 3 });
    await screen.shows(/▸ +0x0002_8000/);
  });

  test('acts on the review', async () => {
    const { client, screen } = await overlayScreen();
    await writePages(client, [4, 5, 6, 7, 20]);
    await screen.shows('extents   2 in 5 pages');
    screen.press('k');
    await screen.shows('kept: 0x0000_4000, 4 pages; 1 of 2 hunks decided: keep 1, drop 0, open 1');
    await screen.shows(/▸k +0x0000_4000/);
    screen.press('s');
    screen.answer('6');
    await screen.shows('split: the second part begins with 6, which is the page 0x0000_6000;');
    screen.press('u', 'u');
    await screen.shows('undone; 0 of 2 hunks decided');
    screen.press('U');
    await screen.shows('made again; 1 of 2 hunks decided');
    screen.press('d', 'v');
    await screen.shows('viewed: 0x0000_4000');
    expect((await client.request('review', {})).hunks).toMatchObject([
      { pageIndex: 4, pageCount: 4, decision: 'drop', isViewed: true },
      { decision: 'open' },
    ]);
    await screen.shows(/▸d +0x0000_4000/);
    screen.press('v');
    await screen.shows('not viewed: 0x0000_4000');
    await writePages(client, [5], 'again');
    await screen.shows(/▸d! +0x0000_4000/);
  });

  test('drops in the live overlay once a person has agreed', async () => {
    const { client, screen } = await overlayScreen();
    await writePages(client, [4, 20]);
    await screen.shows('extents   2 in 2 pages');
    screen.press('enter');
    await screen.shows('base │ overlay');
    screen.press('D');
    await screen.shows('Take 1 page from 0x0000_4000 out of the live overlay?');
    screen.press('escape', 'D', 'y');
    await screen.shows('1 page taken out of the overlay');
    await screen.shows('extents   1 in 1 page');
    expect(screen.text).not.toContain('base │ overlay');
    expect((await client.request('dirty', {})).extents).toEqual([{ pageIndex: 20, pageCount: 1 }]);
  });

  test('shows a range or a kind alone, and goes to an offset', async () => {
    const { client, screen } = await overlayScreen();
    await writePages(client, [4, 20, 40]);
    const same = await client.request('read', { stream: 'disk', offset: 0, length: 4096 });
    await writeAt(client, 0, Buffer.from(same.pieces[0]?.bytes ?? '', 'base64'));
    await screen.shows('extents   4 in 4 pages');
    screen.press('/');
    screen.answer('0x10000+64K');
    await screen.shows('only 0x10000+64K');
    await screen.shows(/▸ +0x0001_4000/);
    expect(screen.text).not.toMatch(/0x0000_4000 +1/);
    screen.press('/');
    screen.answer('equal');
    await screen.shows(/only equal[^▸]*▸ +0x0000_0000/);
    expect(screen.text).not.toMatch(/0x0001_4000 +1/);
    screen.press('escape', '/');
    screen.answer('0x28010');
    await screen.shows(/▸ +0x0002_8000/);
    screen.press('/');
    screen.answer('nothing');
    await screen.shows('nothing is no number');
    screen.press('/');
    await screen.shows('go to OFFSET, or list only OFFSET+LENGTH, changed, equal or new:');
  });

  test('shows what is typed, and writes what it lists to a file', async () => {
    const { client, screen } = await overlayScreen();
    await writePages(client, [4, 20, 40]);
    await screen.shows('extents   3 in 3 pages');
    screen.press('6', '3');
    screen.command('dirty 0x14000');
    await screen.shows(/▸ +0x0001_4000/);
    screen.command('diff --hex 0x28000 1p');
    await screen.shows('0x0002_8000  base │ overlay');
    screen.command('diff --pages');
    await screen.shows('3 extents: 3 pages changed');
    screen.press('escape', 'escape', 'e');
    const file = join(newDirectory(), 'extents.txt');
    screen.answer(file);
    await screen.shows('done');
    expect(readFileSync(file, 'utf8')).toContain('0x0002_8000');
  });

  test('is written to a file whose name has blanks', async () => {
    const { client, screen } = await overlayScreen();
    await writePages(client, [40]);
    await screen.shows('extents   1 in 1 page');
    const file = join(newDirectory(), 'all of it; really');
    screen.press('e');
    screen.answer(file);
    await screen.shows('done');
    expect(readFileSync(file, 'utf8')).toContain('0x0002_8000');
  });

  test('has rows for any size', async () => {
    const { client, screen } = await overlayScreen();
    await writePages(client, [4, 20, 40]);
    await screen.shows('extents   3 in 3 pages');
    expectRowsForAnySize(screen);
  });
});
