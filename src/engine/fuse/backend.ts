import type { ServingThreads } from '../volume/servingThreads.js';
import type { FileSystem } from './fileSystem.js';

export interface FuseOptions {
  /** The real path of an empty directory. */
  readonly mountpoint: string;
  /** Whether other users than the one who mounts may use the mount. */
  readonly allowOther: boolean;
  readonly isReadOnly: boolean;
  /** By which other threads get what the file system serves. A backend without them asks the file system everything. */
  readonly threads?: ServingThreads | undefined;
  /** Memory for decoded blocks of all these threads together, in bytes. */
  readonly cacheBytes?: number | undefined;
  /** Whether the kernel may keep what is written for a while, where the backend and the kernel can do that. */
  readonly isWritebackWanted?: boolean;
  /** Told of a bug in another thread: the mount cannot be served any more. */
  readonly onBug: (error: Error) => void;
}

/** A file system that the kernel has mounted. */
export interface FuseConnection {
  /**
   * Resolves when the kernel has ended the connection: after unmount by whomever, and only when nobody
   * uses it any more. It never rejects.
   */
  readonly ended: Promise<void>;
}

/** What carries a file system between the kernel and us. */
export interface FuseBackend {
  readonly name: string;
  /** How far the kernel had best read ahead, where that is more than it does by itself. */
  readonly readaheadBytes?: number;
  /**
   * Checks that this machine and this user can mount. It is to be called before anything is made for a mount.
   *
   * @throws HexzError FUSE_UNAVAILABLE naming what is missing and what mends it
   */
  check(options: Pick<FuseOptions, 'allowOther'>): Promise<void>;
  /**
   * Mounts and serves, after a `check`; resolves when the kernel has the mount. The thread that calls it answers the
   * requests: it must never touch the mount itself, and nothing may keep it busy for long.
   *
   * @throws HexzError MOUNT_FAILED, MOUNTPOINT_UNUSABLE
   */
  mount(fileSystem: FileSystem, options: FuseOptions): Promise<FuseConnection>;
}
