import { existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { HexzError } from '../../errors.js';
import { systemFiles } from '../../overlay/files.js';
import { attempt, exists, giveName } from '../temporaryFile.js';
import { sumOfFile } from './inputs.js';

/**
 * Moves finished files to where they belong. What is there already and the same stays as it is. All are looked
 * at before the first is moved.
 *
 * @throws HexzError OUTPUT_EXISTS, OVERLAY_LOCKED, OUTPUT_FAILED
 */
export function publishFiles(
  stage: string,
  directory: string,
  names: readonly string[],
  force: boolean,
): void {
  const changed = names.filter((name) => {
    const target = join(directory, name);
    if (attempt(target, () => isSame(join(stage, name), target))) return false;
    if (existsSync(target)) checkReplaceable(target, force);
    return true;
  });
  for (const name of changed) {
    const target = join(directory, name);
    attempt(target, () => giveName(join(stage, name), target, force));
  }
}

function isSame(stagedPath: string, path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats?.isFile() !== true) return false;
  if (stats.size !== lstatSync(stagedPath).size) return false;
  return sumOfFile(path).sha256 === sumOfFile(stagedPath).sha256;
}

function checkReplaceable(path: string, force: boolean): void {
  if (!force) throw exists(path);
  if (!lstatSync(path).isFile()) return;
  const file = attempt(path, () => systemFiles.open(path, 'read'));
  try {
    if (file.lock('exclusive')) return;
    throw new HexzError('OVERLAY_LOCKED', 'another program has it open', {
      location: { file: path },
      hint: 'is it mounted? hexz status tells',
    });
  } finally {
    file.close();
  }
}
