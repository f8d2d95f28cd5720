import { fromPortable, HexzError } from '../errors.js';
import {
  checkPath,
  type EngineMessage,
  type ServeOptions,
  settingsOf,
  type UnmountRequest,
} from './settings.js';
import { type StartedEngine, startChild } from './start.js';
import { unmount } from './unmount.js';

export interface MountOptions extends ServeOptions {
  /** An empty directory. */
  readonly mountpoint: string;
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
  const settings = settingsOf(options);
  checkPath('mountpoint', options.mountpoint);
  const passwords = [options.passwords ?? []].flat();
  const engine = await startChild({ settings, passwords }, onError);
  const { snapshot, mode, overlay, backend, pid, startedAt } = engine.entry;
  const { mountpoint } = settings;
  const handle = new EngineHandle(engine, mountpoint, () => lastError);
  return {
    mountpoint,
    snapshot,
    mode,
    overlay,
    backend: backend ?? '',
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

  constructor(
    { process: child }: StartedEngine,
    mountpoint: string,
    lastError: () => HexzError | undefined,
  ) {
    this.#mountpoint = mountpoint;
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
