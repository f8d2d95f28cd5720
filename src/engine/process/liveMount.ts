import type { AttachedDevice } from '../nbd/kernelClient.js';

/** A mount of a volume that this process serves, whichever way it reaches the kernel. */
export interface LiveMount {
  /** Real path. */
  readonly mountpoint: string;
  /** What carries it. */
  readonly backend: string;
  /** The device that it is a mount of, if it is one. */
  readonly device: AttachedDevice | null;
  /** Where the disk is found as a file; undefined where it is a device. */
  readonly diskPath: string | undefined;
  /** Resolves when it has been unmounted, by whomever, and nobody uses it any more. It never rejects. */
  readonly ended: Promise<void>;
  /**
   * Takes the mount away; what others have mounted in its place meanwhile is not touched.
   *
   * @throws HexzError MOUNT_BUSY, UNMOUNT_FAILED
   */
  detach(options: { readonly isLazy: boolean }): Promise<void>;
  /** Ends it though it is in use: who uses it gets errors. */
  cut(): Promise<void>;
  /** Has the kernel write back what it keeps above the disk, as far as that goes within the time. */
  flushAbove(limitMilliseconds: number): Promise<void>;
  /**
   * Refuses where somebody keeps bytes of the disk, which may be about to change beneath.
   *
   * @throws HexzError DISK_IN_USE
   */
  checkUnused(): Promise<void>;
}
