/*
 * Ends a mount from outside, also one whose engine hangs or has died: the mount table says what is there, a
 * tool of the system asks the kernel to end it, and nothing here touches the mount itself.
 *
 * A mount goes through these steps, and each is waited for:
 *
 *   mounted -> gone from the mount table -> engine has flushed, closed its overlay and ended
 *
 * A lazy unmount takes it out of the table at once; the engine serves what is still open, and ends after that.
 *
 * Which process the engine is the kernel tells, or else the registry. Where neither does, the end of the
 * engine cannot be waited for, and the result says so.
 *
 * A device of the kernel's NBD client, which is mounted as any disk, goes through one more: detached. Its engine does that,
 * when the last one who uses the file system has gone. Where the engine was killed it is done here, and before all else:
 * what waits for an answer gets an error then, so that unmounting has nothing to wait for.
 *
 * The tools unmount what is topmost at a path, and the kernel gives the number of a mount that is gone to the
 * next one. So before each attempt the table is asked whether it is still the mount that is meant.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { HexzError } from '../errors.js';
import { type AttachedDevice, detachKernelClient, isAttached } from '../nbd/kernelClient.js';
import { systemFiles } from '../overlay/files.js';
import { overlayPaths } from '../overlay/paths.js';
import { readSideFile } from '../overlay/sideFile.js';
import { describeSystemError } from '../systemErrors.js';
import { describeHolder, findMountHolders, findMountServer } from './holders.js';
import {
  isHexzMount,
  type Mount,
  mountAt,
  readMountTable,
  resolveAroundMounts,
} from './mountTable.js';
import { isRunning, isStopped, type ProcessIdentity } from './processes.js';
import { isMountOf, type ListedMount, listMounts } from './registry.js';
import { runAsRoot } from './rootTool.js';
import { type MountKind, runUnmountTool } from './unmountTool.js';

export interface UnmountOptions {
  /** Detach the mount even if it is in use. */
  readonly isLazy?: boolean;
  /** How long to wait for the engine to end. */
  readonly timeoutMilliseconds?: number;
}

/** A mount as far as the mount table can tell it from others. */
type MountIdentity = Pick<Mount, 'mountpoint' | 'mountId'>;

export interface UnmountResult {
  /** Real path. */
  readonly mountpoint: string;
  /**
   * What has become of the process that served it: only after a lazy unmount it may still serve open files,
   * or flush. Unknown where it could not be found; it may still flush then.
   */
  readonly engine: 'ended' | 'serving' | 'unknown';
  /** The engine that is still serving. */
  readonly servingPid: number | null;
}

const DEFAULT_TIMEOUT_MILLISECONDS = 60_000;
const LAZY_TIMEOUT_MILLISECONDS = 1000;
const REMOVAL_TIMEOUT_MILLISECONDS = 10_000;
/** Loop devices let go of their file a moment after they are told to. */
const BUSY_GRACE_MILLISECONDS = 1000;
const POLL_MILLISECONDS = 20;
const MAX_HOLDERS_NAMED = 5;
const LAZY_HINT = '--lazy detaches it now and serves what is open until it is closed';

const stoppedHint = ({ pid }: ProcessIdentity): string =>
  `its engine is stopped: kill -CONT ${pid} lets it go on, kill -KILL ${pid} fails what waits for it`;

/**
 * Unmounts and waits until the engine has ended.
 *
 * @throws HexzError NOT_MOUNTED, MOUNT_BUSY, UNMOUNT_FAILED
 */
export async function unmount(path: string, options: UnmountOptions = {}): Promise<UnmountResult> {
  const { isLazy = false, timeoutMilliseconds = DEFAULT_TIMEOUT_MILLISECONDS } = options;
  const { mountpoint, mount, entry } = findMount(path);
  if (entry?.device && !isRunning(entry)) return endSevered(mountpoint, mount, entry.device);
  if (mount === undefined) throw nothingMounted(path, entry);
  const kind = isHexzMount(mount) ? 'fuse' : 'device';
  const engine = (kind === 'fuse' ? await findMountServer(mount) : undefined) ?? entry;
  const busyHint = engine !== undefined && isStopped(engine) ? stoppedHint(engine) : LAZY_HINT;
  await removeFromTable(mount, { isLazy, kind, busyHint });
  if (engine === undefined) return { mountpoint, engine: 'unknown', servingPid: null };
  const waitMilliseconds = isLazy ? LAZY_TIMEOUT_MILLISECONDS : timeoutMilliseconds;
  await waitUntil(() => !isRunning(engine) || isStopped(engine), waitMilliseconds);
  const hasEnded = !isRunning(engine);
  if (!hasEnded && isLazy) return { mountpoint, engine: 'serving', servingPid: engine.pid };
  if (!hasEnded && isStopped(engine)) {
    const problem = `it is unmounted, but its engine, process ${engine.pid}, is stopped`;
    throw failed(mountpoint, problem, { hint: stoppedHint(engine) });
  }
  if (!hasEnded) {
    throw failed(
      mountpoint,
      `it is unmounted, but its engine, process ${engine.pid}, has not ended within ` +
        `${timeoutMilliseconds / 1000} seconds: it still flushes, or hangs`,
      { hint: 'wait for it before you use the overlay' },
    );
  }
  // Looking at the list sweeps away what an engine left that was killed.
  entryAt(mountpoint);
  if (entry?.pid === engine.pid && entry.state !== 'dead' && wasLeftOpen(entry)) {
    throw failed(
      mountpoint,
      `it is unmounted, but the overlay ${entry.overlay} could not be closed: what no fsync had ` +
        'confirmed is safe only as long as the machine runs',
      { hint: 'the log of the mount says why; the next mount of the overlay mends it' },
    );
  }
  return { mountpoint, engine: 'ended', servingPid: null };
}

/**
 * Takes the mount that this process serves, or has served, out of the mount table, if it still is there.
 * Nothing here waits for an answer from it.
 *
 * @throws HexzError MOUNT_BUSY; UNMOUNT_FAILED, also where something else is mounted over it
 */
export async function detachMount(
  { mountpoint, mountId }: MountIdentity,
  { isLazy }: { readonly isLazy: boolean },
): Promise<void> {
  const mount = readMountTable().find((present) => isSame(present, { mountpoint, mountId }));
  if (mount === undefined || !isHexzMount(mount)) return;
  // Its number may belong to a successor by now.
  if (!(await isServedByAnother(mount))) await removeFromTable(mount, { isLazy, kind: 'fuse' });
}

/**
 * Takes the mount of a device out of the mount table, if it still is there. It must be of a device that this process serves:
 * nobody else can mount it then.
 *
 * @throws HexzError as `detachMount`, and NBD_UNAVAILABLE
 */
export async function detachDeviceMount(
  identity: MountIdentity,
  { isLazy }: { readonly isLazy: boolean },
): Promise<void> {
  if (isInTable(identity)) await removeFromTable(identity, { isLazy, kind: 'device' });
}

/** What an engine that was killed has left of a device, be it still mounted or not. */
async function endSevered(
  mountpoint: string,
  mount: Mount | undefined,
  device: AttachedDevice,
): Promise<UnmountResult> {
  await detachKernelClient(device, runAsRoot);
  if (mount !== undefined) await removeFromTable(mount, { isLazy: true, kind: 'device' });
  await waitUntil(() => !isAttached(device), LAZY_TIMEOUT_MILLISECONDS);
  // Looking at the list sweeps away the rest.
  entryAt(mountpoint);
  return { mountpoint, engine: 'ended', servingPid: null };
}

async function isServedByAnother(mount: Mount): Promise<boolean> {
  const server = await findMountServer(mount);
  if (server !== undefined) return server.pid !== process.pid;
  // An engine that was registered later than this one has mounted there since.
  const pids = entriesAt(mount.mountpoint).map(({ pid }) => pid);
  return pids.includes(process.pid) && pids.at(-1) !== process.pid;
}

/** Whether an engine ended without closing its overlay, as it does when that fails. */
function wasLeftOpen({ pid, mode, overlay, isTemporaryOverlay }: ListedMount): boolean {
  if (mode === 'ro' || overlay === null || isTemporaryOverlay) return false;
  try {
    return readSideFile(systemFiles, overlayPaths(overlay).side)?.openedBy?.pid === pid;
  } catch {
    // Whatever it is, the next mount of the overlay will say it.
    return false;
  }
}

interface FoundMount {
  /** Real path. */
  readonly mountpoint: string;
  /** Undefined where nothing is mounted any more, and an engine still has to do with it. */
  readonly mount: Mount | undefined;
  readonly entry: ListedMount | undefined;
}

function findMount(path: string): FoundMount {
  const mounts = readMountTable();
  let mountpoint: string;
  try {
    mountpoint = resolveAroundMounts(path, mounts);
  } catch (cause) {
    throw notMounted(path, `nothing is mounted there: ${describeSystemError(cause)}`, { cause });
  }
  const mount = mountAt(mountpoint, mounts);
  const entry = entryAt(mountpoint);
  if (mount === undefined && entry === undefined) throw nothingMounted(path, undefined);
  if (mount !== undefined && !isHexzMount(mount) && !(entry && isMountOf(entry, mount))) {
    const { fileSystemType, source } = mount;
    throw notMounted(path, `${fileSystemType} from ${source} is mounted there, not by hexz`);
  }
  return { mountpoint, mount, entry };
}

const nothingMounted = (path: string, engine: ListedMount | undefined): HexzError =>
  notMounted(path, 'nothing is mounted there', {
    hint: engine && `process ${engine.pid}, which served it, still flushes or serves open files`,
  });

/** The newest that the registry of this user has of a mountpoint. */
const entryAt = (mountpoint: string): ListedMount | undefined => entriesAt(mountpoint).at(-1);

function entriesAt(mountpoint: string): readonly ListedMount[] {
  try {
    return listMounts().filter((listed) => listed.mountpoint === mountpoint);
  } catch {
    // Whoever spoils the registry shall not keep a mount from being ended.
    return [];
  }
}

interface Removal {
  readonly isLazy: boolean;
  readonly kind: MountKind;
  /** What can be done about those who use it. */
  readonly busyHint?: string;
}

async function removeFromTable(mount: MountIdentity, removal: Removal): Promise<void> {
  const { mountpoint } = mount;
  const deadline = performance.now() + BUSY_GRACE_MILLISECONDS;
  while (isOnTop(mount)) {
    const problem = await runUnmountTool(mountpoint, removal);
    if (problem === undefined) {
      await awaitRemoval(mount);
      return;
    }
    // Somebody else was faster.
    if (!isInTable(mount)) return;
    if (!/busy/i.test(problem)) throw failed(mountpoint, `cannot unmount it: ${problem}`);
    if (performance.now() > deadline) throw await busy(mountpoint, removal.busyHint);
    await sleep(POLL_MILLISECONDS);
  }
}

/** Whether a mount is what an unmount of its path would end; false if it is gone. */
function isOnTop(mount: MountIdentity): boolean {
  const mounts = readMountTable();
  const topmost = mountAt(mount.mountpoint, mounts);
  if (topmost !== undefined && isSame(topmost, mount)) return true;
  if (topmost === undefined || !mounts.some((present) => isSame(present, mount))) return false;
  const { fileSystemType, source, mountpoint } = topmost;
  throw failed(mountpoint, `something else is mounted over it: ${fileSystemType} from ${source}`, {
    hint: `umount ${mountpoint} ends that`,
  });
}

async function awaitRemoval(mount: MountIdentity): Promise<void> {
  if (await waitUntil(() => !isInTable(mount), REMOVAL_TIMEOUT_MILLISECONDS)) return;
  throw failed(mount.mountpoint, 'the kernel keeps it mounted');
}

const isInTable = (mount: MountIdentity): boolean =>
  readMountTable().some((present) => isSame(present, mount));

const isSame = (one: MountIdentity, other: MountIdentity): boolean =>
  one.mountId === other.mountId && one.mountpoint === other.mountpoint;

async function waitUntil(condition: () => boolean, timeoutMilliseconds: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMilliseconds;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MILLISECONDS);
  }
  return true;
}

async function busy(mountpoint: string, hint: string | undefined): Promise<HexzError> {
  const holders = (await findMountHolders(mountpoint)).map(describeHolder);
  const named = holders.slice(0, MAX_HOLDERS_NAMED).join(', ');
  const unnamed = holders.length - MAX_HOLDERS_NAMED;
  const rest = unnamed > 0 ? `, and ${unnamed} more` : '';
  const who = holders.length === 0 ? 'something that you may not see' : `${named}${rest}`;
  return new HexzError('MOUNT_BUSY', `it is in use by ${who}`, {
    location: { file: mountpoint },
    hint,
  });
}

interface ErrorOptions {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

const notMounted = (path: string, message: string, options: ErrorOptions = {}): HexzError =>
  new HexzError('NOT_MOUNTED', message, { location: { file: path }, ...options });

const failed = (mountpoint: string, message: string, options: ErrorOptions = {}): HexzError =>
  new HexzError('UNMOUNT_FAILED', message, { location: { file: mountpoint }, ...options });
