import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { sep } from 'node:path';
import { HexzError } from '../errors.js';
import { readMountTable } from './mountTable.js';
import { listMounts } from './registry.js';
import { unmount } from './unmount.js';

/** How long an engine that was told to end may take. */
const END_LIMIT_MILLISECONDS = 5000;

/** What an engine that was started for a watcher has of the machine. */
export interface Belongings {
  readonly mountpoint: string | null;
  readonly scratchDirectory: string | undefined;
}

/**
 * Waits for the end of an engine that was told to end, and ends it by force when that takes too long; then removes
 * what it could not remove itself: its mount, its entry in the registry, its temporary overlay, its scratch directory.
 *
 * @throws HexzError UNMOUNT_FAILED, also where something else is mounted in its scratch directory
 */
export async function sweepEngine(child: ChildProcess, belongings: Belongings): Promise<void> {
  await endOf(child);
  const { mountpoint, scratchDirectory } = belongings;
  if (mountpoint !== null) {
    await unmount(mountpoint, { isLazy: true }).catch((error) => {
      if (!(error instanceof HexzError) || error.code !== 'NOT_MOUNTED') throw error;
    });
  }
  // Looking at the list removes from it, and from the temporary directory, what killed engines left.
  listMounts();
  if (scratchDirectory === undefined || removeScratch(scratchDirectory)) return;
  throw new HexzError('UNMOUNT_FAILED', 'something is mounted in it, so it cannot be removed', {
    location: { file: scratchDirectory },
  });
}

/**
 * Removes the scratch directory of an engine, unless something is mounted in it, whose files are not ours.
 *
 * @param directory a real path
 * @returns whether it is gone
 */
export function removeScratch(directory: string): boolean {
  const isUsed = readMountTable().some(
    ({ mountpoint }) => mountpoint === directory || mountpoint.startsWith(directory + sep),
  );
  if (!isUsed) rmSync(directory, { recursive: true, force: true });
  return !isUsed;
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.ref();
  const timer = setTimeout(() => child.kill('SIGKILL'), END_LIMIT_MILLISECONDS);
  await ended;
  clearTimeout(timer);
}
