/*
 * The registry of running mounts: a directory that only its user may enter, with one file for each engine.
 * An engine writes its file when its mount is ready and removes it as its last act. Everybody else only
 * reads, and sweeps away what an engine left that was killed.
 *
 * Invariant: a file is complete whenever it can be seen under its name, `PID-STARTTICKS.json`. The name is
 * never used by another engine, so no one removes or replaces what is not his.
 *
 * Beside its file lies the socket where the engine listens for watchers, `PID-STARTTICKS.sock`, and of a mount over NBD
 * the one for the kernel's client, `PID-STARTTICKS.nbd`.
 *
 * | engine  | mount in the mount table | state                                               |
 * | ------- | ------------------------ | --------------------------------------------------- |
 * | running | yes                      | serving                                             |
 * | running | no                       | ending: it flushes, or serves what is still open    |
 * | ended   | yes                      | dead: the mount answers nothing until it is removed |
 * | ended   | no                       | swept, with temporary overlay and mountpoint        |
 *
 * A device that an ended engine has left attached counts as a mount in this.
 *
 * An engine without a mount is serving as long as it runs.
 * Of several entries with one mountpoint only the one that was started last can own the mount there.
 *
 * What lies in the directory is data all the same: a file that is no entry is passed over.
 */

import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Lease } from '../control/commands.js';
import { HexzError } from '../errors.js';
import { type AttachedDevice, isAttached } from '../nbd/kernelClient.js';
import { isDevicePath, isSourceOf } from '../nbd/kernelDevices.js';
import { describeSystemError } from '../systemErrors.js';
import { isHexzMount, type Mount, mountAt, readMountTable } from './mountTable.js';
import { isRunning, type ProcessIdentity } from './processes.js';
import { sweepTemporaryMountpoint } from './temporaryMountpoint.js';
import { sweepTemporaryOverlay } from './temporaryOverlay.js';

/** What an engine writes of its mount. */
export interface EngineEntry extends ProcessIdentity {
  /** Real path; null for an engine without a mount. */
  readonly mountpoint: string | null;
  /** Path of the snapshot file. */
  readonly snapshot: string;
  readonly mode: 'ro' | 'rw';
  /** Path of the overlay's data file. */
  readonly overlay: string | null;
  /** Whether the overlay is removed with the mount. */
  readonly isTemporaryOverlay: boolean;
  /** What carries the mount; null without one. */
  readonly backend: string | null;
  /** What is mounted, if it is a device that the kernel's NBD client has made of the disk. */
  readonly device: AttachedDevice | null;
  /** Addresses where NBD clients are served. */
  readonly nbd: readonly string[];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly dirtyBytes: number;
  /** Who ends it (docs/control-protocol.md). */
  readonly lease: Lease;
  /** Path of the socket where it listens for watchers. */
  readonly control: string | null;
}

type MountState = 'serving' | 'ending' | 'dead';

export interface ListedMount extends EngineEntry {
  readonly state: MountState;
}

/** An engine's own entry. */
export interface Registration {
  /** Writes the entry if it is news; answers whether it is. */
  update(entry: EngineEntry): boolean;
  remove(): void;
}

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
const MAX_ENTRY_BYTES = 64 * 1024;
const ENTRY_NAME = /^(\d{1,10})-(\d{1,15})\.(json|json\.tmp|sock|nbd)$/;

/** Where this user's entries lie. A run-time directory of somebody else, as `su` leaves it, is not used. */
export function registryPath(): string {
  const { XDG_RUNTIME_DIR: runtimeDirectory } = process.env;
  if (runtimeDirectory?.startsWith('/') && isOurDirectory(runtimeDirectory)) {
    return join(runtimeDirectory, 'hexz');
  }
  return join(tmpdir(), `hexz-${process.getuid?.()}`);
}

/**
 * Makes the directory of the registry if it is not there, and answers its path.
 *
 * @throws HexzError REGISTRY_UNUSABLE
 */
export function prepareRegistry(): string {
  const directory = registryPath();
  return writing(directory, () => {
    mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
    checkDirectory(directory, lstatSync(directory));
    accessSync(directory, constants.W_OK);
    return directory;
  });
}

/**
 * Makes a mount known until `remove`.
 *
 * @throws HexzError REGISTRY_UNUSABLE
 */
export function register(entry: EngineEntry): Registration {
  const directory = prepareRegistry();
  return writing(directory, () => new EntryFile(directory, entry));
}

function writing<T>(directory: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof HexzError) throw cause;
    throw unusable(directory, `cannot be written: ${describeSystemError(cause)}`, { cause });
  }
}

/**
 * All mounts of this user, the oldest first; sweeps away what engines left that are gone with their mount.
 *
 * @throws HexzError REGISTRY_UNUSABLE
 */
export function listMounts(): readonly ListedMount[] {
  const directory = registryPath();
  const stats = lstatSync(directory, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  checkDirectory(directory, stats);
  const entries = readdirSync(directory)
    .map((name) => readEntry(directory, name))
    .filter((entry) => entry !== undefined)
    .sort((one, other) => Date.parse(one.startedAt) - Date.parse(other.startedAt));
  // In this order: an engine that ends between the two takes its mount away first.
  const running = entries.map(isRunning);
  const mounts = readMountTable();
  return entries.flatMap((entry, index): ListedMount[] => {
    const { mountpoint } = entry;
    if (mountpoint === null) {
      if (running[index] === true) return [{ ...entry, state: 'serving' }];
      sweep(directory, entry);
      return [];
    }
    const mount = mountAt(mountpoint, mounts);
    const isNewest = !entries.slice(index + 1).some((later) => later.mountpoint === mountpoint);
    const isMounted = isNewest && mount !== undefined && isMountOf(entry, mount);
    if (running[index] === true) return [{ ...entry, state: isMounted ? 'serving' : 'ending' }];
    if (isMounted || (entry.device !== null && isAttached(entry.device)))
      return [{ ...entry, state: 'dead' }];
    sweep(directory, entry);
    return [];
  });
}

/** Whether a mount that lies at the mountpoint of an engine can be the one of that engine. */
export const isMountOf = ({ device }: EngineEntry, mount: Mount): boolean =>
  device === null
    ? isHexzMount(mount)
    : isAttached(device) && isSourceOf(device.path, mount.source);

function sweep(directory: string, entry: EngineEntry): void {
  if (entry.isTemporaryOverlay && entry.overlay !== null) sweepTemporaryOverlay(entry.overlay);
  if (entry.mountpoint !== null) sweepTemporaryMountpoint(entry.mountpoint);
  removeQuietly(join(directory, nameOf(entry, 'sock')));
  removeQuietly(join(directory, nameOf(entry, 'nbd')));
  removeQuietly(join(directory, nameOf(entry, 'json')));
}

function isOurDirectory(path: string): boolean {
  try {
    const stats = statSync(path);
    return stats.isDirectory() && isOurs(stats);
  } catch {
    return false;
  }
}

const isOurs = ({ uid }: Stats): boolean => uid === process.getuid?.();

/** In a directory for all, somebody else may have been first with the name. */
function checkDirectory(path: string, stats: Stats): void {
  if (!stats.isDirectory()) throw unusable(path, 'is no directory');
  if (!isOurs(stats)) throw unusable(path, 'belongs to another user');
  if ((stats.mode & 0o077) !== 0) {
    throw unusable(path, 'is open to other users', { hint: `chmod 700 ${path}` });
  }
}

const unusable = (
  path: string,
  problem: string,
  { hint, cause }: { hint?: string; cause?: unknown } = {},
): HexzError =>
  new HexzError(
    'REGISTRY_UNUSABLE',
    `the directory where running mounts are registered ${problem}`,
    {
      location: { file: path },
      hint: hint ?? 'remove it, or set XDG_RUNTIME_DIR or TMPDIR to a directory of your own',
      cause,
    },
  );

const nameOf = ({ pid, startTicks }: ProcessIdentity, kind: 'json' | SocketKind): string =>
  `${pid}-${startTicks}.${kind}`;

/** For watchers, or for the kernel's NBD client. */
type SocketKind = 'sock' | 'nbd';

/** Longer paths of sockets are no addresses. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Where an engine is to listen: in the registry, so that only its user can reach it.
 *
 * @throws HexzError REGISTRY_UNUSABLE
 */
export function prepareSocketPath(identity: ProcessIdentity, kind: SocketKind = 'sock'): string {
  const path = join(prepareRegistry(), nameOf(identity, kind));
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw unusable(registryPath(), 'has too long a path for sockets');
  }
  return path;
}

class EntryFile implements Registration {
  readonly #path: string;
  /** As it was written last. */
  #entry: EngineEntry;
  #isRemoved = false;

  constructor(directory: string, entry: EngineEntry) {
    this.#path = join(directory, nameOf(entry, 'json'));
    this.#entry = entry;
    this.#write(entry);
  }

  update(entry: EngineEntry): boolean {
    if (this.#isRemoved || isDeepStrictEqual(entry, this.#entry)) return false;
    try {
      this.#write(entry);
    } catch {
      // A full or vanished directory is no reason to disturb a mount: the next attempt may get through.
    }
    return true;
  }

  remove(): void {
    this.#isRemoved = true;
    if (this.#entry.control !== null) removeQuietly(this.#entry.control);
    removeQuietly(this.#path);
  }

  #write(entry: EngineEntry): void {
    const temporaryPath = `${this.#path}.tmp`;
    writeFileSync(temporaryPath, JSON.stringify(entry), { mode: FILE_MODE });
    renameSync(temporaryPath, this.#path);
    this.#entry = entry;
  }
}

/** The entry in a file of the registry, or undefined for what is none; removes what dead engines began with. */
function readEntry(directory: string, name: string): EngineEntry | undefined {
  const [, pid, startTicks, kind] = ENTRY_NAME.exec(name) ?? [];
  if (pid === undefined) return undefined;
  const identity = { pid: Number(pid), startTicks: Number(startTicks) };
  const path = join(directory, name);
  if (kind !== 'json') {
    // One that was killed early has a socket and no entry.
    if (!isRunning(identity)) removeQuietly(path);
    return undefined;
  }
  const text = readSmallFile(path);
  const entry = text === undefined ? undefined : parseEntry(text);
  const isGenuine = entry?.pid === identity.pid && entry.startTicks === identity.startTicks;
  return isGenuine ? entry : undefined;
}

function readSmallFile(path: string): string | undefined {
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const descriptor = openSync(path, flags);
    try {
      const stats = fstatSync(descriptor);
      const isAcceptable = stats.isFile() && isOurs(stats) && stats.size <= MAX_ENTRY_BYTES;
      return isAcceptable ? readFileSync(descriptor, 'utf8') : undefined;
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // Its engine has just ended.
    return undefined;
  }
}

function parseEntry(text: string): EngineEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isEntry(value) ? value : undefined;
}

function isEntry(value: unknown): value is EngineEntry {
  if (typeof value !== 'object' || value === null) return false;
  const entry = value as Partial<Record<keyof EngineEntry, unknown>>;
  return (
    isCount(entry.pid) &&
    isCount(entry.startTicks) &&
    (entry.mountpoint === null || isAbsolutePath(entry.mountpoint)) &&
    typeof entry.snapshot === 'string' &&
    (entry.mode === 'ro' || entry.mode === 'rw') &&
    (entry.overlay === null || typeof entry.overlay === 'string') &&
    typeof entry.isTemporaryOverlay === 'boolean' &&
    (entry.backend === null || typeof entry.backend === 'string') &&
    (entry.device === null || isAttachedDevice(entry.device)) &&
    Array.isArray(entry.nbd) &&
    entry.nbd.every((url) => typeof url === 'string') &&
    typeof entry.startedAt === 'string' &&
    !Number.isNaN(Date.parse(entry.startedAt)) &&
    isCount(entry.dirtyBytes) &&
    LEASES.has(entry.lease) &&
    (entry.control === null || isAbsolutePath(entry.control))
  );
}

function isAttachedDevice(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { path, clientPid } = value as Partial<Record<keyof AttachedDevice, unknown>>;
  return typeof path === 'string' && isDevicePath(path) && isCount(clientPid);
}

const LEASES: ReadonlySet<unknown> = new Set<Lease>(['mount', 'bound', 'terminal', 'orphaned']);

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;

const isAbsolutePath = (value: unknown): boolean =>
  typeof value === 'string' && value.startsWith('/');

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else swept it.
  }
}
