import { lstatSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { systemFiles } from '../overlay/files.js';

const DIRECTORY_PREFIX = 'hexz-overlay-';

/**
 * Removes the directory of a temporary overlay that its engine could not remove. It stays where somebody has
 * the overlay open: whoever was faster may be saving what the dead mount held.
 */
export function sweepTemporaryOverlay(dataPath: string): void {
  const directory = dirname(dataPath);
  try {
    if (!isOurs(directory) || isOpen(dataPath)) return;
    rmSync(directory, { recursive: true, force: true });
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
