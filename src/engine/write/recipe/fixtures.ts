import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { attempt } from '../temporaryFile.js';
import { type BuildProgress, type Built, RecipeBuilder } from './builder.js';
import type { FileSum } from './inputs.js';
import { compareLocks, type Lock, lockPathOf, readLock, type Tools, writeLock } from './lock.js';
import { publishFiles } from './publish.js';

export interface FixtureOptions {
  /** Paths of recipes. */
  readonly recipes: readonly string[];
  /** Where what they make goes; not for checking. */
  readonly directory?: string;
  /** check: make everything elsewhere, compare, and throw it away. update: renew the lock files, too. */
  readonly purpose: 'build' | 'check' | 'update';
  /** Replace files of the same names that hold something else. */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BuildProgress) => void;
}

/** What became of one recipe. */
export interface Fixture {
  readonly recipe: string;
  readonly lock: string;
  /** none: there is no lock file. renewed: it is new, or says something new. */
  readonly state: 'same' | 'mismatch' | 'tool-differs' | 'none' | 'renewed';
  /** Between what was made and what is locked, one sentence each. */
  readonly differences: readonly string[];
  /** Of making it. */
  readonly warnings: readonly string[];
  readonly tools: Tools;
  readonly files: readonly FixtureFile[];
}

interface FixtureFile extends FileSum {
  readonly name: string;
  /** Undefined: it was made for a check, and is gone. */
  readonly path: string | undefined;
}

/**
 * Makes what recipes describe: parents first, each recipe once. Nothing gets its name before everything is
 * made; what fails or is aborted leaves nothing behind.
 *
 * @returns the recipes that were named and those of their parents, in the order in which they were made
 * @throws HexzError for a recipe that cannot be made; the reason of `signal`. That a lock file does not agree is
 *   no error
 */
export async function buildFixtures(options: FixtureOptions): Promise<readonly Fixture[]> {
  const { recipes, purpose, signal, onProgress } = options;
  const directory = purpose === 'check' ? tmpdir() : (options.directory ?? '.');
  const prefix = join(resolve(directory), '.hexz-fixture-');
  signal?.throwIfAborted();
  const stage = attempt(directory, () => {
    mkdirSync(directory, { recursive: true });
    return mkdtempSync(prefix);
  });
  const removeStage = () => rmSync(stage, { recursive: true, force: true });
  // At once: who aborts may end the process right behind it.
  signal?.addEventListener('abort', removeStage);
  try {
    const builder = new RecipeBuilder({ stage, signal, onProgress });
    const named = new Set<Built>();
    for (const recipe of recipes) named.add(await builder.build(recipe));
    signal?.throwIfAborted();
    if (purpose !== 'check') {
      publishFiles(stage, directory, builder.fileNames, options.force === true);
    }
    return builder.built.map((built) => {
      const isRenewed = purpose === 'update' && named.has(built);
      return fixtureOf(built, isRenewed, purpose === 'check' ? undefined : directory);
    });
  } catch (error) {
    // What was aborted fails in many ways.
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', removeStage);
    removeStage();
  }
}

function fixtureOf(built: Built, isRenewed: boolean, directory: string | undefined): Fixture {
  const { path, made, warnings } = built;
  const lockPath = lockPathOf(path);
  return {
    recipe: path,
    lock: lockPath,
    ...(isRenewed ? renew(lockPath, made) : compare(lockPath, made)),
    warnings,
    tools: made.tools,
    files: Object.entries(made.files).map(([name, sum]) => ({
      name,
      path: directory === undefined ? undefined : join(directory, name),
      ...sum,
    })),
  };
}

function compare(lockPath: string, made: Lock): Pick<Fixture, 'state' | 'differences'> {
  const locked = readLock(lockPath);
  return locked === undefined ? { state: 'none', differences: [] } : compareLocks(made, locked);
}

function renew(lockPath: string, made: Lock): Pick<Fixture, 'state' | 'differences'> {
  const isNew = writeLock(lockPath, made);
  return { state: isNew ? 'renewed' : 'same', differences: [] };
}
