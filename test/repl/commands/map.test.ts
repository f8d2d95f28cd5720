import { expect, test } from 'vitest';
import type { FakeMethods } from '../../support/repl/fakeEngine.js';
import { newSession, runRepl } from '../../support/repl/runRepl.js';

const CELL = 4096;

/** A disk of 64 KiB: data, but for zeros from cell 8 on; cells 2 and 9 are dirty, cell 9 is cached, too. */
const methods: FakeMethods = {
  map: () => ({
    batches: [
      [
        { firstCell: 0, cellCount: 8, dataBytes: CELL, zeroBytes: 0, parentBytes: 0 },
        { firstCell: 8, cellCount: 8, dataBytes: 0, zeroBytes: CELL, parentBytes: 0 },
      ],
    ],
    result: { cells: 16, damage: [{ code: 'BAD_INDEX', message: 'a page is damaged' }] },
  }),
  occupancy: () => ({ dirty: [2, 1, 9, 1], cached: [9, 3], dirtyPages: 2, diskLength: 65_536 }),
};

test('map lists cells that are alike in one line', async () => {
  const { output, code } = await runRepl('map disk', { methods });
  expect(code).toBeUndefined();
  expect(output.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
    'offset cells data zero parent dirty cached',
    '0x0000_0000 2 4.00 KiB - - - -',
    '0x0000_2000 1 4.00 KiB - - 1 -',
    '0x0000_3000 5 4.00 KiB - - - -',
    '0x0000_8000 1 - 4.00 KiB - - -',
    '0x0000_9000 1 - 4.00 KiB - 1 3',
    '0x0000_a000 6 - 4.00 KiB - - -',
    '16 cells of 4.00 KiB',
    'not known: a page is damaged',
    '',
  ]);
});

test('map tells programs bytes, and which cells were asked for', async () => {
  const session = newSession(methods);
  const { output } = await runRepl('map disk 0x8000 0x2000 --cell 8K', { session, json: true });
  expect(session.client).toMatchObject({
    requests: [
      { method: 'state' },
      { method: 'occupancy', params: { cellBytes: 8192, offset: 0x8000 } },
      {
        method: 'map',
        params: { stream: 'disk', cellBytes: 8192, offset: 0x8000, length: 0x2000 },
      },
    ],
  });
  expect(JSON.parse(output).result.runs[0]).toMatchObject({ offset: 0, cells: 2, dataBytes: CELL });
});

test('blocks are listed page by page, up to a number', async () => {
  const asked: unknown[] = [];
  const session = newSession({
    blocks: ({ offset = 0, limit = 0 }) => {
      asked.push([offset, limit]);
      const block = {
        stream: 'disk' as const,
        blockIndex: offset / CELL,
        offset,
        length: CELL,
        kind: 'data',
        file: '/images/web-01.hxz',
        storedOffset: 4096,
        storedLength: 100,
        ratio: 0.0244,
        compression: 'lz4',
        isEncrypted: false,
        hash: null,
        dirtyPages: 0,
        isCached: true,
      };
      return { blocks: [block], nextOffset: offset + CELL };
    },
  });
  const { output } = await runRepl('blocks disk 4096 2', { session });
  expect(asked).toEqual([
    [4096, 2],
    [8192, 1],
  ]);
  expect(output.split('\n')[2]?.replace(/ +/g, ' ')).toBe(
    '0x0000_2000 2 4.00 KiB data 0x0000_1000 100 B 2.4 % - yes',
  );
});
