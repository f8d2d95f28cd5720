import type { EngineCommands, Lease, ServedState } from '../control/commands.js';
import { type ControlServer, startControlServer } from '../control/server.js';
import { sharedCall } from '../control/sharedCall.js';
import { HexzError, toPortable } from '../errors.js';
import type { FuseBackend } from '../fuse/backend.js';
import { chooseBackend } from '../fuse/backends.js';
import { ChangeGate } from '../fuse/changeGate.js';
import type { NbdServer } from '../nbd/server.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { ServingThreads } from '../volume/servingThreads.js';
import { DeviceMount } from './deviceMount.js';
import { LiveChanges } from './liveChanges.js';
import type { LiveMount } from './liveMount.js';
import { checkMountpoint } from './mountpoint.js';
import { prepareNbd } from './nbdRequirements.js';
import { checkNotIn, type NbdSettings, nbdSettingsOf } from './nbdSettings.js';
import { identifyProcess, type ProcessIdentity } from './processes.js';
import {
  type EngineEntry,
  prepareRegistry,
  prepareSocketPath,
  type Registration,
  register,
} from './registry.js';
import {
  checkOutside,
  closeResources,
  freeBytesOf,
  openResources,
  type Resources,
  reviewPlaceOf,
  timesOf,
  warningsOf,
} from './resources.js';
import { ServedMount } from './servedMount.js';
import { type NbdSurroundings, serveNbd } from './servedNbd.js';
import { servedState } from './servedState.js';
import type { EngineSettings } from './settings.js';

const STATUS_INTERVAL_MILLISECONDS = 250;
/** Nothing of an engine whose watcher was killed is left after 3 seconds. */
const FLUSH_LIMIT_MILLISECONDS = 1500;

export interface EngineOptions {
  /** That opened the snapshot: threads of the engine open it again. */
  readonly passwords: readonly string[];
  /** Told of errors of the running mount: the program that meets one sees only an errno. */
  readonly onError: (error: HexzError) => void;
}

/**
 * Serves one volume of one snapshot from this process: as a mount, to NBD clients, and to watchers.
 *
 *   state      begins with                         what is answered
 *   starting   `start`                             the test read that decides whether the mount is ready
 *   serving    `start` resolves                    requests of the mount, NBD clients, and watchers
 *   detached   a lazy unmount, `umount -l`         those who have files open, and watchers
 *   unmounted  the kernel ends the connection,     watchers; only while a lease is held, else it ends.
 *              or it was started without a mount   `mount` leads back to serving. NBD clients are served on
 *   ended      as above, `shutdown`, `abandon`     nothing; the overlay is flushed and closed, what was temporary is
 *                                                  removed, then `ended` settles
 *
 * Whoever unmounts, with our command or another, is served alike: the engine waits for the end of the connection.
 *
 * Who ends it is its lease: `mount` (it ends with its mount), `bound` (with a watcher's connection), `terminal` (a
 * watcher says so), `orphaned` (that watcher is gone; it goes on, and ends with its mount).
 *
 * The thread that runs this answers the mount's requests. So it never touches the mount in a call that
 * would wait for its own answer.
 */
export class Engine {
  readonly warnings: readonly string[];
  /** Resolves when everything is closed; rejects with what closing met. */
  readonly ended: Promise<void>;
  readonly #resources: Resources;
  readonly #settings: EngineSettings;
  readonly #onError: (error: HexzError) => void;
  readonly #passwords: readonly string[];
  readonly #backend: FuseBackend;
  readonly #threads: ServingThreads;
  readonly #identity: ProcessIdentity;
  readonly #startedAt = new Date().toISOString();
  readonly #gate: ChangeGate;
  readonly #liveChanges: LiveChanges;
  #registration: Registration | undefined;
  #statusTimer: NodeJS.Timeout | undefined;
  #control: ControlServer | undefined;
  /** What was met while there was nobody to tell watchers; the file system reports so much at most. */
  readonly #untold: HexzError[] = [];
  #mount: LiveMount | undefined;
  readonly #nbdServers: NbdServer[] = [];
  /** Resolves when the last mount is gone and what follows from that is done. */
  #unmounted: Promise<void> = Promise.resolve();
  #isMounting = false;
  #isEnding = false;
  #lease: Lease = 'mount';
  #keepsOverlay = false;
  #end: () => void = () => {};

  /**
   * Opens what it serves, and mounts it where a mountpoint is given. The engine closes the snapshot.
   *
   * @throws HexzError of the overlay, the mountpoint, FUSE, the registry; nothing is left behind then
   */
  static async start(
    snapshot: Snapshot,
    settings: EngineSettings,
    options: EngineOptions,
  ): Promise<Engine> {
    const { identity, backend } = await checkBeforehand(snapshot, settings);
    const resources = await openResources(snapshot, settings);
    const engine = new Engine(identity, backend, resources, settings, options);
    try {
      const { mountpoint, allowOther, nbd } = settings;
      const steps = await Promise.allSettled([
        engine.#listen(false),
        mountpoint === undefined ? undefined : engine.#serve(mountpoint, allowOther),
        nbd === undefined ? undefined : engine.#serveNbd(nbd),
      ]);
      // Only when both are over can everything be undone.
      for (const step of steps) if (step.status === 'rejected') throw step.reason;
      engine.#register();
      return engine;
    } catch (error) {
      await engine.#undoStart();
      throw error;
    }
  }

  private constructor(
    identity: ProcessIdentity,
    backend: FuseBackend,
    resources: Resources,
    settings: EngineSettings,
    options: EngineOptions,
  ) {
    this.#identity = identity;
    this.#backend = backend;
    this.#resources = resources;
    this.#gate = new ChangeGate(() => resources.overlay?.reserve() ?? (() => {}));
    this.#liveChanges = new LiveChanges(
      resources,
      this.#gate,
      () => this.#mount,
      () => this.#nbdServers.reduce((sum, server) => sum + server.writerCount, 0),
    );
    this.#settings = settings;
    this.#threads = new ServingThreads({
      snapshot: settings.snapshot,
      passwords: options.passwords,
      parentDirectories: settings.parentDirectories,
      overlay: resources.overlay,
      activity: resources.activity,
    });
    this.#passwords = options.passwords;
    this.#onError = (error) => {
      options.onError(error);
      if (this.#control === undefined) this.#untold.push(error);
      else this.#tellOf(this.#control, error);
    };
    this.warnings = warningsOf(resources);
    this.ended = new Promise<void>((resolve) => {
      this.#end = () => {
        this.#isEnding = true;
        resolve();
      };
    }).then(() => this.#finish());
    // Who does not wait for the end is not to be ended by it.
    this.ended.catch(() => {});
  }

  /** What others are told of it. */
  get entry(): EngineEntry {
    const { volume, overlayPath, temporaryDirectory } = this.#resources;
    return {
      ...this.#identity,
      mountpoint: this.#mount?.mountpoint ?? null,
      snapshot: this.#settings.snapshot,
      mode: volume.isWritable ? 'rw' : 'ro',
      overlay: overlayPath ?? null,
      isTemporaryOverlay: temporaryDirectory !== undefined,
      backend: this.#mount?.backend ?? null,
      device: this.#mount?.device ?? null,
      nbd: this.#nbdServers.map(({ url }) => url),
      startedAt: this.#startedAt,
      dirtyBytes: volume.dirtyBytes,
      lease: this.#lease,
      control: this.#control?.socketPath ?? null,
    };
  }

  /** Where a temporary overlay lies that is not removed in the end; undefined if there is none. */
  get keptOverlay(): string | undefined {
    const { overlayPath, temporaryDirectory } = this.#resources;
    return this.#keepsOverlay && temporaryDirectory !== undefined ? overlayPath : undefined;
  }

  /**
   * Takes the mount away and ends; `ended` tells when everything is closed.
   *
   * @param isLazy also if programs have files open: it serves them until they are closed
   * @throws HexzError MOUNT_BUSY (it goes on serving), UNMOUNT_FAILED
   */
  async unmount({ isLazy }: { isLazy: boolean }): Promise<void> {
    const lease = this.#lease;
    this.#lease = 'mount';
    try {
      await this.#mount?.detach({ isLazy });
    } catch (error) {
      this.#lease = lease;
      throw error;
    }
    if (this.#mount === undefined) this.#end();
  }

  /**
   * Takes the mount away and ends, though programs still have files open: they get errors from then on. What the kernel
   * keeps of a disk that stays is flushed before, as far as that goes in a moment.
   *
   * @throws HexzError UNMOUNT_FAILED, and as `ended`
   */
  async abandon(): Promise<void> {
    try {
      await this.#flushAbove();
      await this.unmount({ isLazy: true });
    } finally {
      this.#end();
    }
    await this.ended;
  }

  async #flushAbove(): Promise<void> {
    const { volume, temporaryDirectory } = this.#resources;
    const isKept = temporaryDirectory === undefined || this.#keepsOverlay;
    if (volume.isWritable && isKept) await this.#mount?.flushAbove(FLUSH_LIMIT_MILLISECONDS);
  }

  async #serve(mountpoint: string, allowOther: boolean): Promise<void> {
    const mount = await this.#startMount(mountpoint, allowOther);
    this.#mount = mount;
    this.#unmounted = mount.ended.then(() => this.#afterMount(mount));
    // It came too late for those who end what there is.
    if (this.#isEnding) await mount.detach({ isLazy: true });
  }

  #startMount(mountpoint: string, allowOther: boolean): Promise<LiveMount> {
    const { volume, overlayPath } = this.#resources;
    const { uid, gid, device, cacheBytes, isWritebackWanted } = this.#settings;
    if (device !== undefined) {
      const socketPath = prepareSocketPath(this.#identity, 'nbd');
      return DeviceMount.start(
        this.#resources,
        { mountpoint, ...device, socketPath },
        this.#nbdSurroundings,
      );
    }
    return ServedMount.start(this.#backend, volume, {
      mountpoint,
      gate: this.#gate,
      allowOther,
      uid,
      gid,
      ...timesOf(this.#resources),
      ...(overlayPath === undefined ? {} : { freeBytes: () => freeBytesOf(overlayPath) }),
      threads: this.#threads,
      cacheBytes,
      isWritebackWanted,
      onError: this.#onError,
      onBug: (error) => {
        throw error;
      },
    });
  }

  get #nbdSurroundings(): NbdSurroundings {
    const { volume } = this.#resources;
    return {
      held: () => this.#gate.held,
      sync: sharedCall(() => volume.sync()),
      // The bytes are written all the same; who reads old ones is told by the log.
      show: () => this.#liveChanges.show()?.catch(this.#onError),
      onError: this.#onError,
    };
  }

  /** @returns the address */
  async #serveNbd(settings: NbdSettings): Promise<string> {
    const server = await serveNbd(this.#resources, settings, this.#nbdSurroundings);
    this.#nbdServers.push(server);
    // It came too late for those who end what there is.
    if (this.#isEnding) await server.close();
    return server.url;
  }

  /** What the kernel keeps of a device, and of the file system on it, cannot be dropped. */
  #checkShareable(): void {
    const mount = this.#mount;
    if (mount === undefined || !this.#resources.volume.isWritable) return;
    // The kernel writes whole pages later, also over what others have written meanwhile.
    const { isWritebackWanted } = this.#settings;
    if (!mount.device && !isWritebackWanted) return;
    const message = mount.device
      ? `others cannot be served what ${mount.device.path} can write: it is mounted`
      : 'others cannot be served what the kernel keeps back: it is mounted with --writeback';
    throw new HexzError('DISK_IN_USE', message, {
      location: { file: mount.mountpoint },
      hint: mount.device
        ? 'mount it without --rw, or unmount it first'
        : 'mount it without --writeback',
    });
  }

  #closeNbd(): Promise<unknown> {
    return Promise.all(this.#nbdServers.splice(0).map((server) => server.close()));
  }

  /** The kernel has ended the connection: with a lease the engine goes on, without it has nothing left to do. */
  async #afterMount(mount: LiveMount): Promise<void> {
    // A connection that the kernel aborted leaves its mount behind, dead.
    await mount.detach({ isLazy: true }).catch(() => {});
    const goesOn = this.#lease === 'bound' || this.#lease === 'terminal';
    if (goesOn) await this.#resources.volume.sync().catch(this.#onError);
    this.#mount = undefined;
    if (!goesOn && !this.#isEnding) this.#end();
    this.#tell();
  }

  async #listen(isSuccessor: boolean): Promise<void> {
    const { snapshot, parentDirectories, cacheBytes } = this.#settings;
    const control = await startControlServer(
      {
        socketPath: prepareSocketPath(this.#identity),
        review: reviewPlaceOf(this.#resources),
        isSuccessor,
        baseLength: this.#resources.snapshot.streamLength('disk'),
        job: {
          snapshot,
          overlay: this.#resources.overlay?.share(),
          passwords: this.#passwords,
          parentDirectories,
          cacheBytes,
          activity: this.#resources.activity,
        },
      },
      this.#commands,
    );
    this.#control = control;
    for (const error of this.#untold.splice(0)) this.#tellOf(control, error);
    void control.ended.then((bug) => this.#afterControl(bug));
  }

  #tellOf({ commands }: ControlServer, error: HexzError): void {
    commands.met(toPortable(error)).catch(() => {});
  }

  /** Its thread has met a bug: all watchers are gone, also the one with the lease. The mount goes on where it may. */
  async #afterControl(bug: Error | undefined): Promise<void> {
    if (this.#isEnding) return;
    this.#control = undefined;
    this.#onError(
      new HexzError('INTERNAL', `watchers were lost: ${bug?.message ?? 'their thread has ended'}`, {
        cause: bug,
      }),
    );
    // What its watchers held; a change that is being made goes on holding.
    this.#liveChanges.close();
    if (this.#lease === 'bound') await this.abandon().catch(() => {});
    else if (this.#lease === 'terminal') this.#setLease('orphaned');
    if (!this.#isEnding) await this.#listen(true).catch(this.#onError);
  }

  #register(): void {
    this.#registration = register(this.entry);
    this.#statusTimer = setInterval(() => this.#tell(), STATUS_INTERVAL_MILLISECONDS);
  }

  /** Lets registry and watchers know what has changed. */
  #tell(): void {
    if (this.#registration?.update(this.entry) !== true) return;
    this.#control?.commands.stateChanged().catch(() => {});
  }

  get #state(): ServedState {
    return servedState(this.#resources, this.entry, this.warnings);
  }

  readonly #commands: EngineCommands = {
    state: () => this.#state,
    sync: () => this.#resources.volume.sync(),
    freeze: () => this.#liveChanges.freeze(),
    hold: () => this.#liveChanges.hold(),
    release: (number) => this.#liveChanges.release(number),
    write: (offset, bytes, force) => this.#liveChanges.write(offset, bytes, force),
    drop: (runs, force) => this.#liveChanges.drop(runs, force),
    mount: async (mountpoint, allowOther) => {
      if (this.#isMounting) {
        throw new HexzError('MOUNTPOINT_UNUSABLE', 'the engine is being mounted already');
      }
      if (this.#mount !== undefined) {
        throw new HexzError('MOUNTPOINT_UNUSABLE', 'the engine has a mount already', {
          location: { file: this.#mount.mountpoint },
          hint: 'unmount it first',
        });
      }
      const realPath = checkMountpoint(mountpoint);
      checkOutside(realPath, this.#settings.overlay);
      this.#isMounting = true;
      try {
        await checkCanMount({ ...this.#settings, allowOther }, this.#backend);
        await this.#serve(realPath, allowOther);
      } finally {
        this.#isMounting = false;
      }
      this.#tell();
    },
    serveNbd: async (options) => {
      const settings = nbdSettingsOf(options);
      if (this.#isEnding) throw new HexzError('ENGINE_GONE', 'the engine is ending');
      if (this.#mount !== undefined) checkNotIn(this.#mount.mountpoint, settings);
      this.#checkShareable();
      const url = await this.#serveNbd(settings);
      this.#tell();
      return url;
    },
    unmount: async (isLazy) => {
      const mount = this.#mount;
      if (mount === undefined) throw new HexzError('NOT_MOUNTED', 'the engine has no mount');
      await mount.detach({ isLazy });
      if (!isLazy) await this.#unmounted;
    },
    shutdown: async (isLazy, keepsOverlay) => {
      const { volume } = this.#resources;
      if (this.#isEnding) throw new HexzError('ENGINE_GONE', 'the engine is ending');
      const isWanted = this.#keepsOverlay;
      this.#keepsOverlay = keepsOverlay && volume.dirtyBytes > 0;
      try {
        if (isLazy) void this.abandon().catch(() => {});
        else await this.unmount({ isLazy });
      } catch (error) {
        this.#keepsOverlay = isWanted;
        throw error;
      }
      return this.keptOverlay ?? null;
    },
    setLease: (lease) => this.#setLease(lease),
  };

  #setLease(lease: Lease): void {
    this.#lease = lease;
    if (lease === 'orphaned' && this.#mount === undefined) {
      // Nobody can see it any more; what it holds must not be lost with it.
      this.#keepsOverlay = this.#resources.volume.dirtyBytes > 0;
      this.#end();
    }
    this.#tell();
  }

  async #undoStart(): Promise<void> {
    this.#isEnding = true;
    await Promise.all([this.#control?.close(), this.#closeNbd()]);
    await this.#mount?.cut();
    const wasCreated = this.#resources.overlay?.wasCreated === true;
    await closeResources(this.#resources, wasCreated ? 'removed' : undefined).catch(() => {});
  }

  async #finish(): Promise<void> {
    clearInterval(this.#statusTimer);
    this.#gate.openAll();
    // Its threads, and its clients, read the files that are about to be closed, and perhaps removed.
    await Promise.all([this.#control?.close(), this.#closeNbd()]);
    this.#liveChanges.close();
    await this.#mount?.cut();
    try {
      await closeResources(this.#resources, this.#keepsOverlay ? 'kept' : undefined);
    } finally {
      this.#registration?.remove();
    }
  }
}

/**
 * Checks what can be known before anything is made, and answers which process this is, and what mounts.
 *
 * @throws HexzError FUSE_UNAVAILABLE, NBD_UNAVAILABLE, MOUNT_FAILED, REGISTRY_UNUSABLE, MOUNTPOINT_UNUSABLE, OVERLAY_UNUSABLE
 */
async function checkBeforehand(
  snapshot: Snapshot,
  settings: EngineSettings,
): Promise<{ readonly identity: ProcessIdentity; readonly backend: FuseBackend }> {
  const { mountpoint, overlay } = settings;
  try {
    const backend = chooseBackend(settings.backend);
    if (mountpoint !== undefined) {
      await checkCanMount(settings, backend);
      checkOutside(mountpoint, overlay);
    }
    prepareRegistry();
    return { identity: ownIdentity(), backend };
  } catch (error) {
    snapshot.close();
    throw error;
  }
}

const checkCanMount = (
  { allowOther, device }: Pick<EngineSettings, 'allowOther' | 'device'>,
  backend: FuseBackend,
): Promise<void> => (device === undefined ? backend.check({ allowOther }) : prepareNbd());

function ownIdentity(): ProcessIdentity {
  const identity = identifyProcess(process.pid);
  if (identity !== undefined) return identity;
  throw new HexzError('MOUNT_FAILED', 'cannot read /proc, which hexz needs to mount');
}
