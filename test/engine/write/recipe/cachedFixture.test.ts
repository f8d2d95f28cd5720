import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cachedFixture, copyOverlay } from '../../../../src/engine/write/recipe/cachedFixture.js';
import { buildFixtures } from '../../../../src/engine/write/recipe/fixtures.js';
import { sha256 } from '../../../support/fixtures.js';
import { writeFiles } from '../../../support/recipeFiles.js';
import { requires } from '../../../support/requires.js';
import { temporaryDirectories } from '../../../support/temporary.js';

const newDirectory = temporaryDirectories();

const overlay = { file: 'r.overlay', writes: [{ offset: 0, text: 'new' }] };

/** A recipe with a parent, inputs and an overlay, all with lock files. */
async function newRecipes(): Promise<{ directory: string; recipe: string; cache: string }> {
  const directory = writeFiles(newDirectory(), {
    'parent.yaml': { disk: [{ text: { seed: 'p', length: 9000 } }] },
    'r.yaml': {
      parent: 'parent.yaml',
      disk: [{ parent: 'disk' }, { file: 'input' }],
      overlay,
    },
    input: 'first',
  });
  await lock(directory);
  return { directory, recipe: join(directory, 'r.yaml'), cache: join(directory, 'new', 'cache') };
}

async function lock(directory: string): Promise<void> {
  const recipes = ['parent.yaml', 'r.yaml'].map((name) => join(directory, name));
  await buildFixtures({ recipes, directory: newDirectory(), purpose: 'update' });
}

const find = ({ recipe, cache }: { recipe: string; cache: string }) =>
  cachedFixture(recipe, cache, newDirectory());

describe('cachedFixture', () => {
  test('makes a recipe, and finds it again', async () => {
    const recipes = await newRecipes();
    const made = await find(recipes);
    expect(made).toEqual({
      snapshot: join(dirname(made.snapshot), 'r.hxz'),
      overlay: join(dirname(made.snapshot), 'r.overlay'),
      passwords: [],
    });
    expect(readdirSync(dirname(made.snapshot))).toEqual(
      expect.arrayContaining(['parent.hxz', 'r.hxz', 'r.meta', 'r.overlay', 'r.overlay.hexz.json']),
    );
    const { ino } = statSync(made.snapshot);
    expect(await find(recipes)).toEqual(made);
    expect(statSync(made.snapshot).ino).toBe(ino);
    expect(readdirSync(recipes.cache)).toHaveLength(1);
  });

  test('makes it once, though many want it', async () => {
    const recipes = await newRecipes();
    const found = await Promise.all([1, 2, 3, 4].map(() => find(recipes)));
    expect(new Set(found.map(({ snapshot }) => snapshot)).size).toBe(1);
    expect(readdirSync(recipes.cache)).toHaveLength(1);
  });

  test('makes it anew where it was changed', async () => {
    const recipes = await newRecipes();
    const { snapshot } = await find(recipes);
    const bytes = readFileSync(snapshot);
    chmodSync(snapshot, 0o644);
    writeFileSync(snapshot, Buffer.alloc(bytes.length, 1));
    await find(recipes);
    expect(readFileSync(snapshot)).toEqual(bytes);
    writeFileSync(join(dirname(snapshot), 'parent.hxz'), '');
    await find(recipes);
    expect(statSync(join(dirname(snapshot), 'parent.hxz')).size).toBeGreaterThan(0);
  });

  test.each([
    ['the recipe', { 'r.yaml': { disk: [{ text: 'other' }], overlay } }],
    ['its parent', { 'parent.yaml': { disk: [{ text: { seed: 'q', length: 9000 } }] } }],
    ['an input', { input: 'other' }],
  ])('refuses what its lock file does not say, because %s is another', async (_, files) => {
    const recipes = await newRecipes();
    const before = await find(recipes);
    writeFiles(recipes.directory, files);
    await expect(find(recipes)).rejects.toMatchObject({
      code: 'FIXTURE_MISMATCH',
      hint: expect.stringContaining('--update'),
    });
    expect(readdirSync(recipes.cache)).toHaveLength(1);
    await lock(recipes.directory);
    expect((await find(recipes)).snapshot).not.toBe(before.snapshot);
  });

  test.runIf(requires('e2fsprogs'))(
    'looks at all files of an input that is a directory',
    async () => {
      const directory = writeFiles(newDirectory(), {
        'r.yaml': { disk: [{ ext4: { size: '1MiB', from: 'tree' } }] },
        'tree/below/a': 'first',
      });
      const recipe = join(directory, 'r.yaml');
      await buildFixtures({ recipes: [recipe], directory: newDirectory(), purpose: 'update' });
      const recipes = { recipe, cache: join(directory, 'cache') };
      await find(recipes);
      writeFiles(directory, { 'tree/below/a': 'other' });
      await expect(find(recipes)).rejects.toMatchObject({ code: 'FIXTURE_MISMATCH' });
    },
  );

  test('does not keep what has no lock file', async () => {
    const directory = writeFiles(newDirectory(), { 'r.yaml': { disk: [{ text: 'x' }] } });
    const elsewhere = newDirectory();
    const cache = join(directory, 'cache');
    const { snapshot } = await cachedFixture(join(directory, 'r.yaml'), cache, elsewhere);
    expect(snapshot).toBe(join(elsewhere, 'r.hxz'));
    expect(readdirSync(directory)).toEqual(['r.yaml']);
  });
});

test('copyOverlay copies all files of an overlay', async () => {
  const made = await find(await newRecipes());
  const directory = newDirectory();
  expect(copyOverlay(made.overlay ?? '', directory)).toBe(join(directory, 'r.overlay'));
  expect(readdirSync(directory).sort()).toEqual(['r.meta', 'r.overlay', 'r.overlay.hexz.json']);
  expect(sha256(readFileSync(join(directory, 'r.overlay')))).toBe(
    sha256(readFileSync(made.overlay ?? '')),
  );
});
