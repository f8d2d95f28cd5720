import { setTimeout as sleep } from 'node:timers/promises';
import { asHexzError, HexzError } from '../errors.js';
import {
  type AttachedDevice,
  attachKernelClient,
  detachKernelClient,
  isAttached,
} from '../nbd/kernelClient.js';
import { isSourceOf } from '../nbd/kernelDevices.js';
import type { NbdServer } from '../nbd/server.js';
import { findFileSystem, mountFileSystem } from './deviceFileSystem.js';
import type { LiveMount } from './liveMount.js';
import { type Mount, mountAt, readMountTable } from './mountTable.js';
import type { Resources } from './resources.js';
import { runAsRoot } from './rootTool.js';
import { type NbdSurroundings, serveNbd } from './servedNbd.js';
import { detachDeviceMount } from './unmount.js';

export interface DeviceMountOptions {
  /** Real path of an empty directory. */
  readonly mountpoint: string;
  /** Number of the partition; undefined where there is only one, or none. */
  readonly partition: number | undefined;
  /** Where the kernel's client finds our server. Only this user may get to it. */
  readonly socketPath: string;
}

const POLL_MILLISECONDS = 200;
/** Finding out whether somebody still has the device open takes a process each time. */
const USE_POLL_MILLISECONDS = 500;
const FIRST_READ_LIMIT_MILLISECONDS = 20_000;

/** Whoever has the device open for himself alone, as those who mount it do, keeps this one from it. */
const IS_IN_USE = `const { O_RDONLY, O_EXCL, O_NONBLOCK } = fs.constants;
try { fs.closeSync(fs.openSync(process.argv[1], O_RDONLY | O_EXCL | O_NONBLOCK)); }
catch ({ code }) { process.exitCode = code === 'EBUSY' ? 3 : 0; }`;
const IN_USE_STATUS = 3;

/**
 * The file system on the disk of a volume, mounted from a device that the kernel's NBD client has made of it, and that this
 * thread serves. The steps, each of which undoes those before when it fails:
 *
 *   listening  our server waits at a socket in a directory that is ours alone: nobody else can read the disk
 *   attached   the client of the kernel is connected, and /dev/nbdN is there
 *   found      the file system, on the disk or a partition
 *   mounted    the kernel has it, and its directory can be read
 *
 * Then it goes on like this:
 *
 *   serving    as long as it is in the table of mounts, and the kernel is connected
 *   in use     unmounted, but somebody has the device open: a lazy unmount, another namespace, another partition of it
 *   ended      nobody has, or `cut`, or the connection is gone: the device is detached, the server closed
 *
 * Unmounting writes back what the kernel keeps, and this thread takes it. So everything that may wait for the device, be it to
 * mount, to look or to unmount, is done by other processes, and none of them is waited for in a call that blocks.
 */
export class DeviceMount implements LiveMount {
  readonly mountpoint: string;
  readonly backend = 'nbd';
  readonly diskPath = undefined;
  readonly device: AttachedDevice;
  readonly ended: Promise<void>;
  readonly #mountId: number;
  readonly #server: NbdServer;
  readonly #onError: (error: HexzError) => void;
  #isCut = false;

  /**
   * @throws HexzError FILE_SYSTEM_UNKNOWN, MOUNT_FAILED, NBD_UNAVAILABLE, LISTEN_FAILED; USAGE naming the partitions
   */
  static async start(
    resources: Resources,
    { mountpoint, partition, socketPath }: DeviceMountOptions,
    surroundings: NbdSurroundings,
  ): Promise<DeviceMount> {
    const { onError } = surroundings;
    const undo: (() => Promise<void>)[] = [];
    try {
      const server = await serveNbd(
        resources,
        {
          address: { kind: 'unix', path: socketPath },
          exportName: 'disk',
          hasMemory: false,
          tls: undefined,
        },
        surroundings,
      );
      undo.unshift(() => server.close());
      const attached = await attachKernelClient(socketPath, runAsRoot);
      undo.unshift(() => detachKernelClient(attached, runAsRoot));
      const fileSystem = await findFileSystem(attached.path, partition, runAsRoot);
      await mountFileSystem(
        fileSystem,
        { mountpoint, isReadOnly: !resources.volume.isWritable },
        runAsRoot,
      );
      const mount = mountAt(mountpoint, readMountTable());
      if (mount === undefined || !isSourceOf(attached.path, mount.source)) {
        throw failed(mountpoint, 'it was taken away as soon as it was made');
      }
      undo.unshift(() => detachDeviceMount(mount, { isLazy: true }));
      await readDirectory(mountpoint);
      return new DeviceMount(mount, attached, server, onError);
    } catch (error) {
      for (const step of undo) await step().catch((met) => onError(asHexzError(met)));
      throw error;
    }
  }

  private constructor(
    { mountpoint, mountId }: Mount,
    attached: AttachedDevice,
    server: NbdServer,
    onError: (error: HexzError) => void,
  ) {
    this.mountpoint = mountpoint;
    this.device = attached;
    this.#mountId = mountId;
    this.#server = server;
    this.#onError = onError;
    this.ended = this.#serve();
  }

  async detach({ isLazy }: { readonly isLazy: boolean }): Promise<void> {
    const { mountpoint } = this;
    if (isAttached(this.device)) {
      await detachDeviceMount({ mountpoint, mountId: this.#mountId }, { isLazy });
    }
  }

  async cut(): Promise<void> {
    this.#isCut = true;
    await this.ended;
  }

  async flushAbove(limitMilliseconds: number): Promise<void> {
    // The last thing that can be tried: how it went is not asked.
    await runAsRoot('sync', ['-f', '--', this.mountpoint], limitMilliseconds).catch(() => {});
  }

  /** The kernel keeps what it has read of a device, and of the file system on it. */
  async checkUnused(): Promise<void> {
    const { path } = this.device;
    const message = `the disk is in use, and old bytes of it would be kept: it is mounted from ${path}`;
    throw new HexzError('DISK_IN_USE', message, {
      location: { file: this.mountpoint },
      hint: 'unmount it first; --force changes the disk all the same, which corrupts what is mounted from it',
    });
  }

  async #serve(): Promise<void> {
    while (this.#isConnected && this.#isInTable) await sleep(POLL_MILLISECONDS);
    if (this.#isInTable && !this.#isCut) {
      const message = `the kernel has ended its connection: ${this.device.path} was detached`;
      this.#onError(failed(this.mountpoint, message));
    }
    while (this.#isConnected && (await this.#isInUse())) await sleep(USE_POLL_MILLISECONDS);
    await detachKernelClient(this.device, runAsRoot).catch((error) => {
      this.#onError(asHexzError(error));
    });
    // If the mount still stands, it cannot wait for answers any more.
    await this.detach({ isLazy: true }).catch((error) => this.#onError(asHexzError(error)));
    await this.#server.close();
  }

  get #isConnected(): boolean {
    return !this.#isCut && this.#server.clientCount > 0;
  }

  get #isInTable(): boolean {
    return readMountTable().some(
      ({ mountId, mountpoint }) => mountId === this.#mountId && mountpoint === this.mountpoint,
    );
  }

  async #isInUse(): Promise<boolean> {
    try {
      const parameters = ['--eval', IS_IN_USE, '--', this.device.path];
      const { status } = await runAsRoot(process.execPath, parameters);
      return status === IN_USE_STATUS;
    } catch (error) {
      // Nobody can tell.
      this.#onError(asHexzError(error));
      return false;
    }
  }
}

/** Another process reads it: one that waits for its own answer could not be killed. That it is damaged is an answer, too. */
async function readDirectory(mountpoint: string): Promise<void> {
  const parameters = ['-U', '--', mountpoint];
  const { status, complaint } = await runAsRoot('ls', parameters, FIRST_READ_LIMIT_MILLISECONDS);
  if (status === 0 || /input\/output error/i.test(complaint)) return;
  const problem = status === null ? 'got no answer' : `failed: ${complaint}`;
  throw failed(mountpoint, `the mount is there, but a first read ${problem}`);
}

const failed = (mountpoint: string, message: string): HexzError =>
  new HexzError('MOUNT_FAILED', message, { location: { file: mountpoint } });
