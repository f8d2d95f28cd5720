import { resolve } from 'node:path';
import { fromPortable, HexzError } from '../errors.js';
import { checkMountpoint } from './mountpoint.js';
import { type EngineMessage, MAX_ID, type MountSettings, type UnmountRequest } from './settings.js';
import { type StartedEngine, startChild } from './start.js';
import { unmount } from './unmount.js';

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
 * Mounts a snapshot. It is served by an engine process of its own, which unmounts when this process ends; that
 * it goes on does not keep this process from ending.
 *
 * @returns when a read of the mount works
 * @throws HexzError of the snapshot, the mountpoint, the overlay, FUSE
 */
export async function mount(options: MountOptions): Promise<Mounted> {
  let lastError: HexzError | undefined;
  const onError = (error: HexzError) => {
    lastError = error;
    options.onError?.(error);
  };
  const request = { settings: settingsOf(options), passwords: [options.passwords ?? []].flat() };
  const engine = await startChild(request, onError);
  const { mountpoint, snapshot, mode, overlay, backend, pid, startedAt } = engine.entry;
  const handle = new EngineHandle(engine, () => lastError);
  return {
    mountpoint,
    snapshot,
    mode,
    overlay,
    backend,
    pid,
    startedAt,
    warnings: engine.warnings,
    get closed() {
      return handle.closed;
    },
    unmount: (unmountOptions) => handle.unmount(unmountOptions),
  };
}

/**
 * What an engine needs to know, with everything filled in; paths are taken from the current directory.
 *
 * @throws HexzError USAGE, MOUNTPOINT_UNUSABLE
 */
export function settingsOf(options: MountOptions): MountSettings {
  checkPath('snapshot', options.snapshot);
  checkPath('mountpoint', options.mountpoint);
  if (options.overlay !== undefined) checkPath('overlay', options.overlay);
  checkId('uid', options.uid);
  checkId('gid', options.gid);
  return {
    snapshot: resolve(options.snapshot),
    mountpoint: checkMountpoint(options.mountpoint),
    overlay: options.overlay === undefined ? undefined : resolve(options.overlay),
    isWritable: options.rw ?? false,
    cacheBytes: options.cacheSize,
    uid: options.uid ?? process.getuid?.() ?? 0,
    gid: options.gid ?? process.getgid?.() ?? 0,
    allowOther: options.allowOther ?? false,
    force: options.force ?? false,
    parentDirectories: (options.parentDirectories ?? []).map((path) => resolve(path)),
  };
}

function checkPath(name: string, path: unknown): void {
  if (typeof path === 'string' && path !== '') return;
  throw new HexzError('USAGE', `${name} is not the path of a file`);
}

function checkId(name: string, id: number | undefined): void {
  if (id === undefined || (Number.isInteger(id) && id >= 0 && id <= MAX_ID)) return;
  throw new HexzError('USAGE', `${name} ${id} is not a number from 0 to ${MAX_ID}`);
}

/**
 * The engine, seen from the process that asked for the mount. It does not keep that process going, unless it
 * waits for the end.
 *
 * State: who waits for the engine's answer to a request to unmount; it answers in their order.
 */
class EngineHandle {
  readonly #mountpoint: string;
  readonly #process: StartedEngine['process'];
  readonly #lastError: () => HexzError | undefined;
  readonly #ended: Promise<void>;
  readonly #unmounting: { resolve: () => void; reject: (error: HexzError) => void }[] = [];

  constructor({ process: child, entry }: StartedEngine, lastError: () => HexzError | undefined) {
    this.#mountpoint = entry.mountpoint;
    this.#process = child;
    this.#lastError = lastError;
    child.on('message', (message: EngineMessage) => {
      if (message.type === 'detached') this.#unmounting.shift()?.resolve();
      else if (message.type === 'kept')
        this.#unmounting.shift()?.reject(fromPortable(message.error));
    });
    this.#ended = this.#awaitEnd();
    // Who does not ask how it ended is not told by an unhandled rejection.
    this.#ended.catch(() => {});
    child.unref();
    child.channel?.unref();
  }

  get closed(): Promise<void> {
    this.#process.ref();
    this.#process.channel?.ref();
    return this.#ended;
  }

  async unmount({ lazy = false }: { readonly lazy?: boolean } = {}): Promise<void> {
    const { connected } = this.#process;
    if (connected) {
      const request: UnmountRequest = { type: 'unmount', isLazy: lazy };
      const answered = new Promise<void>((resolve, reject) => {
        this.#unmounting.push({ resolve, reject });
        this.#process.send(request);
      });
      // Held until then, whoever else lets go of it.
      const { closed } = this;
      await Promise.race([answered, closed]);
    }
    if (!lazy || !connected) await this.closed.catch((error) => this.#clearDead(error));
  }

  /** What an engine that was killed has left behind goes all the same; everything else was no success. */
  async #clearDead(error: unknown): Promise<void> {
    if (this.#process.signalCode === null) throw error;
    await unmount(this.#mountpoint, { isLazy: true }).catch((cause) => {
      if (!(cause instanceof HexzError) || cause.code !== 'NOT_MOUNTED') throw cause;
    });
  }

  #awaitEnd(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#process.once('exit', (status, signal) => {
        const settle = () => (status === 0 ? resolve() : reject(this.#endError(status, signal)));
        // What it said last may still be on its way.
        if (this.#process.connected) this.#process.once('disconnect', settle);
        else settle();
      });
    });
  }

  #endError(status: number | null, signal: NodeJS.Signals | null): HexzError {
    const last = this.#lastError();
    if (last !== undefined && last.exitStatus === status) return last;
    return new HexzError('MOUNT_FAILED', `the engine was ended by ${signal ?? 'an error'}`, {
      location: { file: this.#mountpoint },
      hint: `hexz unmount ${this.#mountpoint} removes what is left of the mount`,
    });
  }
}
