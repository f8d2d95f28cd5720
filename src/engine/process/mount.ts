import { resolve } from 'node:path';
import { HexzError } from '../errors.js';
import { checkMountpoint } from './mountpoint.js';
import { type EngineMessage, fromPortable, type UnmountRequest } from './settings.js';
import { type StartedEngine, startChild } from './start.js';

export interface MountOptions {
  /** Path of a .hxz file. */
  readonly snapshot: string;
  /** An empty directory. */
  readonly mountpoint: string;
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
  /** Take the overlay although it was made on another snapshot. */
  readonly force?: boolean;
  readonly passwords?: string | readonly string[];
  readonly parentDirectories?: readonly string[];
  /** Told of errors of the running mount: a program that reads sees only an errno. */
  readonly onError?: (error: HexzError) => void;
}

/** A mount that is ready. Paths are absolute. */
export interface Mounted {
  readonly mountpoint: string;
  readonly snapshot: string;
  readonly mode: 'ro' | 'rw';
  /** Data file of the overlay, of a temporary one too. */
  readonly overlay: string | null;
  readonly backend: string;
  /** The process that serves. */
  readonly pid: number;
  readonly startedAt: string;
  /** What a person should know of snapshot and overlay. */
  readonly warnings: readonly string[];
  /**
   * Settles when the mount is gone and everything is closed, whoever unmounted it.
   * Rejects with OVERLAY_UNUSABLE and the like when closing failed, MOUNT_FAILED when the engine was killed.
   */
  readonly closed: Promise<void>;
  /**
   * Unmounts; resolves when everything is closed, with `lazy` when nothing new can open it.
   *
   * @throws HexzError MOUNT_BUSY (the mount goes on), UNMOUNT_FAILED, and as `closed`
   */
  unmount(options?: { readonly lazy?: boolean }): Promise<void>;
}

/**
 * Mounts a snapshot. It is served by an engine process of its own, which unmounts when this process ends.
 *
 * @returns when a read of the mount works
 * @throws HexzError of the snapshot, the mountpoint, the overlay, FUSE
 */
export async function mount(options: MountOptions): Promise<Mounted> {
  const { rw = false, allowOther = false, force = false, passwords = [] } = options;
  const engine = await startChild({
    settings: {
      snapshot: resolve(options.snapshot),
      mountpoint: checkMountpoint(options.mountpoint),
      overlay: options.overlay === undefined ? undefined : resolve(options.overlay),
      isWritable: rw,
      cacheBytes: options.cacheSize,
      uid: options.uid ?? process.getuid?.() ?? 0,
      gid: options.gid ?? process.getgid?.() ?? 0,
      allowOther,
      force,
      parentDirectories: (options.parentDirectories ?? []).map((path) => resolve(path)),
    },
    passwords: [passwords].flat(),
  });
  return new MountHandle(engine, options.onError);
}

/**
 * The engine, seen from the process that asked for the mount.
 *
 * State: what the engine has reported last (`#lastError`), and who waits for its answer (`#unmounting`; it
 * answers requests in their order).
 */
class MountHandle implements Mounted {
  readonly mountpoint: string;
  readonly snapshot: string;
  readonly mode: 'ro' | 'rw';
  readonly overlay: string | null;
  readonly backend: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly warnings: readonly string[];
  readonly closed: Promise<void>;
  readonly #process: StartedEngine['process'];
  readonly #unmounting: { resolve: () => void; reject: (error: HexzError) => void }[] = [];
  #lastError: HexzError | undefined;

  constructor(
    { process: child, entry, warnings, errors }: StartedEngine,
    onError: MountOptions['onError'],
  ) {
    this.mountpoint = entry.mountpoint;
    this.snapshot = entry.snapshot;
    this.mode = entry.mode;
    this.overlay = entry.overlay;
    this.backend = entry.backend;
    this.pid = entry.pid;
    this.startedAt = entry.startedAt;
    this.warnings = warnings;
    this.#process = child;
    for (const error of errors) onError?.(error);
    child.on('message', (message: EngineMessage) => {
      if (message.type === 'error') {
        this.#lastError = fromPortable(message.error);
        onError?.(this.#lastError);
      } else if (message.type === 'detached') {
        this.#unmounting.shift()?.resolve();
      } else if (message.type === 'kept') {
        this.#unmounting.shift()?.reject(fromPortable(message.error));
      }
    });
    this.closed = this.#awaitEnd();
    // Who does not ask how it ended is not told by an unhandled rejection.
    this.closed.catch(() => {});
  }

  async unmount({ lazy = false }: { readonly lazy?: boolean } = {}): Promise<void> {
    const { connected } = this.#process;
    if (connected) {
      const request: UnmountRequest = { type: 'unmount', isLazy: lazy };
      const answered = new Promise<void>((resolve, reject) => {
        this.#unmounting.push({ resolve, reject });
        this.#process.send(request);
      });
      await Promise.race([answered, this.closed]);
    }
    if (!lazy || !connected) await this.closed;
  }

  #awaitEnd(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#process.once('exit', (status, signal) => {
        if (status === 0) resolve();
        else reject(this.#endError(signal));
      });
    });
  }

  #endError(signal: NodeJS.Signals | null): HexzError {
    if (signal === null && this.#lastError !== undefined) return this.#lastError;
    return new HexzError('MOUNT_FAILED', `the engine was ended by ${signal ?? 'an error'}`, {
      location: { file: this.mountpoint },
      hint: `hexz unmount ${this.mountpoint} removes what is left of the mount`,
    });
  }
}
