import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Block } from '../../../../src/engine/control/protocol/inspection.js';
import { HexzError } from '../../../../src/engine/errors.js';
import { type FakeMethods, fakeEngine } from '../../../support/repl/fakeEngine.js';
import { temporaryDirectories } from '../../../support/temporary.js';
import { engineStateOf } from '../../../support/tui/engineState.js';
import { eventOf } from '../../../support/tui/events.js';
import { sampleOf, testScreens, WatchItems } from '../../../support/tui/openScreen.js';

const newDirectory = temporaryDirectories();
const open = testScreens();
const BLOCK = 65_536;
const BLOCKS = 40;

const blockAt = (index: number): Block => ({
  stream: 'disk',
  blockIndex: index,
  offset: index * BLOCK,
  length: BLOCK,
  kind: index < 20 ? 'data' : 'zero',
  file: '/served/web.hxz',
  storedOffset: index < 20 ? 4096 + index * 1000 : null,
  storedLength: index < 20 ? 1000 : null,
  ratio: index < 20 ? 0.0153 : null,
  compression: index < 20 ? 'lz4' : null,
  isEncrypted: false,
  hash: index < 20 ? 'ab'.repeat(32) : null,
  dirtyPages: index === 3 ? 2 : 0,
  isCached: index === 1,
  sharedBy: null,
  sharedAt: [],
  lastReads: index === 1 ? [eventOf({ offset: BLOCK + 512, length: 512 })] : [],
  damage: null,
});

/** An engine of a disk: data up to block 20, then zeros; block 3 is dirty, block 1 cached. */
async function opened(size = { rows: 24, columns: 80 }) {
  const watch = new WatchItems();
  const answers: FakeMethods = {
    state: () => engineStateOf({ disk: BLOCKS * BLOCK, memory: 4096 }),
    watch: () => ({ batches: watch.batches(), result: {} }),
    map: ({ stream }) => ({
      batches:
        stream === 'memory'
          ? [[{ firstCell: 0, cellCount: 1, dataBytes: 0, zeroBytes: 0, parentBytes: 4096 }]]
          : [
              [{ firstCell: 0, cellCount: 20, dataBytes: BLOCK, zeroBytes: 0, parentBytes: 0 }],
              [{ firstCell: 20, cellCount: 19, dataBytes: 0, zeroBytes: BLOCK, parentBytes: 0 }],
            ],
      result: { cells: BLOCKS, damage: [] },
    }),
    occupancy: ({ stream }) => ({
      dirty: stream === 'disk' ? [3, 2] : [],
      cached: stream === 'disk' ? [1, 1] : [],
      dirtyPages: 2,
      diskLength: BLOCKS * BLOCK,
    }),
    blocks: ({ offset = 0 }) => ({
      blocks: [blockAt(offset / BLOCK), blockAt(offset / BLOCK + 1)],
      nextOffset: offset + 2 * BLOCK,
    }),
    block: ({ offset, findsShared = false }) => ({
      ...blockAt(offset / BLOCK),
      ...(findsShared
        ? {
            sharedBy: 2,
            sharedAt: [
              { stream: 'disk' as const, blockIndex: 5, offset: 5 * BLOCK },
              { stream: 'disk' as const, blockIndex: offset / BLOCK, offset },
            ],
          }
        : {}),
    }),
    read: ({ offset }) => ({ offset, length: 0, endOffset: 0, pieces: [] }),
  };
  const engine = fakeEngine(answers);
  return { engine, watch, test: await open(engine, size) };
}

const reading = (cell: number, time: number) =>
  sampleOf({
    time,
    touched: { disk: { cellBytes: BLOCK, read: [cell, 1], written: [] } },
    events: [
      eventOf({
        time,
        offset: cell * BLOCK,
        firstBlockIndex: cell,
        hitBlocks: 0,
        decodedBlocks: 1,
        decodeMicroseconds: 61.2,
      }),
    ],
  });

const mapRow = (body: readonly string[]): string => (body[1] ?? '').slice(1, 1 + BLOCKS);

describe('the map', () => {
  test('shows what blocks are, what is dirty and cached, and what is not known', async () => {
    const { test: screen } = await opened();
    await screen.shows('·c·D·');
    expect(mapRow(screen.body())).toBe(`·c·D${'·'.repeat(16)}${'z'.repeat(19)}?`);
    expect(screen.text).toMatch(/disk {3}0 … 2\.50 MiB {3}cell 64 KiB/);
    expect(screen.text).toContain('Nothing was read or written: nothing is mounted.');
  });

  test('shows reads, and the feed tells how they were answered', async () => {
    const { test: screen, watch } = await opened();
    await screen.shows('·c·D·');
    watch.send({ activity: reading(7, Date.now()) }, { activity: reading(3, Date.now()) });
    await screen.shows('▄···█');
    expect(mapRow(screen.body())).toBe(`·c·▄···█${'·'.repeat(12)}${'z'.repeat(19)}?`);
    expect(screen.text).toMatch(/read {5}disk {3}0x0007_0000 {5}4 KiB decode 61 us {5}block 7 /);
  });

  test('turns to the memory', async () => {
    const { test: screen } = await opened();
    screen.press('s');
    await screen.shows(/memory {3}0 … 4\.00 KiB.*\n│\^/);
  });

  test('cells are chosen with keys and with the mouse', async () => {
    const { test: screen } = await opened();
    await screen.shows('·c·D·');
    screen.press('right', 'right', 'right');
    expect(screen.text).toContain('▸ 0x0003_0000  2 dirty pages  stored 100 %');
    screen.press('left', 'end');
    expect(screen.text).toContain('▸ 0x0027_0000  unknown');
    screen.screen.take({ kind: 'press', row: screen.screen.bodyRow + 1, column: 2 });
    expect(screen.text).toContain('▸ 0x0001_0000  1 block cached');
  });
});

describe('the moment', () => {
  test('is held, and led back and forth', async () => {
    const { test: screen, watch } = await opened();
    await screen.shows('·c·D·');
    const now = Date.now();
    watch.send({ activity: reading(9, now - 5000) }, { activity: reading(7, now) });
    await screen.shows('block 7');
    screen.press('[', '[');
    expect(screen.text).toContain('HELD at');
    expect(screen.text).toMatch(/2 seconds ago/);
    expect(screen.text).not.toContain('block 7');
    expect(screen.text).toContain('block 9');
    expect(mapRow(screen.body())).not.toContain('█');
    expect(screen.text).toContain('Activity held');
    screen.press(']', ']', ']');
    expect(screen.text).not.toContain('HELD');
    expect(screen.text).toContain('block 7');
    screen.press('space');
    watch.send({ activity: reading(8, Date.now() + 60_000) });
    expect(screen.text).toContain('HELD');
    screen.press('space');
    expect(screen.text).not.toContain('HELD');
  });
});

describe('the blocks of a cell', () => {
  test('say why they are as they are', async () => {
    const { test: screen } = await opened({ rows: 40, columns: 120 });
    await screen.shows('·c·D·');
    screen.press('right', 'enter');
    const text = await screen.shows(/shared +with 1 other: 0x0005_0000/);
    expect(text).toMatch(/why block 1 /);
    expect(text).toMatch(/0x0001_0000 data {4}1000 B {5}- {5}yes/);
    expect(text).toMatch(/stored +1000 B at 0x0000_13e8, 1\.5 %/);
    expect(text).toMatch(/codec +lz4/);
    expect(text).toMatch(/cache +decoded in memory/);
    expect(text).toMatch(/readers +.* 512 B at 0x0001_0200, hit/);
    expect(text).toContain('abababab');
    screen.press('right');
    await screen.shows('why block 2 ');
    screen.press('enter');
    await screen.shows('┌ disk ─');
    expect(screen.screen.name).toBe('disk');
  });

  test('at 80x24 tell all of a block, below the row of its cell', async () => {
    const { test: screen } = await opened();
    await screen.shows('·c·D·');
    screen.press('right', 'enter');
    const text = await screen.shows(/shared +with 1 other: 0x0005_0000/);
    expect(text).toMatch(/BLAKE3 +(ab)+│\n.* (ab)+ *│/);
    expect(text).toMatch(/readers +.* 512 B at/);
    expect(mapRow(screen.body())).toContain('·c·D·');
  });

  test('of a block that was asked for on the prompt are shown', async () => {
    const { test: screen } = await opened({ rows: 40, columns: 120 });
    screen.press('2');
    screen.press(':');
    screen.type('block disk 0x30000');
    screen.press('enter');
    await screen.shows('why block 3 ');
    expect(screen.text).toMatch(/overlay +2 dirty pages/);
  });
});

test('a block that is written to a file leaves the map as it is', async () => {
  const { test: screen } = await opened({ rows: 40, columns: 120 });
  await screen.shows('·c·D·');
  screen.press(':');
  screen.type(`block disk 0x30000 > ${join(newDirectory(), 'block')}`);
  screen.press('enter');
  await screen.shows('done');
  expect(screen.text).toContain('·c·D·');
});

test('the map is no longer called live when the engine has ended', async () => {
  const { test: screen } = await opened();
  await screen.shows(/cell 64 KiB ─+ not mounted ─┐/);
  screen.screen.engine.end = new HexzError('ENGINE_GONE', 'the connection has ended');
  await screen.shows(/cell 64 KiB ─+ ended ─┐/);
});

describe('what is seen', () => {
  test('is written to a file, which is not replaced before that was asked', async () => {
    const { test: screen, watch } = await opened();
    await screen.shows('·c·D·');
    watch.send({ activity: reading(7, Date.now()) });
    await screen.shows('block 7');
    const file = join(newDirectory(), 'seen.json');
    writeFileSync(file, 'precious');
    const exportTo = (): void => {
      screen.press('e', 'ctrl+u');
      screen.type(file);
      screen.press('enter');
    };
    exportTo();
    await screen.shows(/exists\./);
    expect(readFileSync(file, 'utf8')).toBe('precious');
    screen.press('escape');
    exportTo();
    await screen.shows(/exists\./);
    screen.press('y');
    await screen.shows(/bytes? written to/);
    const document = JSON.parse(readFileSync(file, 'utf8'));
    expect(document).toMatchObject({
      snapshot: '/served/web.hxz',
      map: { stream: 'disk', streamLength: BLOCKS * BLOCK, cellBytes: BLOCK },
      lostEvents: 0,
    });
    expect(document.events).toHaveLength(1);
    expect(document.map.runs.slice(0, 2)).toEqual([
      {
        offset: 0,
        length: BLOCK,
        cells: 1,
        dataBytes: BLOCK,
        zeroBytes: 0,
        parentBytes: 0,
        dirtyPages: 0,
        cachedBlocks: 0,
      },
      expect.objectContaining({ offset: BLOCK, cells: 1, cachedBlocks: 1 }),
    ]);
  });

  test('fits every size', async () => {
    const { test: screen, watch } = await opened();
    await screen.shows('·c·D·');
    watch.send({ activity: { ...reading(7, Date.now()), lostEvents: 1000 } });
    await screen.shows('block 7');
    const check = (): void =>
      fc.assert(
        fc.property(
          fc.integer({ min: 0, max: 70 }),
          fc.integer({ min: 1, max: 220 }),
          (rows, columns) => {
            screen.size = { rows, columns };
            const drawn = screen.rows();
            expect(drawn).toHaveLength(rows);
            for (const row of drawn) expect([...row]).toHaveLength(columns);
          },
        ),
      );
    check();
    screen.size = { rows: 40, columns: 120 };
    screen.press('right', 'enter');
    await screen.shows('shared');
    check();
  });
});
