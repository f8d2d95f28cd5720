import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { engines } from '../support/engines.js';
import { malformedPath } from '../support/fixtures.js';
import { requires } from '../support/requires.js';
import { testScreens } from '../support/tui/openScreen.js';

const all = engines();
const open = testScreens();
/** Its third block has a wrong checksum. */
const snapshot = malformedPath('crc-flip.hxz');
const REASON = 'the stored bytes are damaged (CRC-32';

/** A program that reads all of a file; nobody reads a mount from a thread that has to draw it. */
async function readAll(path: string): Promise<void> {
  await once(spawn('dd', [`if=${path}`, 'of=/dev/null', 'bs=4k', 'conv=noerror']), 'exit');
}

describe.runIf(requires('FUSE'))('a damaged block that a program has read', () => {
  test('is in the log once and on the map, also if it was read before anybody looked', async () => {
    const mountpoint = all.hexz.newMountpoint();
    const { client } = await all.leased({ snapshot, mountpoint });
    await readAll(join(mountpoint, 'disk'));
    const screen = await open(client);
    await screen.shows(/│..!... {2}/);
    await readAll(join(mountpoint, 'disk'));
    screen.press('6');
    const text = await screen.shows(REASON);
    expect(text.split('[CRC]')).toHaveLength(2);
    expect(text).toMatch(/disk, block 2, offset\s+│?\s*│?\s*0x0000_2000/);
  });
});

describe('a damaged block', () => {
  test('says why first: why of the block, and its bytes, before the path', async () => {
    const { client } = await all.leased({ snapshot });
    const screen = await open(client, { rows: 30, columns: 80 });
    await screen.shows('cell 4 KiB');
    screen.press('right', 'right', 'enter');
    const text = await screen.shows('damage ');
    expect(text).toMatch(/why block 2 ─+┐\n.*│damage {3}the stored bytes are/);
    expect(text).toMatch(/0x0000_2000 damaged/);
    screen.press('enter');
    await screen.shows(`│0x0000_2000  unreadable: ${REASON}`);
    screen.press('1', 'escape');
    await screen.shows('·!·');
    screen.press('6');
    expect((await screen.shows(REASON)).split('[CRC]')).toHaveLength(2);
  });

  test('is told with its reason where a command has met it', async () => {
    const { client } = await all.leased({ snapshot });
    const screen = await open(client);
    screen.press(':');
    screen.type('block disk 0x2000');
    screen.press('enter');
    await screen.shows('damaged');
  });
});
