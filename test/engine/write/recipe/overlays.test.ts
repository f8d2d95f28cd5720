import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openOverlay } from '../../../../src/engine/volume/openOverlay.js';
import { openSnapshot } from '../../../../src/index.js';
import {
  buildErrorOf,
  buildRecipe,
  builtFile,
  builtStream,
  writeFiles,
} from '../../../support/recipeFiles.js';
import { expectSameBytes } from '../../../support/streams.js';
import { temporaryDirectories } from '../../../support/temporary.js';

const newDirectory = temporaryDirectories();

const recipeWith = (writes: readonly unknown[], disk: readonly unknown[] = [{ zeros: 10_000 }]) =>
  writeFiles(newDirectory(), { 'r.yaml': { disk, overlay: { file: 'r.overlay', writes } } });

/** What a mount of the overlay would show, and which pages it holds. */
function merged(directory: string, passwords: readonly string[] = []) {
  const snapshot = openSnapshot(join(directory, 'out', 'r.hxz'), { passwords });
  const path = join(directory, 'out', 'r.overlay');
  const overlay = openOverlay(snapshot, { path, access: 'read' });
  try {
    const disk = Buffer.alloc(overlay.length);
    overlay.readInto(0, disk);
    return { disk, extents: [...overlay.extents()], warnings: overlay.warnings };
  } finally {
    overlay.close();
    snapshot.close();
  }
}

test('writes and truncations are done in their order', async () => {
  const directory = recipeWith(
    [
      { offset: 1, text: 'one' },
      { offset: 2, text: 'two' },
      { truncate: 3 },
      { truncate: '8KiB' },
      { offset: 9000, pattern: { hex: 'ff', length: 3 } },
      { offset: 4096, zeros: 2 },
    ],
    [{ pattern: { text: '.', length: 5000 } }],
  );
  await buildRecipe(directory);
  const { disk, extents, warnings } = merged(directory);
  const expected = Buffer.alloc(9003);
  expected.write('.ot');
  expected.fill(0xff, 9000);
  expectSameBytes(disk, expected);
  expect(extents).toEqual([{ pageIndex: 0, pageCount: 3 }]);
  expect(warnings).toEqual([]);
});

test('a text is found where it is, also across what is searched at once', async () => {
  const directory = recipeWith(
    [
      { find: 'needle', text: 'NEEDLE' },
      { find: 'NEEDLE', rewrite: 2 },
    ],
    [{ zeros: 1024 ** 2 - 3 }, { text: 'needle' }, { zeros: '1MiB' }],
  );
  await buildRecipe(directory);
  const { disk, extents } = merged(directory);
  expect(disk.indexOf('NEEDLE')).toBe(1024 ** 2 - 3);
  expect(extents).toEqual([{ pageIndex: 255, pageCount: 2 }]);
});

test('what is rewritten is dirty and the same', async () => {
  const directory = recipeWith(
    [{ offset: 5000, rewrite: 4000 }],
    [{ text: { seed: 1, length: 9500 } }],
  );
  await buildRecipe(directory);
  const { disk, extents } = merged(directory);
  expectSameBytes(disk, builtStream(directory, 'disk'));
  expect(extents).toEqual([{ pageIndex: 1, pageCount: 2 }]);
});

test('bytes of the parent can be written', async () => {
  const directory = writeFiles(newDirectory(), {
    'r.yaml': {
      parent: 'base.yaml',
      disk: [{ zeros: 100 }],
      overlay: {
        file: 'r.overlay',
        writes: [{ offset: 10, parent: { stream: 'disk', offset: 4, length: 4 } }],
      },
    },
    'base.yaml': { disk: [{ text: '0123456789' }] },
  });
  await buildRecipe(directory);
  expect(merged(directory).disk.toString('latin1', 9, 15)).toBe('\x004567\0');
});

test('an overlay lies on an encrypted disk, too', async () => {
  const directory = writeFiles(newDirectory(), {
    'r.yaml': {
      disk: [{ text: 'secret text' }],
      pack: { encrypt: { password: 'p', salt: '00112233445566778899aabbccddeeff' } },
      overlay: { file: 'r.overlay', writes: [{ find: 'text', text: 'TEXT' }] },
    },
  });
  await buildRecipe(directory);
  expect(merged(directory, ['p']).disk.toString()).toBe('secret TEXT');
});

test('the files of the overlay tell neither time nor place', async () => {
  const directory = recipeWith([{ offset: 0, text: 'x' }]);
  await buildRecipe(directory);
  expect(readdirSync(join(directory, 'out')).sort()).toEqual([
    'r.hxz',
    'r.meta',
    'r.overlay',
    'r.overlay.hexz.json',
  ]);
  expect(JSON.parse(builtFile(directory, 'r.overlay.hexz.json').toString())).toEqual({
    version: 1,
    base: { path: 'r.hxz', identity: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown },
    bootId: '00000000-0000-4000-8000-000000000000',
    openedBy: null,
    diskLength: 10_000,
    dataLength: 4096,
    listLength: 8,
    lowestTruncation: null,
  });
});

describe('steps that cannot be taken leave nothing', () => {
  test.each([
    [{ find: 'absent', text: 'x' }, '6:13 overlay.writes[0].find: the text is nowhere on the disk'],
    [{ find: 'ab', text: 'x' }, '6:13 overlay.writes[0].find: the text is at 0 and 2 on the disk'],
    [{ offset: 3, rewrite: 2 }, '7:16 overlay.writes[0].rewrite: reaches behind the end, at 4'],
  ])('%j', async (step, message) => {
    const directory = recipeWith([step], [{ text: 'abab' }]);
    expect(await buildErrorOf(directory)).toBe(`RECIPE_INVALID ${message}`);
    expect(readdirSync(join(directory, 'out'))).toEqual([]);
  });

  test('more than an overlay can be given', async () => {
    const directory = recipeWith([{ offset: '16TiB', text: 'x' }]);
    expect(await buildErrorOf(directory)).toBe(
      'LIMIT 6:7 overlay.writes[0]: more than an overlay can be given',
    );
    expect(existsSync(join(directory, 'out', 'r.hxz'))).toBe(false);
  });
});
