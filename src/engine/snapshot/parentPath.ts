import { statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';

/**
 * Where a parent is looked for, in order (docs/format.md, "Finding a parent"): at the stored path
 * (a relative one is relative to the file that names it), by its last component beside that file, then
 * in every directory the user gave, by path and by last component.
 */
export function parentCandidates(
  storedPath: string,
  childPath: string,
  parentDirectories: readonly string[],
): string[] {
  const childDirectory = dirname(childPath);
  const name = basename(storedPath);
  const candidates = [
    isAbsolute(storedPath) ? storedPath : join(childDirectory, storedPath),
    join(childDirectory, name),
    ...parentDirectories.flatMap((directory) => [
      join(directory, storedPath),
      join(directory, name),
    ]),
  ];
  return [...new Set(candidates)];
}

/**
 * The first candidate that is a regular file. All but the stored path itself are guesses, and the child is
 * not a good one: it may bear the name of its parent.
 */
export function findParent(
  candidates: readonly string[],
  childIdentity: string,
): string | undefined {
  return candidates.find((path, position) => {
    try {
      const stats = statSync(path);
      const isChild = `${stats.dev}:${stats.ino}` === childIdentity;
      return stats.isFile() && (position === 0 || !isChild);
    } catch {
      return false;
    }
  });
}
