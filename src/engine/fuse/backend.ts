import type { FileSystem } from './fileSystem.js';

export interface FuseOptions {
  /** The real path of an empty directory. */
  readonly mountpoint: string;
  /** Whether other users than the one who mounts may use the mount. */
  readonly allowOther: boolean;
  readonly isReadOnly: boolean;
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
