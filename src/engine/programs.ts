import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where a program is that would be run by its name, or that lies in one of the other directories. */
export function findProgram(
  name: string,
  otherDirectories: readonly string[] = [],
): string | undefined {
  const directories = (process.env.PATH ?? '').split(delimiter);
  return [...directories, ...otherDirectories]
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
