import type { PortableError } from '../errors.js';
import type { MountEntry } from './registry.js';

/** The largest number of a user or group; the next one stands for none. */
export const MAX_ID = 2 ** 32 - 2;

/** What is mounted, where and how. Paths are absolute. */
export interface MountSettings {
  readonly snapshot: string;
  /** Real path of an empty directory. */
  readonly mountpoint: string;
  /** Data file of the overlay. */
  readonly overlay?: string | undefined;
  /** Whether the disk can be written; without an overlay's path into one that is removed with the mount. */
  readonly isWritable: boolean;
  /** Memory for decoded blocks in bytes. */
  readonly cacheBytes?: number | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly allowOther: boolean;
  /** Take the overlay although it was made on another snapshot. */
  readonly force: boolean;
  readonly parentDirectories: readonly string[];
}

/** What an engine is told by the process that starts it; passwords travel in no other way. */
export interface EngineRequest {
  readonly settings: MountSettings;
  readonly passwords: readonly string[];
  /**
   * - `log`: the engine writes its log to standard output and lives until it is unmounted.
   * - `parent`: it reports to its parent, and unmounts when the parent is gone.
   */
  readonly reportsTo: 'log' | 'parent';
}

/**
 * What an engine says to the process that started it: `ready` or `failed` first, `error` for what a running
 * mount meets, `detached` or `kept` as answer to a request to unmount.
 */
export type EngineMessage =
  | { readonly type: 'ready'; readonly entry: MountEntry; readonly warnings: readonly string[] }
  | { readonly type: 'failed'; readonly error: PortableError }
  | { readonly type: 'error'; readonly error: PortableError }
  | { readonly type: 'detached' }
  | { readonly type: 'kept'; readonly error: PortableError };

/** What the process that started an engine says to it after that. */
export interface UnmountRequest {
  readonly type: 'unmount';
  readonly isLazy: boolean;
}
