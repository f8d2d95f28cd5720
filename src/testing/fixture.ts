import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HexzError } from '../engine/errors.js';

/** Path of a snapshot, or of a recipe that makes one; relative to the current directory. */
export type Fixture = string | URL;

/** What is mounted. */
export interface FoundFixture {
  readonly snapshot: string;
  /** Data file of the overlay that the recipe makes. */
  readonly overlay: string | undefined;
  /** That the recipe names. */
  readonly passwords: readonly string[];
}

export const pathOf = (place: string | URL): string =>
  resolve(place instanceof URL || place.startsWith('file:') ? fileURLToPath(place) : place);

/** Where what recipes make is kept from run to run; it may be removed at any time when no test runs. */
export function defaultCacheDirectory(): string {
  const { XDG_CACHE_HOME: cache = '' } = process.env;
  return join(isAbsolute(cache) ? cache : join(homedir(), '.cache'), 'hexz', 'fixtures');
}

/** What was looked up before in this process: nobody changes a recipe while its tests run. */
const known = new Map<string, Promise<FoundFixture>>();

/**
 * Finds what is to be mounted; a recipe is made unless it was before.
 *
 * @param elsewhere an empty directory for what cannot be kept
 * @throws HexzError of the recipe; FIXTURE_MISMATCH when it makes other bytes than its lock file says
 */
export async function findFixture(
  fixture: Fixture,
  cacheDirectory: string,
  elsewhere: string,
): Promise<FoundFixture> {
  const path = pathOf(fixture);
  if (!/\.ya?ml$/i.test(path)) return { snapshot: path, overlay: undefined, passwords: [] };
  const name = `${cacheDirectory}\0${path}`;
  const before = known.get(name);
  if (before !== undefined) return before;
  const found = makeFixture(path, cacheDirectory, elsewhere);
  const isKept = (await found.catch(() => undefined))?.snapshot.startsWith(cacheDirectory) === true;
  if (isKept) known.set(name, found);
  return found;
}

async function makeFixture(
  recipe: string,
  cacheDirectory: string,
  elsewhere: string,
): Promise<FoundFixture> {
  // Whoever mounts snapshots does not pay for what makes them.
  const { cachedFixture } = await import('../engine/write/recipe/cachedFixture.js');
  return cachedFixture(recipe, cacheDirectory, elsewhere);
}

/**
 * A copy, in a directory, of the overlay that a recipe makes.
 *
 * @throws HexzError USAGE where it makes none
 */
export async function copyOfOverlay(
  { overlay, snapshot }: FoundFixture,
  directory: string,
): Promise<string> {
  if (overlay === undefined) {
    throw new HexzError('USAGE', 'overlay: true wants a recipe that makes an overlay', {
      location: { file: snapshot },
    });
  }
  const { copyOverlay } = await import('../engine/write/recipe/cachedFixture.js');
  return copyOverlay(overlay, directory);
}
