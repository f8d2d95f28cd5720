import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { engines } from '../../../support/engines.js';
import {
  bootParams,
  FOUR_GIB,
  Guest,
  markedPage,
  noisePage,
} from '../../../support/memory/guest.js';
import { migrationOf } from '../../../support/memory/migration.js';
import { packSnapshot } from '../../../support/snapshots.js';
import { temporaryDirectories } from '../../../support/temporary.js';
import { plain, type TestScreen, testScreens } from '../../../support/tui/openScreen.js';
import { until } from '../../../support/until.js';

const newDirectory = temporaryDirectories();
const all = engines();
const open = testScreens();
const SIZE = { rows: 30, columns: 100 };

/** 32 pages below 4 GiB, of which some are there, and four above. */
const guest = new Guest(32, 4);
guest.pages.set(0, bootParams(guest));
for (let page = 1; page < 8; page++) guest.pages.set(page * 4096, markedPage(page * 4096));
guest.pages.set(0x9000, noisePage(1));
guest.pages.set(FOUR_GIB, markedPage(FOUR_GIB));
const container = migrationOf(guest).bytes;
let snapshot: string;
let rawSnapshot: string;

beforeAll(() => {
  const directory = newDirectory();
  const disk = Buffer.alloc(256 * 1024, 'disk');
  snapshot = packSnapshot(join(directory, 'guest.hxz'), { disk, memory: container });
  rawSnapshot = packSnapshot(join(directory, 'raw.hxz'), { memory: Buffer.alloc(65_536, 'raw ') });
});

async function openMemory(path = snapshot): Promise<TestScreen> {
  const { client } = await all.leased({ snapshot: path, rw: path === snapshot });
  const shown = await open(client, SIZE);
  shown.screen.open('memory');
  return shown;
}

const cursorOf = ({ screen }: TestScreen): number | undefined =>
  screen.session.cursors.get('memory');

async function goTo(shown: TestScreen, text: string, offset: number): Promise<void> {
  shown.press('o');
  shown.type(text);
  shown.press('enter');
  await until(`the cursor at ${text}`, () => cursorOf(shown) === offset);
}

describe('memory in a container', () => {
  test('is shown by its addresses; where a byte lies in the stream stands below', async () => {
    const shown = await openMemory();
    await goTo(shown, '0x2010', 0x2010);
    await shown.shows(/00002010\[.*2000\+16/);
    const streamOffset = container.indexOf('2000+16');
    await shown.shows(`in stream 0x0000_${streamOffset.toString(16).padStart(4, '0')}`);
    shown.press('a');
    await shown.shows('memory, offsets of the stream');
    expect(cursorOf(shown)).toBe(streamOffset);
    await shown.shows('1000+4080');
    shown.press('a');
    await shown.shows('memory, guest-physical');
    expect(cursorOf(shown)).toBe(0x2010);
  });

  test('is shown by offsets of the stream to a view that knows those', async () => {
    const shown = await openMemory();
    const streamOffset = container.indexOf('3000+32');
    shown.screen.showOffset('memory', streamOffset, 'raw');
    await shown.shows('memory, offsets of the stream');
    await shown.shows('3000+32');
    expect(cursorOf(shown)).toBe(streamOffset);
  });

  test('tells what is not present in one row, and steps over it', async () => {
    const shown = await openMemory();
    await goTo(shown, '10p-1', 0x9fff);
    await shown.shows('0000a000 not present: 4.00 GiB, up to 0xffff_e000');
    await goTo(shown, '9p', 0x9000);
    await shown.shows('000008000 not present: 4.00 KiB, up to 0x0000_9000');
    await goTo(shown, '10p-1', 0x9fff);
    shown.rows();
    shown.press('right');
    expect(shown.text).toContain('[not present: ');
    shown.press('right');
    expect(cursorOf(shown)).toBe(FOUR_GIB - 8192);
  });

  test('says of a hole that it is one, with the cursor on it', async () => {
    const shown = await openMemory();
    await goTo(shown, '8p+5', 0x8005);
    await shown.shows(/0x0000_8005 {2}a hole, not in the dump/);
    expect(shown.text).not.toContain('not read yet');
    await goTo(shown, '0x20000', 0x20000);
    await shown.shows(/\[not present: .*\]/);
    await shown.shows(/0x0002_0000 {2}a hole, not in the dump: 4\.00 GiB, up to 0xffff_e000/);
    await shown.shows('here a hole');
    shown.press('a');
    await shown.shows('the byte at 0x0002_0000 is nowhere in the stream as it is');
  });

  test('stays at the same byte when the addresses change, wherever one was before', async () => {
    const shown = await openMemory();
    await shown.shows('qemu-migration');
    const streamOffset = container.indexOf('5000+160');
    shown.screen.showOffset('memory', streamOffset, 'raw');
    await shown.shows('memory, offsets of the stream');
    shown.press('a');
    await shown.shows('memory, guest-physical');
    expect(cursorOf(shown)).toBe(0x50a0);
    shown.press('down', 'a');
    await shown.shows('memory, offsets of the stream');
    expect(cursorOf(shown)).toBe(streamOffset + 16);
    shown.press('up', 'up', 'a');
    await shown.shows('memory, guest-physical');
    expect(cursorOf(shown)).toBe(0x5090);
  });

  test('has a legend of the map also at 80x24', async () => {
    const shown = await openMemory();
    shown.size = { rows: 24, columns: 80 };
    await shown.shows('· zero  ^ parent  t text  c code  # entropy  o other  - hole  ? unknown');
  });

  test('has a map of its pages, from which one goes to them', async () => {
    const shown = await openMemory();
    await shown.shows('a cell is 4.00 KiB');
    await shown.shows(/qemu-migration, x86_64, 152\.00 KiB in 3 ranges/);
    await until('all pages', () => !shown.text.includes('looked at'));
    const cells = shown.rows().find((row) => /^│[·toc#^-]{38} /.test(row)) ?? '';
    expect(cells.slice(1, 14)).toBe('oooooooo-#---');
    shown.press('p', 'right', 'right', 'right');
    expect(cursorOf(shown)).toBe(0x3000);
    expect(shown.text).toContain('here other');
    shown.press('end');
    expect(cursorOf(shown)).toBe(FOUR_GIB + 3 * 4096);
    shown.press('enter', 'up');
    expect(cursorOf(shown)).toBe(FOUR_GIB + 4096 - 16);
  });

  test('a press on a cell of the map goes there', async () => {
    const shown = await openMemory();
    await until('all pages', () => /here /.test(shown.text) && !shown.text.includes('looked at'));
    const row = shown.rows().findIndex((text) => /^│[·toc#^-]{38} /.test(text));
    shown.screen.take({ kind: 'press', row, column: 1 + 9 });
    expect(cursorOf(shown)).toBe(0x9000);
  });

  test('is described where a key asks for it', async () => {
    const shown = await openMemory();
    shown.press('d');
    await shown.shows(/container: +qemu-migration/);
  });

  test('is followed by offsets of the stream', async () => {
    const shown = await openMemory();
    await shown.shows('qemu-migration');
    shown.press('f');
    await shown.shows('following');
    expect(shown.text).toContain('offsets of the stream');
  });

  test('fills exactly the room that it has', async () => {
    const shown = await openMemory();
    await shown.shows('a cell is');
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: 0, max: 200 }),
        fc.constantFrom('p', 'P', 'i', 'a', 'G', 'down', 'escape'),
        (rows, columns, key) => {
          shown.press(key);
          const drawn = shown.screen.view.draw({ rows, columns });
          expect(drawn).toHaveLength(rows);
          for (const row of drawn) expect([...plain(row)]).toHaveLength(columns);
        },
      ),
    );
  });
});

test('memory without a container has one kind of addresses', async () => {
  const shown = await openMemory(rawSnapshot);
  await shown.shows('no container');
  await shown.shows('raw raw raw raw');
  shown.press('f');
  expect(shown.text).toContain('memory, guest-physical');
});

test('what is written by a command is seen at once, and its page is dirty', async () => {
  const shown = await openMemory();
  shown.screen.open('disk');
  await shown.shows('diskdiskdiskdisk');
  await shown.screen.run('set write on');
  await shown.screen.run('write disk 0x10 changed!');
  shown.press('escape');
  await shown.shows(/^│D00000010.*changed!/m);
  await shown.screen.run('write disk 0x10 CHANGED!');
  shown.press('escape');
  await shown.shows(/^│D00000010.*CHANGED!/m);
  shown.press('v');
  await shown.shows(/^│D00000010.*diskdisk/m);
  await shown.screen.run('strings disk 0 --max 3');
  await shown.shows('3 places');
});
