import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { identityOfFile } from './source.js';

/**
 * Where a parent is looked for, in order (docs/format.md, "Finding a parent"): at the stored path
 * (a relative one is relative to the file that names it), by its last component beside that file, then
 * in every directory the user gave, by path and by last component. A child that is a symbolic link stands
 * where it stands and where the link leads.
 */
export function parentCandidates(
  storedPath: string,
  childPath: string,
  parentDirectories: readonly string[],
): string[] {
  const name = basename(storedPath);
  const besideChild = [childPath, realPath(childPath)]
    .map(dirname)
    .flatMap((directory) => [
      isAbsolute(storedPath) ? storedPath : join(directory, storedPath),
      join(directory, name),
    ]);
  const inDirectories = parentDirectories.flatMap((directory) => [
    join(directory, storedPath),
    join(directory, name),
  ]);
  return [...new Set([...besideChild, ...inDirectories])];
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/**
 * The first candidate that is a regular file. All but the stored path itself are guesses, and what the
 * search comes from is not a good one: a child may bear the name of its parent.
 *
 * @param lineage identities of the child and its own descendants
 */
export function findParent(
  candidates: readonly string[],
  lineage: readonly string[],
): string | undefined {
  return candidates.find((path, position) => {
    const identity = identityOfFile(path);
    return identity !== undefined && (position === 0 || !lineage.includes(identity));
  });
}
