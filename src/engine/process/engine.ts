import { realpathSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, sep } from 'node:path';
import { asHexzError, HexzError } from '../errors.js';
import { streamNames } from '../format/types.js';
import { FileSystem } from '../fuse/fileSystem.js';
import { fuseNative } from '../fuse/fuseNative.js';
import type { Overlay } from '../overlay/overlay.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { openOverlay } from '../volume/openOverlay.js';
import { createVolume, type Volume } from '../volume/volume.js';
import { mountAt, readMountTable } from './mountTable.js';
import { identifyProcess } from './processes.js';
import { TestReader } from './readiness.js';
import {
  type MountEntry,
  prepareRegistry,
  type Registration,
  register,
  registryPath,
} from './registry.js';
import type { MountSettings } from './settings.js';
import { makeTemporaryDirectory, removeTemporaryDirectory } from './temporaryOverlay.js';
import { detachMount } from './unmount.js';

const STATUS_INTERVAL_MILLISECONDS = 250;

/**
 * Serves one mount of one snapshot from this process; what `hexz mount` in the foreground is.
 *
 *   state     begins with                        requests are answered
 *   starting  `start`                            for the test read that decides whether it is ready
 *   serving   `start` resolves                   yes
 *   detached  `unmount` that is lazy, umount -l  for those who have files open
 *   ended     the kernel ends the connection,    no; the overlay is flushed and closed, what was
 *             or `abandon`                       temporary is removed, then `ended` settles
 *
 * Whoever unmounts, with our command or another, is served alike: the engine waits for the end of the
 * connection and knows no other way to end but `abandon`.
 *
 * The thread that runs this answers the mount's requests. So it never touches the mount in a call that
 * would wait for its own answer.
 */
export class Engine {
  readonly entry: MountEntry;
  readonly warnings: readonly string[];
  /** Resolves when everything is closed; rejects with what closing met. */
  readonly ended: Promise<void>;
  readonly #resources: Resources;
  readonly #registration: Registration;
  readonly #statusTimer: NodeJS.Timeout;
  readonly #mountId: number;
  #finishing: Promise<void> | undefined;
  #abandon: () => void = () => {};

  /**
   * Mounts a snapshot, which the engine closes.
   *
   * @param onError told of errors of the running mount: the program that meets one sees only an errno
   * @throws HexzError of the overlay, the mountpoint, FUSE; nothing is left behind then
   */
  static async start(
    snapshot: Snapshot,
    settings: MountSettings,
    onError: (error: HexzError) => void,
  ): Promise<Engine> {
    await checkBeforehand(snapshot, settings);
    const resources = openResources(snapshot, settings);
    const { overlayPath } = resources;
    try {
      const fileSystem = new FileSystem(resources.volume, {
        uid: settings.uid,
        gid: settings.gid,
        ...timesOf(resources),
        ...(overlayPath === undefined ? {} : { freeBytes: () => freeBytesOf(overlayPath) }),
        onError: (_operation, error) => onError(asHexzError(error)),
      });
      const { mountpoint, allowOther } = settings;
      const isReadOnly = !resources.volume.isWritable;
      const stream = streamNames.find((name) => snapshot.hasStream(name));
      const reader = stream && new TestReader(join(mountpoint, stream));
      const options = { mountpoint, allowOther, isReadOnly };
      const connection = await fuseNative.mount(fileSystem, options).catch((error) => {
        reader?.cancel();
        throw error;
      });
      try {
        await reader?.read();
        return new Engine(resources, settings, connection.ended);
      } catch (error) {
        await detachMount({ mountpoint, mountId: mountIdAt(mountpoint) }, { isLazy: true });
        throw error;
      }
    } catch (error) {
      await closeResources(resources, resources.overlay?.wasCreated).catch(() => {});
      throw error;
    }
  }

  private constructor(resources: Resources, settings: MountSettings, connectionEnd: Promise<void>) {
    const { volume, overlayPath, temporaryDirectory } = resources;
    this.#resources = resources;
    this.entry = {
      ...ownIdentity(),
      mountpoint: settings.mountpoint,
      snapshot: settings.snapshot,
      mode: volume.isWritable ? 'rw' : 'ro',
      overlay: overlayPath ?? null,
      isTemporaryOverlay: temporaryDirectory !== undefined,
      backend: fuseNative.name,
      startedAt: new Date().toISOString(),
      dirtyBytes: volume.dirtyBytes,
    };
    this.#mountId = mountIdAt(settings.mountpoint);
    this.#registration = register(this.entry);
    this.#statusTimer = setInterval(
      () => this.#registration.update(volume.dirtyBytes),
      STATUS_INTERVAL_MILLISECONDS,
    );
    this.warnings = warningsOf(resources);
    const abandoned = new Promise<void>((resolve) => {
      this.#abandon = resolve;
    });
    this.ended = Promise.race([connectionEnd, abandoned]).then(() => this.#finish());
    // Who does not wait for the end is not to be ended by it.
    this.ended.catch(() => {});
  }

  /**
   * Takes the mount away; `ended` tells when everything is closed.
   *
   * @param isLazy also if programs have files open: it serves them until they are closed
   * @throws HexzError MOUNT_BUSY (it goes on serving), UNMOUNT_FAILED
   */
  async unmount({ isLazy }: { isLazy: boolean }): Promise<void> {
    if (this.#finishing === undefined) await this.#detach(isLazy);
  }

  /**
   * Takes the mount away and ends, though programs still have files open: they get errors from then on.
   *
   * @throws HexzError UNMOUNT_FAILED, and as `ended`
   */
  async abandon(): Promise<void> {
    try {
      await this.unmount({ isLazy: true });
    } finally {
      this.#abandon();
    }
    await this.ended;
  }

  /** What others have mounted in its place meanwhile is not touched. */
  #detach(isLazy: boolean): Promise<void> {
    const { mountpoint } = this.entry;
    return detachMount({ mountpoint, mountId: this.#mountId }, { isLazy });
  }

  #finish(): Promise<void> {
    this.#finishing ??= (async () => {
      clearInterval(this.#statusTimer);
      try {
        await closeResources(this.#resources);
      } finally {
        // A connection that the kernel aborted leaves its mount behind, dead.
        await this.#detach(true).catch(() => {});
        this.#registration.remove();
      }
    })();
    return this.#finishing;
  }
}

/** What an engine holds and has to give back. */
interface Resources {
  readonly snapshot: Snapshot;
  readonly volume: Volume;
  readonly overlay: Overlay | undefined;
  readonly overlayPath: string | undefined;
  /** Where a temporary overlay lies. */
  readonly temporaryDirectory: string | undefined;
}

/**
 * Checks what can be known before anything is made.
 *
 * @throws HexzError FUSE_UNAVAILABLE, REGISTRY_UNUSABLE, MOUNTPOINT_UNUSABLE, OVERLAY_UNUSABLE
 */
async function checkBeforehand(snapshot: Snapshot, settings: MountSettings): Promise<void> {
  const { mountpoint, overlay, allowOther } = settings;
  try {
    await fuseNative.check({ allowOther });
    // What the engine writes to while it serves must not lie behind its own answers.
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
    prepareRegistry();
  } catch (error) {
    snapshot.close();
    throw error;
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

function openResources(snapshot: Snapshot, settings: MountSettings): Resources {
  const { overlay: givenPath, isWritable, mountpoint, force } = settings;
  let temporaryDirectory: string | undefined;
  try {
    if (isWritable && givenPath === undefined) temporaryDirectory = makeTemporaryDirectory();
    const overlayPath =
      temporaryDirectory === undefined ? givenPath : join(temporaryDirectory, 'disk.overlay');
    const access = isWritable ? 'write' : 'read';
    const overlay =
      overlayPath === undefined
        ? undefined
        : openOverlay(snapshot, { path: overlayPath, access, force, mountpoint });
    const volume = createVolume(snapshot, overlay);
    return { snapshot, volume, overlay, overlayPath, temporaryDirectory };
  } catch (error) {
    if (temporaryDirectory !== undefined) removeTemporaryDirectory(temporaryDirectory);
    snapshot.close();
    throw error;
  }
}

/** @param removesOverlay whether a persistent overlay is deleted, too: one that was made for nothing */
async function closeResources(resources: Resources, removesOverlay = false): Promise<void> {
  const { snapshot, volume, overlay, temporaryDirectory } = resources;
  if (temporaryDirectory === undefined && !removesOverlay) {
    await volume.close();
    return;
  }
  await overlay?.remove();
  if (temporaryDirectory !== undefined) removeTemporaryDirectory(temporaryDirectory);
  snapshot.close();
}

function warningsOf({ snapshot, overlay }: Resources): string[] {
  const isEncrypted = snapshot.isChainEncrypted;
  return [
    ...(overlay?.warnings ?? []),
    ...(isEncrypted && overlay?.isWritable === true
      ? ['the snapshot is encrypted, what is written to the overlay is not']
      : []),
  ];
}

/** The disk is as old as the younger of snapshot and overlay. */
function timesOf({ snapshot, overlay, overlayPath }: Resources): {
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
function freeBytesOf(overlayPath: string): number {
  try {
    const { bavail, bsize } = statfsSync(dirname(overlayPath));
    return bavail * bsize;
  } catch {
    // Its directory was renamed or deleted.
    return 0;
  }
}

/** -1 stands for none. */
const mountIdAt = (mountpoint: string): number =>
  mountAt(mountpoint, readMountTable())?.mountId ?? -1;

function ownIdentity(): { pid: number; startTicks: number } {
  const identity = identifyProcess(process.pid);
  if (identity !== undefined) return identity;
  throw new HexzError('MOUNT_FAILED', 'cannot read /proc, which hexz needs to mount');
}
