import { resolve } from 'node:path';
import { HexzError, type PortableError } from '../errors.js';
import { checkMountpoint } from './mountpoint.js';
import { type NbdOptions, type NbdSettings, nbdSettingsOf } from './nbdSettings.js';
import type { EngineEntry } from './registry.js';

/** The largest number of a user or group; the next one stands for none. */
export const MAX_ID = 2 ** 32 - 2;

/** What is served, where and how. Paths are absolute. */
export interface EngineSettings {
  readonly snapshot: string;
  /** Real path of an empty directory; without one it is not mounted. */
  readonly mountpoint?: string | undefined;
  /** Data file of the overlay. */
  readonly overlay?: string | undefined;
  /** Whether the disk can be written; without an overlay's path into one that is removed with the mount. */
  readonly isWritable: boolean;
  /** Mounts the file system on the disk, as a device of the kernel's NBD client; without it the streams as files. */
  readonly device?: { readonly partition: number | undefined } | undefined;
  /** Memory for decoded blocks in bytes. */
  readonly cacheBytes?: number | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly allowOther: boolean;
  /** What carries the mount; undefined where nobody has chosen. */
  readonly backend?: string | undefined;
  /** Whether the kernel may keep what is written until it is synced, where the backend can do that. */
  readonly isWritebackWanted: boolean;
  /** Take the overlay although it was made on another snapshot. */
  readonly force: boolean;
  readonly parentDirectories: readonly string[];
  /** Where and how it is served to NBD clients, if it is. */
  readonly nbd?: NbdSettings | undefined;
  /** Real path of a directory that was made for this engine, and is removed in the end with all that is in it. */
  readonly scratchDirectory?: string | undefined;
  /** Whether it is mounted on a directory that the engine makes, and that is its scratch directory. */
  readonly hasTemporaryMountpoint?: boolean | undefined;
}

/** What an engine is told by the process that starts it; passwords travel in no other way. */
export interface EngineRequest {
  readonly settings: EngineSettings;
  readonly passwords: readonly string[];
  /**
   * - `log`: the engine writes its log to standard output and lives until it is unmounted.
   * - `parent`: it reports to its parent, and unmounts when the parent is gone; unless a watcher holds its lease.
   */
  readonly reportsTo: 'log' | 'parent';
}

/**
 * What an engine says to the process that started it: `ready` or `failed` first, `error` for what a running
 * mount meets, `detached` or `kept` as answer to a request to unmount.
 */
export type EngineMessage =
  | { readonly type: 'ready'; readonly entry: EngineEntry; readonly warnings: readonly string[] }
  | { readonly type: 'failed'; readonly error: PortableError }
  | { readonly type: 'error'; readonly error: PortableError }
  | { readonly type: 'detached' }
  | { readonly type: 'kept'; readonly error: PortableError };

/** What the process that started an engine says to it after that. */
export interface UnmountRequest {
  readonly type: 'unmount';
  readonly isLazy: boolean;
}

/** What can be chosen of an engine. */
export interface ServeOptions {
  /** Path of a .hxz file. */
  readonly snapshot: string;
  /** An empty directory; without one it is not mounted. */
  readonly mountpoint?: string | undefined;
  /** Data file of an overlay. With `rw` it is created where it does not exist; else it is only read. */
  readonly overlay?: string;
  /** Whether `disk` can be written; without `overlay` into one that is removed with the mount. */
  readonly rw?: boolean;
  /** Memory for decoded blocks in bytes; default 256 MiB. */
  readonly cacheSize?: number;
  /** Owner of the files; default: whoever mounts. */
  readonly uid?: number;
  readonly gid?: number;
  /** Whether other users may use the mount. */
  readonly allowOther?: boolean;
  /** What carries the mount: `kernel` or `fuse-native`. */
  readonly backend?: string;
  /** Whether the kernel may keep what is written for a while, until it is synced or the mount ends; backend `kernel`. */
  readonly writeback?: boolean;
  /** Mount the file system on the disk, through a device of the kernel's NBD client. */
  readonly asDevice?: boolean;
  /** With `asDevice`: which partition, from 1; needed where there are several. */
  readonly partition?: number;
  /** Take the overlay although it was made on another snapshot. */
  readonly force?: boolean;
  readonly passwords?: string | readonly string[];
  readonly parentDirectories?: readonly string[];
  /** Serve NBD clients, with or without a mount. */
  readonly nbd?: NbdOptions | undefined;
  /** Told of errors of the running mount: a program that reads sees only an errno. */
  readonly onError?: (error: HexzError) => void;
}

/**
 * What an engine needs to know, with everything filled in; paths are taken from the current directory.
 *
 * @throws HexzError USAGE, MOUNTPOINT_UNUSABLE
 */
export function settingsOf(
  options: ServeOptions & { readonly mountpoint: string },
): EngineSettings & { readonly mountpoint: string };
export function settingsOf(options: ServeOptions): EngineSettings;
export function settingsOf(options: ServeOptions): EngineSettings {
  checkPath('snapshot', options.snapshot);
  const { mountpoint } = options;
  if (mountpoint !== undefined) checkPath('mountpoint', mountpoint);
  if (options.overlay !== undefined) checkPath('overlay', options.overlay);
  checkId('uid', options.uid);
  checkId('gid', options.gid);
  checkDeviceOptions(options);
  return {
    snapshot: resolve(options.snapshot),
    mountpoint: mountpoint === undefined ? undefined : checkMountpoint(mountpoint),
    overlay: options.overlay === undefined ? undefined : resolve(options.overlay),
    isWritable: options.rw ?? false,
    device: options.asDevice === true ? { partition: options.partition } : undefined,
    cacheBytes: options.cacheSize,
    uid: options.uid ?? process.getuid?.() ?? 0,
    gid: options.gid ?? process.getgid?.() ?? 0,
    allowOther: options.allowOther ?? false,
    backend: options.backend,
    isWritebackWanted: options.writeback ?? false,
    force: options.force ?? false,
    parentDirectories: (options.parentDirectories ?? []).map((path) => resolve(path)),
    nbd: options.nbd === undefined ? undefined : nbdSettingsOf(options.nbd),
  };
}

/** @throws HexzError USAGE */
export function checkPath(name: string, path: unknown): void {
  if (typeof path === 'string' && path !== '') return;
  throw new HexzError('USAGE', `${name} is not the path of a file`);
}

/** What shows streams as files has no say in whose the files of the disk are, and the other way round. */
function checkDeviceOptions(options: ServeOptions): void {
  const { asDevice, partition, uid, gid, allowOther, backend, writeback } = options;
  if (asDevice !== true) {
    if (partition === undefined) return;
    throw new HexzError('USAGE', 'a partition is mounted over NBD only', { hint: 'give --nbd' });
  }
  if (uid !== undefined || gid !== undefined || allowOther === true) {
    throw new HexzError('USAGE', 'uid, gid and allow-other do not go with NBD', {
      hint: 'the files belong to whom the file system on the disk says',
    });
  }
  if (backend !== undefined || writeback === true) {
    throw new HexzError('USAGE', 'a backend and writeback are of FUSE, and do not go with NBD');
  }
  if (partition === undefined || (Number.isInteger(partition) && partition > 0)) return;
  throw new HexzError('USAGE', `partition ${partition} is not a number from 1`);
}

function checkId(name: string, id: number | undefined): void {
  if (id === undefined || (Number.isInteger(id) && id >= 0 && id <= MAX_ID)) return;
  throw new HexzError('USAGE', `${name} ${id} is not a number from 0 to ${MAX_ID}`);
}
