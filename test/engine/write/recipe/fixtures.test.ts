import { readdirSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { verifyOverlay } from '../../../../src/engine/overlay/maintenance.js';
import { baseDiskOf } from '../../../../src/engine/volume/volume.js';
import { buildFixtures } from '../../../../src/engine/write/recipe/fixtures.js';
import { openSnapshot, verifyChain } from '../../../../src/index.js';
import { builtRecipe, recipeDirectory, recipePath } from '../../../support/recipes.js';
import { requires } from '../../../support/requires.js';
import { readRange } from '../../../support/streams.js';

const names = readdirSync(recipeDirectory)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.replace('.yaml', ''));
const needsExt4 = (name: string): boolean =>
  readFileSync(recipePath(name), 'utf8').includes('ext4:');
const buildable = requires('e2fsprogs') ? names : names.filter((name) => !needsExt4(name));

describe('the recipes of the project', () => {
  test('are at least twelve', () => {
    expect(names.length).toBeGreaterThanOrEqual(12);
  });

  test.each(buildable)('%s makes what its lock file says', async (name) => {
    const recipes = [recipePath(name)];
    for (const fixture of await buildFixtures({ recipes, purpose: 'check' })) {
      expect(fixture).toMatchObject({ state: 'same', differences: [] });
    }
  });

  test.each(buildable)('%s is sound and small', async (name) => {
    const { snapshot: path, overlay } = await builtRecipe(name);
    expect(statSync(path).size).toBeLessThan(1024 ** 2);
    const snapshot = openSnapshot(path, { passwords: 'correct horse' });
    expect([...verifyChain(snapshot)].flatMap(({ finding }) => finding ?? [])).toEqual([]);
    const recipe = readFileSync(recipePath(name), 'utf8');
    if (recipe.includes('overlay:')) {
      const { findings } = await verifyOverlay(overlay, baseDiskOf(snapshot));
      // Each has a page that was written and not changed.
      expect(findings.map(({ kind }) => kind)).toEqual(['equal-to-base']);
    }
    snapshot.close();
  });
});

test('the demo holds what it shall show', async () => {
  if (!buildable.includes('demo')) return;
  const { snapshot: path } = await builtRecipe('demo');
  const snapshot = openSnapshot(path);
  expect(snapshot.streamLength('disk')).toBe(16 * 1024 ** 2);
  expect(readRange(snapshot, 'memory', 1024 ** 2, 28).toString()).toBe(
    'Linux version 6.1.0-demo (bu',
  );
  snapshot.close();
});
