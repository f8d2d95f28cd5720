import { join } from 'node:path';
import { asHexzError, HexzError } from '../errors.js';
import { streamNames } from '../format/types.js';
import type { FuseBackend, FuseOptions } from '../fuse/backend.js';
import { FileSystem, type FileSystemOptions } from '../fuse/fileSystem.js';
import type { Volume } from '../volume/volume.js';
import { checkDiskUnused, findDiskUsers } from './diskUsers.js';
import { flushMachine } from './flushMachine.js';
import type { LiveMount } from './liveMount.js';
import { mountAt, readMountTable } from './mountTable.js';
import { raiseReadahead } from './readahead.js';
import { TestReader } from './readiness.js';
import { detachMount } from './unmount.js';

export interface ServedMountOptions
  extends Omit<FileSystemOptions, 'onError'>,
    Omit<FuseOptions, 'isReadOnly'> {
  /** Told of errors of the running mount: the program that meets one sees only an errno. */
  readonly onError: (error: HexzError) => void;
}

/**
 * One mount of a volume, served by this thread, until the kernel ends the connection: whoever unmounted it, and only
 * when nobody uses it any more.
 *
 * The thread must never touch the mount in a call that would wait for its own answer.
 */
export class ServedMount implements LiveMount {
  readonly mountpoint: string;
  /** Name of what carries it. */
  readonly backend: string;
  readonly device = null;
  readonly ended: Promise<void>;
  /** "major:minor" of its file system; the users of a mount that was detached are found by it, too. */
  readonly deviceNumber: string;
  readonly #mountId: number;

  /**
   * Mounts, and reads a little of it to be sure that it answers.
   *
   * @throws HexzError MOUNT_FAILED, MOUNTPOINT_UNUSABLE; it is not mounted then
   */
  static async start(
    backend: FuseBackend,
    volume: Volume,
    options: ServedMountOptions,
  ): Promise<ServedMount> {
    const { mountpoint, onError } = options;
    const fileSystem = new FileSystem(volume, {
      ...options,
      onError: (_operation, error) => onError(asHexzError(error)),
    });
    const stream = streamNames.find((name) => volume.hasStream(name));
    const reader = stream && new TestReader(join(mountpoint, stream));
    const isReadOnly = !volume.isWritable;
    const connection = await backend
      .mount(fileSystem, { ...options, isReadOnly })
      .catch((error) => {
        reader?.cancel();
        throw error;
      });
    const mount = new ServedMount(backend, mountpoint, connection.ended);
    try {
      await reader?.read();
      return mount;
    } catch (error) {
      await mount.detach({ isLazy: true });
      throw error;
    }
  }

  private constructor(backend: FuseBackend, mountpoint: string, ended: Promise<void>) {
    this.backend = backend.name;
    this.mountpoint = mountpoint;
    this.ended = ended;
    const mount = mountAt(mountpoint, readMountTable());
    // These stand for none.
    this.#mountId = mount?.mountId ?? -1;
    this.deviceNumber = mount?.deviceNumber ?? '';
    const { readaheadBytes } = backend;
    if (readaheadBytes !== undefined) raiseReadahead(this.deviceNumber, readaheadBytes);
  }

  get diskPath(): string {
    return join(this.mountpoint, 'disk');
  }

  async checkUnused(): Promise<void> {
    await checkDiskUnused(this);
    if (mountAt(this.mountpoint, readMountTable())?.mountId === this.#mountId) return;
    // Nobody can drop the kernel's pages of a mount that nothing leads to any more.
    const message = 'the mount was taken away while it was in use, and still is';
    throw new HexzError('DISK_IN_USE', message, {
      location: { file: this.diskPath },
      hint: 'end what uses it',
    });
  }

  async flushAbove(limitMilliseconds: number): Promise<void> {
    const users = await findDiskUsers(this).catch(() => []);
    if (users.length > 0) await flushMachine(limitMilliseconds);
  }

  /** The kernel ends the connection when this process ends. */
  async cut(): Promise<void> {
    await this.detach({ isLazy: true }).catch(() => {});
  }

  detach({ isLazy }: { readonly isLazy: boolean }): Promise<void> {
    return detachMount({ mountpoint: this.mountpoint, mountId: this.#mountId }, { isLazy });
  }
}
