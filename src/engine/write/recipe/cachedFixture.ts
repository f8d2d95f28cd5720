import { createHash, type Hash } from 'node:crypto';
import {
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { HexzError } from '../../errors.js';
import { overlayPaths } from '../../overlay/paths.js';
import { attempt } from '../temporaryFile.js';
import { buildFixtures, type Fixture } from './fixtures.js';
import { sumOfFile, treeFiles } from './inputs.js';
import { type Lock, lockPathOf, readLock, writeLock } from './lock.js';
import { type Recipe, readRecipe } from './recipe.js';

/** What a recipe makes, in a directory together with what its parents make: for reading only. */
export interface CachedFixture {
  readonly snapshot: string;
  /** Data file, if the recipe makes an overlay. */
  readonly overlay: string | undefined;
  /** Of the snapshot and its parents: a recipe's are no secret. */
  readonly passwords: readonly string[];
}

/** Beside what was made: what that is. */
const MADE = '.made.lock.json';

/**
 * What a recipe makes, made now unless it was before. Found again is only what was made of the same recipe, parents,
 * lock files and inputs, and has not been changed since. A recipe without a lock file, or with parents of which one
 * has none, is not found again, and is made in `elsewhere`.
 *
 * @param cacheDirectory is made where it does not exist; several processes may use it
 * @param elsewhere an empty directory
 * @throws HexzError as `buildFixtures`; FIXTURE_MISMATCH for one whose lock file does not agree. Other tools may
 *   make other bytes
 */
export async function cachedFixture(
  recipePath: string,
  cacheDirectory: string,
  elsewhere: string,
): Promise<CachedFixture> {
  const recipes = lineageOf(recipePath);
  const key = keyOf(recipes);
  let directory = elsewhere;
  if (key === undefined) await make(recipePath, elsewhere);
  else directory = await makeOnce(recipePath, cacheDirectory, `${nameOf(recipePath)}-${key}`);
  const { name = nameOf(recipePath), overlay } = recipes[0]?.spec ?? {};
  return {
    snapshot: join(directory, `${name}.hxz`),
    overlay: overlay && join(directory, overlay.file),
    passwords: recipes.flatMap(passwordsOf),
  };
}

async function makeOnce(recipePath: string, cacheDirectory: string, name: string): Promise<string> {
  const directory = join(cacheDirectory, name);
  if (isWhole(directory)) return directory;
  attempt(cacheDirectory, () => mkdirSync(cacheDirectory, { recursive: true }));
  const own = attempt(cacheDirectory, () => mkdtempSync(join(cacheDirectory, '.making-')));
  try {
    writeLock(join(own, MADE), await make(recipePath, own));
    // What is there, and not whole, was damaged.
    if (!isWhole(directory)) rmSync(directory, { recursive: true, force: true });
    renameSync(own, directory);
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    // Another process was faster.
    if (error instanceof HexzError || !isWhole(directory)) throw error;
  }
  return directory;
}

/** Makes a recipe and its parents; answers what all their files are. */
async function make(recipePath: string, directory: string): Promise<Lock> {
  const fixtures = await buildFixtures({ recipes: [recipePath], directory, purpose: 'build' });
  for (const fixture of fixtures) checkState(fixture);
  const files = fixtures.flatMap((fixture) => fixture.files);
  return {
    tools: { encoder: fixtures.at(-1)?.tools.encoder ?? '' },
    inputs: {},
    files: Object.fromEntries(files.map(({ name, bytes, sha256 }) => [name, { bytes, sha256 }])),
  };
}

function checkState({ state, recipe, differences }: Fixture): void {
  if (state !== 'mismatch') return;
  throw new HexzError('FIXTURE_MISMATCH', differences.join('; '), {
    location: { file: recipe },
    hint: 'hexz fixture build --update records what it makes now, if that is as it should be',
  });
}

/** Whether everything that was made is there, as it was made. */
function isWhole(directory: string): boolean {
  try {
    const made = readLock(join(directory, MADE));
    if (made === undefined) return false;
    return Object.entries(made.files).every(([name, { bytes, sha256 }]) => {
      const path = join(directory, name);
      return statSync(path).size === bytes && sumOfFile(path).sha256 === sha256;
    });
  } catch {
    return false;
  }
}

const nameOf = (recipePath: string): string => basename(recipePath).replace(/\.ya?ml$/i, '');

/** A recipe, its parent, the parent of that, and so on. Cycles are left to the builder to refuse. */
function lineageOf(path: string): readonly Recipe[] {
  const recipes: Recipe[] = [];
  const seen = new Set<string>();
  for (let next: string | undefined = path; next !== undefined && !seen.has(next); ) {
    seen.add(next);
    const recipe = readRecipe(next);
    recipes.push(recipe);
    const { parent } = recipe.spec;
    next = parent?.kind === 'recipe' ? join(dirname(next), parent.path) : undefined;
  }
  return recipes;
}

const passwordsOf = ({ spec: { pack, parent } }: Recipe): readonly string[] =>
  [pack.encryption?.password, parent?.password].filter((password) => password !== undefined);

/** Stands for everything that has a part in what is made; undefined where not everything is known. */
function keyOf(recipes: readonly Recipe[]): string | undefined {
  const hash = createHash('sha256');
  for (const { path } of recipes) {
    const lockPath = lockPathOf(path);
    const lock = readLock(lockPath);
    if (lock === undefined) return undefined;
    for (const file of [path, lockPath]) addFile(hash, file);
    for (const input of Object.keys(lock.inputs)) addInput(hash, join(dirname(path), input));
  }
  return hash.digest('hex').slice(0, 32);
}

/** An input that is gone makes another key, and making it then says what is missing. */
function addInput(hash: Hash, path: string): void {
  if (!existsSync(path)) hash.update('none\0');
  else if (!statSync(path).isDirectory()) addFile(hash, path);
  else {
    for (const file of treeFiles(path)) {
      hash.update(`${file.path}\0${file.type}\0${file.isExecutable}\0${file.target}\0`);
      if (file.type === 'file') addFile(hash, join(path, file.path));
    }
  }
}

const addFile = (hash: Hash, path: string): unknown => hash.update(sumOfFile(path).sha256);

/**
 * Copies the files of an overlay, so that they can be written.
 *
 * @returns path of the copied data file
 * @throws HexzError OUTPUT_FAILED
 */
export function copyOverlay(dataPath: string, directory: string): string {
  for (const path of Object.values(overlayPaths(dataPath)).filter((path) => existsSync(path))) {
    const target = join(directory, basename(path));
    attempt(target, () => copyFileSync(path, target, constants.COPYFILE_FICLONE));
  }
  return join(directory, basename(dataPath));
}
