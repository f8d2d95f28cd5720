import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildFixtures } from '../../../../src/engine/write/recipe/fixtures.js';
import { openSnapshot } from '../../../../src/index.js';
import {
  buildErrorOf,
  buildRecipe,
  builtStream,
  writeFiles,
} from '../../../support/recipeFiles.js';
import { packSnapshot } from '../../../support/snapshots.js';
import { expectSameBytes, someBytes } from '../../../support/streams.js';
import { temporaryDirectories } from '../../../support/temporary.js';

const newDirectory = temporaryDirectories();

const noise = (seed: string, length: string) => ({ random: { seed, length } });

test('a child borrows blocks from its parent, which is made beside it', async () => {
  const directory = writeFiles(newDirectory(), {
    'r.yaml': {
      parent: 'below/mother.yaml',
      disk: [{ parent: { stream: 'disk', length: '64KiB' } }, noise('b', '64KiB')],
      memory: [{ parent: 'memory' }],
    },
    'below/mother.yaml': {
      name: 'base',
      disk: [noise('a', '192KiB')],
      memory: [{ text: 'remember' }],
    },
  });
  const fixtures = await buildRecipe(directory);
  expect(fixtures.map(({ files }) => files.map(({ name }) => name))).toEqual([
    ['base.hxz'],
    ['r.hxz'],
  ]);
  expect(readdirSync(join(directory, 'out')).sort()).toEqual(['base.hxz', 'r.hxz']);
  const snapshot = openSnapshot(join(directory, 'out', 'r.hxz'));
  expect(snapshot.header.parentPaths).toEqual(['base.hxz']);
  expect([...snapshot.blocks('disk')].map(({ kind }) => kind)).toEqual(['parent', 'data']);
  snapshot.close();
  const base = builtStream(directory, 'disk', 'base.hxz');
  const disk = builtStream(directory, 'disk');
  expectSameBytes(disk.subarray(0, 65_536), base.subarray(0, 65_536));
  expect(builtStream(directory, 'memory').toString()).toBe('remember');
});

test('without thin, nothing is borrowed and no parent is named', async () => {
  const directory = writeFiles(newDirectory(), {
    'r.yaml': { parent: { recipe: 'base.yaml', thin: false }, disk: [{ parent: 'disk' }] },
    'base.yaml': { disk: [noise('a', '100KiB')] },
  });
  await buildRecipe(directory);
  const snapshot = openSnapshot(join(directory, 'out', 'r.hxz'));
  expect(snapshot.header.parentPaths).toEqual([]);
  snapshot.close();
  expectSameBytes(builtStream(directory, 'disk'), builtStream(directory, 'disk', 'base.hxz'));
});

test('passwords of parents are known from their recipes', async () => {
  const salt = '00112233445566778899aabbccddeeff';
  const directory = writeFiles(newDirectory(), {
    'r.yaml': { parent: 'base.yaml', disk: [{ parent: 'disk' }, { text: 'more' }] },
    'base.yaml': {
      disk: [noise('a', '64KiB')],
      pack: { encrypt: { password: 'pass', salt } },
    },
  });
  await buildRecipe(directory);
  const base = builtStream(directory, 'disk', 'base.hxz', ['pass']);
  const disk = builtStream(directory, 'disk', 'r.hxz', ['pass']);
  expectSameBytes(disk, Buffer.concat([base, Buffer.from('more')]));
  const snapshot = openSnapshot(join(directory, 'out', 'base.hxz'), { passwords: 'pass' });
  expect(snapshot.header.encryption?.salt.toString('hex')).toBe(salt);
  snapshot.close();
});

test('a snapshot beside the recipe can be the parent, and is brought along', async () => {
  const directory = writeFiles(newDirectory(), {
    'r.yaml': {
      parent: { snapshot: 'given.hxz', password: 'open' },
      disk: [{ parent: 'disk' }, { text: 'x' }],
    },
  });
  const given = someBytes(65_536);
  packSnapshot(join(directory, 'given.hxz'), { disk: given }, { password: 'open' });
  const [fixture] = await buildRecipe(directory);
  expect(readdirSync(join(directory, 'out')).sort()).toEqual(['given.hxz', 'r.hxz']);
  expect(fixture?.files.map(({ name }) => name)).toEqual(['r.hxz']);
  const disk = builtStream(directory, 'disk', 'r.hxz', ['open']);
  expectSameBytes(disk, Buffer.concat([given, Buffer.from('x')]));
});

test('recipes that share a parent share one making of it', async () => {
  const disk = [{ parent: 'disk' }];
  const directory = writeFiles(newDirectory(), {
    'a.yaml': { parent: 'base.yaml', disk },
    'b.yaml': { parent: 'c.yaml', disk },
    'c.yaml': { parent: 'base.yaml', disk },
    'base.yaml': { disk: [{ text: 'base' }] },
  });
  symlinkSync('base.yaml', join(directory, 'also-base.yaml'));
  const names = ['a.yaml', 'b.yaml', 'also-base.yaml', 'base.yaml', 'a.yaml'];
  const fixtures = await buildFixtures({
    recipes: names.map((name) => join(directory, name)),
    directory,
    purpose: 'build',
  });
  expect(fixtures.map(({ recipe }) => recipe.slice(directory.length + 1))).toEqual([
    'base.yaml',
    'a.yaml',
    'c.yaml',
    'b.yaml',
  ]);
});

describe('what cannot be', () => {
  const own = { disk: [{ text: 'a' }] };

  test('a parent that is the recipe itself', async () => {
    const directory = writeFiles(newDirectory(), { 'r.yaml': { parent: './r.yaml', ...own } });
    expect(await buildErrorOf(directory)).toBe(
      'PARENT_CYCLE 1:9 parent: r.yaml is made from this recipe itself',
    );
  });

  test('parents in a circle', async () => {
    const directory = writeFiles(newDirectory(), {
      'r.yaml': { parent: 'a.yaml', ...own },
      'a.yaml': { ...own, parent: 'b.yaml' },
      'b.yaml': { ...own, parent: 'r.yaml' },
    });
    expect(await buildErrorOf(directory)).toMatch(/^PARENT_CYCLE 3:9 parent: r.yaml is made from/);
  });

  test('generations without end', async () => {
    const directory = newDirectory();
    const chain = Array.from({ length: 40 }, (_, number) => [
      `${number}.yaml`,
      { parent: `${number + 1}.yaml`, ...own },
    ]);
    writeFiles(directory, { 'r.yaml': { parent: '0.yaml', ...own }, ...Object.fromEntries(chain) });
    expect(await buildErrorOf(directory)).toBe('LIMIT 1:9 parent: more than 32 generations');
  });

  test('two recipes that make files of one name', async () => {
    const directory = writeFiles(newDirectory(), {
      'r.yaml': { parent: 'base.yaml', ...own },
      'base.yaml': { ...own, name: 'r' },
    });
    expect(await buildErrorOf(directory)).toMatch(/^USAGE would make r.hxz, as does .*base.yaml$/);
  });

  test('files of one recipe that share a name', async () => {
    const overlay = { file: 'r.hxz', writes: [] };
    const directory = writeFiles(newDirectory(), { 'r.yaml': { ...own, overlay } });
    expect(await buildErrorOf(directory)).toMatch(/^USAGE would make r.hxz/);
  });

  test('a snapshot that has parents', async () => {
    const directory = writeFiles(newDirectory(), {
      'r.yaml': { parent: 'base.yaml', ...own },
      'base.yaml': own,
    });
    await buildRecipe(directory);
    writeFiles(directory, { 'out/r.yaml': { name: 'child', parent: 'r.hxz', ...own } });
    expect(await buildErrorOf(join(directory, 'out'))).toBe(
      'RECIPE_INVALID 2:9 parent: the snapshot has parents itself; make it from a recipe',
    );
  });
});

describe('nothing outside the directory of a recipe is read', () => {
  const secret = () => {
    const outside = newDirectory();
    writeFileSync(join(outside, 'secret'), 'secret');
    const directory = join(outside, 'recipes');
    mkdirSync(directory);
    symlinkSync('../secret', join(directory, 'link'));
    symlinkSync('..', join(directory, 'up'));
    return directory;
  };

  test.each([
    ['/etc/passwd', 'must lie in the directory of the recipe, or below it'],
    ['../secret', 'must lie in the directory of the recipe, or below it'],
    ['a/../../secret', 'must lie in the directory of the recipe, or below it'],
    ['link', 'leads out of the directory of the recipe by a symbolic link'],
    ['up/secret', 'leads out of the directory of the recipe by a symbolic link'],
    ['absent', 'cannot read absent: no such file or directory'],
    ['', 'must be a path'],
  ])('%j', async (path, message) => {
    const directory = secret();
    const uses = {
      'disk[0].file': { disk: [{ file: path }] },
      parent: { parent: { recipe: path }, disk: [] },
      'disk[0].ext4.from': { disk: [{ ext4: { size: '1MiB', from: path } }] },
    };
    for (const [field, recipe] of Object.entries(uses)) {
      writeFiles(directory, { 'r.yaml': recipe });
      const error = await buildErrorOf(directory);
      expect(error.replace(/ \d+:\d+ /, ' ')).toBe(`RECIPE_INVALID ${field}: ${message}`);
    }
  });

  test('directories and pipes are no files', async () => {
    const directory = writeFiles(newDirectory(), { 'r.yaml': { disk: [{ file: 'below' }] } });
    mkdirSync(join(directory, 'below'));
    expect(await buildErrorOf(directory)).toBe('UNREADABLE is not a regular file');
  });
});
