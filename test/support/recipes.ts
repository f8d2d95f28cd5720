import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { buildFixtures } from '../../src/engine/write/recipe/fixtures.js';
import { projectDirectory } from './fixtures.js';

/** The recipes of the project. */
export const recipeDirectory = join(projectDirectory, 'fixtures', 'recipes');

/** By name, without `.yaml`. */
export const recipePath = (name: string): string => join(recipeDirectory, `${name}.yaml`);

export interface BuiltRecipe {
  /** What the recipe and its parents make lies in it. */
  readonly directory: string;
  readonly snapshot: string;
  /** The data file, if the recipe makes one; list and side file lie beside it. */
  readonly overlay: string;
}

/**
 * What a recipe of the project makes, built once for all tests of a run: for reading only. A test that mounts an
 * overlay for writing copies its three files first. Recipes with an ext4 need e2fsprogs (`requires`).
 */
export async function builtRecipe(name: string): Promise<BuiltRecipe> {
  const shared = inject('recipeDirectory');
  const directory = join(shared, name);
  if (!existsSync(directory)) {
    const own = mkdtempSync(join(shared, '.building-'));
    await buildFixtures({ recipes: [recipePath(name)], directory: own, purpose: 'build' });
    try {
      renameSync(own, directory);
    } catch {
      // Another test file was faster, with the same bytes.
      rmSync(own, { recursive: true });
    }
  }
  return {
    directory,
    snapshot: join(directory, `${name}.hxz`),
    overlay: join(directory, `${name}.overlay`),
  };
}
