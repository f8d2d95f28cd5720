import { lstatSync, mkdtempSync, realpathSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';

const PREFIX = 'hexz-inspect-';

/**
 * Makes an empty directory to mount on, and answers its real path.
 *
 * @throws HexzError MOUNTPOINT_UNUSABLE
 */
export function makeTemporaryMountpoint(): string {
  try {
    return mkdtempSync(join(realpathSync(tmpdir()), PREFIX));
  } catch (cause) {
    const problem = describeSystemError(cause);
    throw new HexzError('MOUNTPOINT_UNUSABLE', `cannot make a temporary mountpoint: ${problem}`, {
      location: { file: tmpdir() },
      hint: 'name a mountpoint, or give --no-mount',
      cause,
    });
  }
}

export const isTemporaryMountpoint = (path: string): boolean => basename(path).startsWith(PREFIX);

/** Removes one that its engine could not remove, unless there is something in it. Nothing may be mounted there. */
export function sweepTemporaryMountpoint(path: string): void {
  try {
    // Paths come from a file: nothing is removed but what an engine of this user may have made.
    if (!isTemporaryMountpoint(path) || dirname(path) !== realpathSync(tmpdir())) return;
    if (lstatSync(path).uid === process.getuid?.()) rmdirSync(path);
  } catch {
    // It is gone, or cannot be removed: no reason not to list mounts.
  }
}
