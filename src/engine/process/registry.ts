/*
 * The registry of running mounts: a directory that only its user may enter, with one file for each engine.
 * An engine writes its file when its mount is ready and removes it as its last act. Everybody else only
 * reads, and sweeps away what an engine left that was killed.
 *
 * Invariant: a file is complete whenever it can be seen under its name, `PID-STARTTICKS.json`. The name is
 * never used by another engine, so no one removes or replaces what is not his.
 *
 * | engine  | mount in the mount table | state                                               |
 * | ------- | ------------------------ | --------------------------------------------------- |
 * | running | yes                      | serving                                             |
 * | running | no                       | ending: it flushes, or serves what is still open    |
 * | ended   | yes                      | dead: the mount answers nothing until it is removed |
 * | ended   | no                       | swept, and its temporary overlay with it            |
 *
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
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';
import { isHexzMount, mountAt, readMountTable } from './mountTable.js';
import { isRunning, type ProcessIdentity } from './processes.js';
import { sweepTemporaryOverlay } from './temporaryOverlay.js';

/** What an engine writes of its mount. */
export interface MountEntry extends ProcessIdentity {
  /** Real path. */
  readonly mountpoint: string;
  /** Path of the snapshot file. */
  readonly snapshot: string;
  readonly mode: 'ro' | 'rw';
  /** Path of the overlay's data file. */
  readonly overlay: string | null;
  /** Whether the overlay is removed with the mount. */
  readonly isTemporaryOverlay: boolean;
  readonly backend: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly dirtyBytes: number;
}

type MountState = 'serving' | 'ending' | 'dead';

export interface ListedMount extends MountEntry {
  readonly state: MountState;
}

/** An engine's own entry. */
export interface Registration {
  /** Tells how many bytes are dirty now; writes the entry if that is news. */
  update(dirtyBytes: number): void;
  remove(): void;
}

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
const MAX_ENTRY_BYTES = 64 * 1024;
const ENTRY_NAME = /^(\d{1,10})-(\d{1,15})\.json(\.tmp)?$/;

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
export function register(entry: MountEntry): Registration {
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
    const mount = mountAt(mountpoint, mounts);
    const isNewest = !entries.slice(index + 1).some((later) => later.mountpoint === mountpoint);
    const isMounted = isNewest && mount !== undefined && isHexzMount(mount);
    if (running[index] === true) return [{ ...entry, state: isMounted ? 'serving' : 'ending' }];
    if (isMounted) return [{ ...entry, state: 'dead' }];
    if (entry.isTemporaryOverlay && entry.overlay !== null) sweepTemporaryOverlay(entry.overlay);
    removeQuietly(join(directory, entryName(entry)));
    return [];
  });
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

const entryName = ({ pid, startTicks }: ProcessIdentity): string => `${pid}-${startTicks}.json`;

class EntryFile implements Registration {
  readonly #path: string;
  /** As it was written last. */
  #entry: MountEntry;
  #isRemoved = false;

  constructor(directory: string, entry: MountEntry) {
    this.#path = join(directory, entryName(entry));
    this.#entry = entry;
    this.#write(entry);
  }

  update(dirtyBytes: number): void {
    if (this.#isRemoved || dirtyBytes === this.#entry.dirtyBytes) return;
    try {
      this.#write({ ...this.#entry, dirtyBytes });
    } catch {
      // A full or vanished directory is no reason to disturb a mount: the next attempt may get through.
    }
  }

  remove(): void {
    this.#isRemoved = true;
    removeQuietly(this.#path);
  }

  #write(entry: MountEntry): void {
    const temporaryPath = `${this.#path}.tmp`;
    writeFileSync(temporaryPath, JSON.stringify(entry), { mode: FILE_MODE });
    renameSync(temporaryPath, this.#path);
    this.#entry = entry;
  }
}

/** The entry in a file of the registry, or undefined for what is none; removes half-written ones of dead engines. */
function readEntry(directory: string, name: string): MountEntry | undefined {
  const [, pid, startTicks, isTemporary] = ENTRY_NAME.exec(name) ?? [];
  if (pid === undefined) return undefined;
  const identity = { pid: Number(pid), startTicks: Number(startTicks) };
  const path = join(directory, name);
  if (isTemporary !== undefined) {
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

function parseEntry(text: string): MountEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isEntry(value) ? value : undefined;
}

function isEntry(value: unknown): value is MountEntry {
  if (typeof value !== 'object' || value === null) return false;
  const entry = value as Partial<Record<keyof MountEntry, unknown>>;
  return (
    isCount(entry.pid) &&
    isCount(entry.startTicks) &&
    isAbsolutePath(entry.mountpoint) &&
    typeof entry.snapshot === 'string' &&
    (entry.mode === 'ro' || entry.mode === 'rw') &&
    (entry.overlay === null || typeof entry.overlay === 'string') &&
    typeof entry.isTemporaryOverlay === 'boolean' &&
    typeof entry.backend === 'string' &&
    typeof entry.startedAt === 'string' &&
    !Number.isNaN(Date.parse(entry.startedAt)) &&
    isCount(entry.dirtyBytes)
  );
}

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
