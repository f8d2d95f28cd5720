import { realpathSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, sep } from 'node:path';
import { ActivityRecorder } from '../activity/recorder.js';
import type { SharedActivity } from '../activity/shared.js';
import type { ReviewPlace } from '../control/reviewKeeper.js';
import { HexzError } from '../errors.js';
import type { Overlay } from '../overlay/overlay.js';
import { overlayPaths } from '../overlay/paths.js';
import { carryReview } from '../review/reviewFile.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { createActivity } from '../volume/createActivity.js';
import { openOverlay } from '../volume/openOverlay.js';
import { baseDiskOf, createVolume, type Volume } from '../volume/volume.js';
import { registryPath } from './registry.js';
import type { EngineSettings } from './settings.js';
import { makeTemporaryDirectory, removeTemporaryDirectory } from './temporaryOverlay.js';

/** What an engine holds and has to give back. */
export interface Resources {
  readonly snapshot: Snapshot;
  readonly volume: Volume;
  /** What is recorded of the volume's requests. */
  readonly activity: SharedActivity;
  readonly overlay: Overlay | undefined;
  readonly overlayPath: string | undefined;
  /** Where a temporary overlay lies. */
  readonly temporaryDirectory: string | undefined;
}

/**
 * Opens the overlay of an engine, and puts it and the snapshot together.
 *
 * @throws HexzError of the overlay; the snapshot is closed then
 */
export async function openResources(
  snapshot: Snapshot,
  settings: EngineSettings,
): Promise<Resources> {
  const { overlay: givenPath, isWritable, mountpoint, force } = settings;
  let temporaryDirectory: string | undefined;
  try {
    if (isWritable && givenPath === undefined) temporaryDirectory = makeTemporaryDirectory();
    const overlayPath =
      temporaryDirectory === undefined ? givenPath : join(temporaryDirectory, 'disk.overlay');
    const access = isWritable ? 'write' : 'read';
    const carried =
      isWritable && overlayPath !== undefined ? carryReview(overlayPaths(overlayPath)) : undefined;
    const overlay =
      overlayPath === undefined
        ? undefined
        : openOverlay(snapshot, { path: overlayPath, access, force, mountpoint });
    await carried?.();
    const activity = createActivity(snapshot, overlay);
    const volume = createVolume(snapshot, overlay, new ActivityRecorder(activity));
    return { snapshot, volume, activity, overlay, overlayPath, temporaryDirectory };
  } catch (error) {
    if (temporaryDirectory !== undefined) removeTemporaryDirectory(temporaryDirectory);
    snapshot.close();
    throw error;
  }
}

/**
 * @param overlayFate `kept`: also a temporary one stays. `removed`: also a persistent one goes, because it was made for
 *   nothing
 * @throws HexzError of the overlay; everything is closed all the same
 */
export async function closeResources(
  resources: Resources,
  overlayFate: 'kept' | 'removed' | 'as it is meant' = 'as it is meant',
): Promise<void> {
  const { snapshot, volume, overlay, temporaryDirectory } = resources;
  const isRemoved =
    overlayFate === 'removed' || (overlayFate !== 'kept' && temporaryDirectory !== undefined);
  if (!isRemoved) {
    const carried =
      overlay?.isWritable === true ? carryReview(overlayPaths(overlay.path)) : undefined;
    await volume.close();
    await carried?.();
    return;
  }
  await overlay?.remove();
  if (temporaryDirectory !== undefined) removeTemporaryDirectory(temporaryDirectory);
  snapshot.close();
}

/** Where the review of an overlay is kept: beside it, also beside a temporary one, which may be kept in the end. */
export function reviewPlaceOf({ overlay, snapshot }: Resources): ReviewPlace | undefined {
  if (overlay === undefined) return undefined;
  const { path: overlayPath, isWritable } = overlay;
  // Only an overlay of the Rust hexz can be read without knowing it.
  const baseIdentity = overlay.baseIdentity || baseDiskOf(snapshot).identity();
  return { overlayPath, baseIdentity, isWritable };
}

/** What a person should know of snapshot and overlay. */
export function warningsOf({ snapshot, overlay }: Resources): string[] {
  const isEncrypted = snapshot.isChainEncrypted;
  return [
    ...(overlay?.warnings ?? []),
    ...(isEncrypted && overlay?.isWritable === true
      ? ['the snapshot is encrypted, what is written to the overlay is not']
      : []),
  ];
}

/** The disk is as old as the younger of snapshot and overlay. */
export function timesOf({ snapshot, overlay, overlayPath }: Resources): {
  modifiedAt: Date;
  diskModifiedAt: Date;
} {
  const { mtime: modifiedAt } = statSync(snapshot.path);
  if (overlayPath === undefined || overlay?.wasCreated === true) {
    return { modifiedAt, diskModifiedAt: modifiedAt };
  }
  const { mtime } = statSync(overlayPath);
  return { modifiedAt, diskModifiedAt: mtime > modifiedAt ? mtime : modifiedAt };
}

/** Room in the file system of the overlay, which is never our own mount. */
export function freeBytesOf(overlayPath: string): number {
  try {
    const { bavail, bsize } = statfsSync(dirname(overlayPath));
    return bavail * bsize;
  } catch {
    // Its directory was renamed or deleted.
    return 0;
  }
}

/**
 * What the engine writes to while it serves must not lie behind its own answers.
 *
 * @throws HexzError MOUNTPOINT_UNUSABLE, OVERLAY_UNUSABLE
 */
export function checkOutside(mountpoint: string, overlay: string | undefined): void {
  for (const path of [registryPath(), tmpdir()]) {
    if (isInside(path, mountpoint)) {
      throw new HexzError('MOUNTPOINT_UNUSABLE', `${path} would lie under the mount itself`, {
        location: { file: mountpoint },
      });
    }
  }
  if (overlay !== undefined && isInside(overlay, mountpoint)) {
    throw new HexzError('OVERLAY_UNUSABLE', 'the overlay would lie under the mount itself', {
      location: { file: overlay },
    });
  }
}

/** Whether a path, which need not exist, is a directory or lies in it. */
function isInside(path: string, directory: string): boolean {
  const existing = realpathOfExisting(path);
  return existing === directory || existing.startsWith(directory + sep);
}

/** The real path of as much of a path as exists. */
function realpathOfExisting(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realpathOfExisting(parent), basename(path));
  }
}
