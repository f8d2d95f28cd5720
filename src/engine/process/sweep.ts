import { rmSync } from 'node:fs';
import { sep } from 'node:path';
import { HexzError } from '../errors.js';
import { readMountTable } from './mountTable.js';
import { endsWithin, type ProcessIdentity } from './processes.js';
import { listMounts } from './registry.js';
import { isTemporaryMountpoint } from './temporaryMountpoint.js';
import { unmount } from './unmount.js';

/** How long an engine that was told to end may take, and one that is killed. */
const END_LIMIT_MILLISECONDS = 5000;

/**
 * Waits for the end of an engine that was told to end, and ends it by force when that takes too long; then removes
 * what it could not remove itself: its mount, its entry in the registry, its temporary overlay, its scratch directory.
 *
 * @throws HexzError UNMOUNT_FAILED, also where something else is mounted in its scratch directory
 */
export async function sweepEngine(
  engine: ProcessIdentity,
  scratchDirectory: string | undefined,
): Promise<void> {
  if (!(await endsWithin(engine, END_LIMIT_MILLISECONDS))) {
    process.kill(engine.pid, 'SIGKILL');
    await endsWithin(engine, END_LIMIT_MILLISECONDS);
  }
  await detachDead(engine);
  // Looking at the list removes from it, and from the temporary directory, what killed engines left.
  listMounts();
  if (scratchDirectory === undefined || removeScratch(scratchDirectory)) return;
  throw new HexzError('UNMOUNT_FAILED', 'something is mounted in it, so it cannot be removed', {
    location: { file: scratchDirectory },
  });
}

/**
 * Takes away the mounts at temporary mountpoints whose engines were killed, with all that is left of them. Where somebody
 * has named the mountpoint, that is his to decide.
 */
export async function sweepKilledInspections(): Promise<void> {
  const left = listMounts().filter(
    ({ state, mountpoint }) =>
      state === 'dead' && mountpoint !== null && isTemporaryMountpoint(mountpoint),
  );
  for (const { mountpoint } of left) {
    // What cannot be taken away now may be by who comes next.
    if (mountpoint !== null) await unmount(mountpoint, { isLazy: true }).catch(() => {});
  }
  if (left.length > 0) listMounts();
}

/** Takes away the mount that an engine left when it was killed; what others have mounted there since stays. */
async function detachDead({ pid, startTicks }: ProcessIdentity): Promise<void> {
  const left = listMounts().find(
    (entry) => entry.pid === pid && entry.startTicks === startTicks && entry.state === 'dead',
  );
  if (left === undefined || left.mountpoint === null) return;
  await unmount(left.mountpoint, { isLazy: true }).catch((error) => {
    if (!(error instanceof HexzError) || error.code !== 'NOT_MOUNTED') throw error;
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
