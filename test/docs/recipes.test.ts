import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { byteSizeOf } from '../../src/engine/byteSize.js';
import { MAX_DISK_BYTES } from '../../src/engine/overlay/pages.js';
import * as limits from '../../src/engine/write/recipe/limits.js';
import { projectDirectory } from '../support/fixtures.js';
import { buildRecipe, writeFiles } from '../support/recipeFiles.js';
import { requires } from '../support/requires.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();
const text = readFileSync(join(projectDirectory, 'docs', 'recipes.md'), 'utf8');

test.runIf(requires('e2fsprogs'))('the example of docs/recipes.md can be made', async () => {
  const recipe = /```yaml\n([\s\S]*?)```/.exec(text)?.[1];
  const directory = writeFiles(newDirectory(), { 'r.yaml': recipe });
  const [fixture] = await buildRecipe(directory);
  expect(fixture?.files.map(({ name }) => name)).toEqual([
    'r.hxz',
    'example.overlay',
    'example.meta',
    'example.overlay.hexz.json',
  ]);
});

test('docs/recipes.md tells the limits that the code has', () => {
  const rows = new Map(
    [...text.matchAll(/^\| ([^|]+?) +\| ([^|]+?) +\|$/gm)].map(([, a, b]) => [a, b]),
  );
  const sizeOf = (name: string) =>
    byteSizeOf(rows.get(name)?.split(',')[0]?.replace(' ', '') ?? '');
  expect(sizeOf('a recipe')).toBe(limits.MAX_RECIPE_BYTES);
  expect(rows.get('a recipe')).toContain(`${limits.MAX_ALIASES} aliases`);
  expect(sizeOf('a disk or memory')).toBe(MAX_DISK_BYTES);
  expect(sizeOf('of that, bytes that are not zeros; writes of an overlay')).toBe(
    limits.MAX_DATA_BYTES,
  );
  expect(rows.get('blocks of a stream')).toBe(`2^${Math.log2(limits.MAX_BLOCKS)}`);
  expect(sizeOf('an ext4')).toBe(limits.MAX_EXT4_BYTES);
  expect(rows.get('an ext4')).toContain('65 536 entries');
  expect(limits.MAX_TREE_ENTRIES).toBe(65_536);
  expect(rows.get('a path in an ext4')).toBe(`${limits.MAX_TREE_PATH_BYTES} bytes`);
  expect(rows.get('generations of parents')).toBe(String(limits.MAX_GENERATIONS));
});
