import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { GivenParams, Result } from '../../../../src/engine/control/protocol/methods.js';
import { HexzError } from '../../../../src/engine/errors.js';
import {
  type FakeEngine,
  type FakeMethods,
  fakeEngine,
  readingMethods,
} from '../../../support/repl/fakeEngine.js';
import { temporaryDirectories } from '../../../support/temporary.js';
import {
  sampleOf,
  type TestScreen,
  testScreens,
  WatchItems,
} from '../../../support/tui/openScreen.js';
import { until } from '../../../support/until.js';

const newDirectory = temporaryDirectories();
const open = testScreens();
const reading = readingMethods();
const readDisk = (params: GivenParams<'read'>): Result<'read'> =>
  reading.read(params, undefined) as Result<'read'>;
let watch: WatchItems;
beforeEach(() => {
  watch = new WatchItems();
});

/** `page` followed by a number is at the beginning of each page but the third. */
const searched = (offset: number) => ({
  offset,
  length: 4,
  preview: Buffer.from(`page ${offset / 4096}`).toString('base64'),
  previewOffset: offset,
});

function search({ offset = 0, length = 65_536, pattern, isBackward }: GivenParams<'search'>) {
  if (pattern === 'x:') throw new HexzError('USAGE', 'column 3 of the pattern: digits are missing');
  const places = Array.from({ length: 16 }, (_, page) => page * 4096).filter(
    (place) => place !== 8192 && place >= offset && place < offset + length,
  );
  const all = pattern === 'page' ? places.map(searched) : [];
  return {
    batches: [isBackward === true ? all.reverse() : all],
    result: { found: 0, searchedBytes: 0 },
  };
}

const inspected = (value: string): Result<'inspect'>['readings'] => [
  { name: 'u8', kind: 'integer', length: 1, value },
  { name: 'u16le', kind: 'integer', length: 2, value: '1' },
  { name: 'u16be', kind: 'integer', length: 2, value: '256' },
];

const methods = (changes: FakeMethods = {}): FakeMethods => ({
  ...reading,
  watch: () => ({ batches: watch.batches(), result: null as never }),
  inspect: ({ offset }) => ({ offset, readings: inspected(`${offset}`) }),
  search,
  ...changes,
});

async function openDisk(
  changes: FakeMethods = {},
  size = { rows: 14, columns: 80 },
): Promise<{ shown: TestScreen; engine: FakeEngine }> {
  const engine = fakeEngine(methods(changes));
  const shown = await open(engine, size);
  shown.screen.open('disk');
  return { shown, engine };
}

const cursorOf = ({ screen }: TestScreen): number | undefined => screen.session.cursors.get('disk');

describe('the bytes', () => {
  test('are unknown, then what the engine says', async () => {
    const { shown } = await openDisk();
    shown.screen.showOffset('disk', 0xf000);
    expect(shown.text).toContain(
      '│ 0000f000[··]·· ·· ·· ·· ·· ·· ··  ·· ·· ·· ·· ·· ·· ·· ··                    │',
    );
    await shown.shows('0000f000[70]61 67 65 20');
    shown.press('g');
    await shown.shows('page 0');
    expect(shown.body().slice(0, 4)).toEqual([
      '┌ disk, as the mount shows it ──────────────────────────── 0.0 % of 64.00 KiB ─┐',
      '│ 00000000[70]61 67 65 20 30 00 00  00 00 00 00 00 00 00 00 page 0..........   │',
      '│ 00000010 00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00 ................   │',
      '│ 00000020 00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00 ................   │',
    ]);
    expect(shown.body().at(-2)).toContain('0x0000_0000  0x70 112  page 0');
  });

  test('of dirty pages have a mark in the margin', async () => {
    const { shown } = await openDisk();
    shown.press('o');
    shown.type('page(1)-16');
    shown.press('enter');
    await shown.shows(/^│D00001000/m);
    expect(shown.text).toMatch(/^│ 00000ff0/m);
  });

  test('end where the disk ends', async () => {
    const { shown } = await openDisk();
    await shown.shows('page 0');
    shown.press('G');
    await shown.shows(/0000fff0 0f.*\[0f\]/);
    expect(cursorOf(shown)).toBe(65_535);
    shown.press('right', 'down', 'left');
    expect(cursorOf(shown)).toBe(65_534);
  });

  test('that cannot be read are told apart from those around them', async () => {
    const { shown } = await openDisk({
      read: (params) => {
        const { offset, length } = params;
        if (offset < 8192 && offset + length > 4096) {
          throw new HexzError('BAD_BLOCK', 'the checksum is wrong');
        }
        return readDisk(params);
      },
    });
    shown.press('o');
    shown.type('0x1ff0');
    shown.press('enter');
    await shown.shows(/00001ff0\[!!\]!! !!/);
    expect(shown.text).toMatch(/00002000 00 00/);
    expect(shown.text).toContain('unreadable: ');
  });

  test('are read anew where they were written', async () => {
    let isWritten = false;
    const { shown } = await openDisk({
      read: (params) => {
        const answer = readDisk(params);
        const [piece] = answer.pieces;
        if (!isWritten || piece === undefined) return answer;
        const bytes = Buffer.from(piece.bytes, 'base64').fill('New!', 0, 4).toString('base64');
        return { ...answer, pieces: [{ ...piece, bytes }] };
      },
    });
    await shown.shows('page 0');
    isWritten = true;
    watch.send({
      activity: sampleOf({ touched: { disk: { cellBytes: 65_536, read: [], written: [0, 1] } } }),
    });
    await shown.shows('New! 0');
  });

  test('are those of the base, too', async () => {
    const { shown, engine } = await openDisk();
    shown.press('v');
    await shown.shows('the base, without the overlay');
    await until('a read of the base', () => {
      shown.rows();
      return engine.requests.some(
        ({ method, params }) =>
          method === 'read' && (params as GivenParams<'read'>).side === 'base',
      );
    });
  });

  test('are asked for a few at a time, whatever is scrolled over', async () => {
    let running = 0;
    let most = 0;
    const { shown } = await openDisk({
      read: async (params) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        return readDisk(params);
      },
    });
    for (let step = 0; step < 800; step++) {
      shown.press('pagedown');
      shown.rows();
    }
    await shown.shows('0f 0f');
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(4);
  });
});

test('a second search is typed in place of the first, which is offered', async () => {
  const { shown } = await openDisk();
  await shown.shows('page 0');
  shown.press('/');
  shown.type('page');
  shown.press('enter');
  await shown.shows(/00001000\[70\]/);
  shown.press('/');
  expect(shown.text).toContain('search forward: page');
  shown.type('nothing');
  shown.press('enter');
  await shown.shows('nothing is nowhere in the disk');
  expect(shown.text).not.toContain('pagenothing');
});

describe('going to a place', () => {
  test('takes expressions, and comes back', async () => {
    const { shown } = await openDisk();
    shown.screen.session.bookmarks.set('here', 0x3000);
    for (const [text, offset] of [
      ['0x20', 0x20],
      ['+1K', 0x420],
      ['-0x20', 0x400],
      ['block(1)', 16_384],
      ['$here+1p', 0x4000],
      ['end-16', 65_520],
    ] as const) {
      shown.press('o');
      shown.type(text);
      shown.press('enter');
      await until(`the cursor at ${text}`, () => cursorOf(shown) === offset);
    }
    shown.press('<', '<');
    expect(cursorOf(shown)).toBe(16_384);
    shown.press('>');
    expect(cursorOf(shown)).toBe(0x4000);
  });

  test('says what is wrong with an expression', async () => {
    const { shown } = await openDisk();
    shown.press('o');
    shown.type('5 5');
    shown.press('enter');
    await shown.shows('an operator (+ - *) is missing here');
  });

  test('other views do by showOffset', async () => {
    const { shown } = await openDisk();
    shown.screen.open('log');
    shown.screen.showOffset('disk', 0x4000);
    await shown.shows('page 4');
    expect(shown.screen.name).toBe('disk');
  });

  test('of a place beyond the end are an error, and the cursor stays', async () => {
    const { shown } = await openDisk();
    await shown.shows('page 0');
    shown.press('down');
    await shown.screen.run('read disk 99T');
    await shown.shows('0x6300_0000_0000 lies beyond the end: the disk has 64.00 KiB');
    shown.press('escape');
    await shown.shows('0x0000_0010 ');
    expect(cursorOf(shown)).toBe(16);
  });

  test('is what a typed read does', async () => {
    const { shown } = await openDisk();
    shown.screen.open('log');
    await shown.screen.run('read disk 0x5000 16');
    await shown.shows('page 5');
    expect([shown.screen.name, cursorOf(shown)]).toEqual(['disk', 0x5000]);
  });

  test('a press of the mouse does', async () => {
    const { shown } = await openDisk();
    await shown.shows('page 0');
    const row = shown.screen.bodyRow + 2;
    shown.screen.take({ kind: 'press', row, column: '│ 00000010 00 0'.length });
    expect(cursorOf(shown)).toBe(0x11);
    shown.rows();
    const textColumn = shown.rows()[row]?.lastIndexOf('.') ?? 0;
    shown.screen.take({ kind: 'press', row, column: textColumn });
    expect(cursorOf(shown)).toBe(0x1f);
  });
});

describe('searching', () => {
  const searchFor = (shown: TestScreen, key: string, pattern: string): void => {
    shown.press(key);
    shown.type(pattern);
    shown.press('enter');
  };

  test('goes forward, backward, and around', async () => {
    const { shown } = await openDisk();
    searchFor(shown, '/', 'page');
    await until('the next page', () => cursorOf(shown) === 4096);
    shown.press('n');
    await until('the one behind the zeros', () => cursorOf(shown) === 3 * 4096);
    shown.press('N');
    await until('the one before', () => cursorOf(shown) === 4096);
    shown.press('N');
    await until('the first one', () => cursorOf(shown) === 0);
    shown.press('N');
    await until('the last one', () => cursorOf(shown) === 15 * 4096);
    await shown.shows('the search went on from the end');
  });

  test('says how patterns are written, and how one was understood that looks like another', async () => {
    const { shown } = await openDisk();
    await shown.shows('page 0');
    shown.press('/');
    expect(shown.text).toContain('i:any case  u:UTF-16  x:de??beef  r:[a-z]+');
    shown.type('hex:00');
    shown.press('enter');
    await shown.shows(/searching the text "hex:00"; for bytes write x:00/);
  });

  test('says that there is nothing, and what is wrong with a pattern', async () => {
    const { shown } = await openDisk();
    searchFor(shown, '/', 'nothing');
    await shown.shows('nothing is nowhere in the disk');
    shown.press('\\', 'ctrl+u');
    shown.type('x:');
    shown.press('enter');
    await shown.shows('digits are missing');
  });

  test('shows how far it is, and ends with Esc', async () => {
    let isCancelled = false;
    const { shown } = await openDisk({
      search: ({ pattern }, signal) => {
        if (pattern !== 'slow') return search({ stream: 'disk', pattern });
        return {
          batches: (async function* () {
            yield [];
            await new Promise<void>((resolve) => {
              signal?.addEventListener('abort', () => {
                isCancelled = true;
                resolve();
              });
            });
            throw new HexzError('CANCELLED', 'it was cancelled');
          })(),
          result: { found: 0, searchedBytes: 0 },
        };
      },
    });
    searchFor(shown, '/', 'slow');
    await shown.shows('Esc ends it');
    shown.press('escape');
    await until('the end of the search', () => isCancelled);
    expect(shown.text).not.toContain('Esc ends it');
  });
});

describe('lists', () => {
  test('of what a typed find answers lead to the bytes', async () => {
    const { shown } = await openDisk({}, { rows: 24, columns: 80 });
    shown.screen.open('log');
    await shown.screen.run('find disk page');
    expect(shown.screen.name).toBe('disk');
    await shown.shows('15 places');
    shown.press('down', 'down');
    expect(cursorOf(shown)).toBe(3 * 4096);
    shown.press('enter', 'right');
    expect(cursorOf(shown)).toBe(3 * 4096 + 1);
    shown.press('L', '/');
    shown.type('page 1');
    shown.press('enter');
    await shown.shows('7 of 15 places with page 1');
    expect(shown.text).toMatch(/▸0x0000_1000 {2}page 1/);
    shown.press('escape');
    expect(shown.text).not.toContain('places');
  });

  test('show the bytes of the first place at once, and Ctrl+O goes back', async () => {
    const { shown } = await openDisk({}, { rows: 24, columns: 80 });
    await shown.screen.run('find disk page 0x3000');
    await shown.shows(/ 00003000\[70\]/);
    expect(shown.text).toMatch(/▸0x0000_3000 {2}page 3/);
    shown.press('enter', 'ctrl+o');
    expect(cursorOf(shown)).toBe(0);
  });

  test('are written to a file by the command that made them', async () => {
    const { shown } = await openDisk({}, { rows: 24, columns: 80 });
    await shown.screen.run('find disk page 0 3p');
    await shown.shows('2 places');
    const file = join(newDirectory(), 'found');
    shown.press('e');
    shown.type(file);
    shown.press('enter');
    await until('the file', () => existsSync(file) && readFileSync(file, 'utf8') !== '');
    await until('its end', () => !shown.screen.isRunning);
    expect(readFileSync(file, 'utf8')).toMatch(/0x0000_0000.*page 0\n0x0000_1000.*page 1\n/);
  });

  test('of bookmarks', async () => {
    const { shown } = await openDisk({}, { rows: 24, columns: 80 });
    shown.press('down', 'b');
    shown.type('second');
    shown.press('enter');
    await shown.shows('$second is 0x0000_0010');
    expect(shown.screen.session.bookmarks.get('second')).toBe(16);
    shown.press('home', 'B');
    await shown.shows('0x0000_0010  $second');
    shown.press('enter');
    expect(cursorOf(shown)).toBe(16);
  });
});

describe('following', () => {
  test('goes where the disk is read, until a key moves the cursor', async () => {
    const { shown } = await openDisk();
    shown.press('f');
    const read = {
      time: 0,
      kind: 'read',
      stream: 'disk',
      offset: 0x6000,
      length: 4096,
      firstBlockIndex: 1,
      blockCount: 1,
      hitBlocks: 1,
      decodedBlocks: 0,
      decodeMicroseconds: 0,
      microseconds: 10,
      newDirtyPages: 0,
      hasFailed: false,
    } as const;
    watch.send({ activity: sampleOf({ events: [read] }) });
    await shown.shows('following: read 4.00 KiB at 0x0000_6000');
    await shown.shows('page 6');
    shown.press('down');
    expect(shown.text).not.toContain('following');
    watch.send({ activity: sampleOf({ events: [{ ...read, offset: 0x7000 }] }) });
    watch.send({ log: { time: 0, level: 'error', text: 'behind it' } });
    await until('the sample', () => shown.screen.engine.log.nextNumber > 0);
    expect(cursorOf(shown)).toBe(0x6010);
  });
});

describe('the inspector', () => {
  test('is there where there is room, and goes along', async () => {
    const { shown } = await openDisk({}, { rows: 14, columns: 120 });
    await shown.shows(/u8 {7}0 /);
    expect(shown.text).toMatch(/u16 {6}1 {14}256/);
    shown.press('right');
    await shown.shows(/u8 {7}1 /);
    shown.press('i');
    expect(shown.text).not.toContain('u8');
  });
});

describe('exporting', () => {
  test('writes what is marked with the command of the REPL', async () => {
    const { shown } = await openDisk();
    await shown.shows('page 0');
    shown.press('m', 'right', 'right', 'right');
    expect(shown.text).toContain('marked 4 bytes');
    shown.press('e');
    await shown.shows('write to: disk-0.bin');
    shown.press('ctrl+u');
    shown.type('/dev/null');
    shown.press('enter');
    await shown.shows('export disk 0 4 /dev/null');
    await shown.shows(/length: +4 B/);
  });
});

test('a snapshot without a disk says so', async () => {
  const engine = fakeEngine(
    methods({
      state: (params, signal) => {
        const state = reading.state(params, signal) as Result<'state'>;
        return { ...state, snapshot: { ...state.snapshot, streams: {} } };
      },
    }),
  );
  const shown = await open(engine);
  shown.screen.open('disk');
  expect(shown.text).toContain('This snapshot has no disk.');
  shown.screen.open('memory');
  expect(shown.text).toContain('hexz pack --memory FILE -o SNAPSHOT');
  expect(engine.requests.map(({ method }) => method)).not.toContain('memory');
});

test('fills exactly the room that it has', async () => {
  const { shown } = await openDisk();
  await shown.screen.run('find disk page');
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 0, max: 200 }),
      fc.constantFrom('', 'L', 'enter', 'i', 'v', 'G', 'g'),
      async (rows, columns, key) => {
        if (key !== '') shown.press(key);
        const drawn = shown.screen.view.draw({ rows, columns });
        expect(drawn).toHaveLength(rows);
        for (const row of drawn) {
          // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is taken out
          expect([...row.replace(/\u001b\[[\d;]*m/g, '')]).toHaveLength(columns);
        }
      },
    ),
  );
});
