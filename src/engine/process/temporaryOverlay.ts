import { lstatSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { HexzError } from '../errors.js';
import { systemFiles } from '../overlay/files.js';
import { describeSystemError } from '../systemErrors.js';

const DIRECTORY_PREFIX = 'hexz-overlay-';

/**
 * Makes a directory for the files of a temporary overlay.
 *
 * @throws HexzError OVERLAY_UNUSABLE
 */
export function makeTemporaryDirectory(): string {
  try {
    return mkdtempSync(join(tmpdir(), DIRECTORY_PREFIX));
  } catch (cause) {
    const message = `cannot create a temporary overlay: ${describeSystemError(cause)}`;
    throw new HexzError('OVERLAY_UNUSABLE', message, {
      location: { file: tmpdir() },
      hint: 'name another directory in TMPDIR, or give --overlay',
      cause,
    });
  }
}

export const removeTemporaryDirectory = (path: string): void =>
  rmSync(path, { recursive: true, force: true });

/**
 * Removes the directory of a temporary overlay that its engine could not remove. It stays where somebody has
 * the overlay open: whoever was faster may be saving what the dead mount held.
 */
export function sweepTemporaryOverlay(dataPath: string): void {
  const directory = dirname(dataPath);
  try {
    if (!isOurs(directory) || isOpen(dataPath)) return;
    removeTemporaryDirectory(directory);
  } catch {
    // It is gone, or cannot be removed: no reason not to list mounts.
  }
}

/** Paths come from a file: nothing is removed but what an engine of this user may have made. */
function isOurs(directory: string): boolean {
  if (!basename(directory).startsWith(DIRECTORY_PREFIX)) return false;
  const stats = lstatSync(directory);
  return stats.isDirectory() && stats.uid === process.getuid?.();
}

function isOpen(dataPath: string): boolean {
  if (lstatSync(dataPath, { throwIfNoEntry: false }) === undefined) return false;
  const file = systemFiles.open(dataPath, 'read');
  try {
    return !file.lock('exclusive');
  } finally {
    file.close();
  }
}
