import { constants } from 'node:fs';
import { HexzError } from '../errors.js';
import { type StreamName, streamNames } from '../format/types.js';
import type { Volume } from '../volume/volume.js';
import type { ChangeGate } from './changeGate.js';
import { RequestError } from './requestError.js';

/** Inode numbers. They are the same in every mount of every snapshot. */
export const ROOT_INODE = 1;
export const streamInodes: Readonly<Record<StreamName, number>> = { disk: 2, memory: 3 };

const PERMISSIONS = 0o7777;
const ACCESS_MODE = constants.O_WRONLY | constants.O_RDWR;
/** What stat and statvfs count in; they call it a block, which in a snapshot is something else. */
const UNIT_BYTES = 4096;
const NAME_LENGTH_LIMIT = 255;
/** Damage all over a large disk must not fill the log. */
const REPORTED_ERRORS_LIMIT = 100;

export interface FileSystemOptions {
  /** Owner of directory and files. */
  readonly uid: number;
  readonly gid: number;
  /** When the snapshot file was last modified. */
  readonly modifiedAt: Date;
  /** When the disk was, where an overlay lies on it. */
  readonly diskModifiedAt?: Date;
  /** Room that is left for the overlay, in bytes. Without it a writable mount shows none. */
  readonly freeBytes?: () => number;
  /**
   * When the disk was last written, in milliseconds since 1970, for file systems in several threads that stand for the
   * same volume. Default: one of its own.
   */
  readonly diskTouch?: Float64Array<SharedArrayBuffer>;
  /** Holds changes back; a backend asks it before it passes one on. */
  readonly gate?: ChangeGate;
  /** Told of errors that are more than a refused request: a program sees only an errno. */
  readonly onError?: (operation: string, error: unknown) => void;
}

/** What stat(2) answers. */
export interface Attributes {
  readonly inode: number;
  /** Type and permissions. */
  readonly mode: number;
  readonly linkCount: number;
  readonly uid: number;
  readonly gid: number;
  /** Size in bytes. */
  readonly length: number;
  /** In which pieces it is best read and written. */
  readonly unitBytes: number;
  /** Allocated units of 512 bytes. */
  readonly sectorCount: number;
  readonly accessedAt: Date;
  readonly modifiedAt: Date;
  readonly changedAt: Date;
}

/** What statvfs(3) answers. */
export interface Statistics {
  readonly unitBytes: number;
  readonly unitCount: number;
  readonly freeUnitCount: number;
  readonly nameLengthLimit: number;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly inode: number;
}

/**
 * What a mount shows of a volume: one directory with the file `disk` and, if the snapshot has one, the
 * file `memory`. Written once for all backends, which carry requests by inode number or by path.
 *
 * Invariant: names, inode numbers, types, permissions and owners never change while it is mounted. Only
 * the disk of a writable volume does: its contents, size and times. So whatever comes through one mount
 * may be cached by the kernel for as long as it likes.
 *
 *              | read-only volume | writable volume
 *   disk       | 0444             | 0644; writes, truncate, times
 *   memory     | 0444             | 0444; changes answer EROFS
 *   directory  | 0555             | 0755; changes answer EPERM, as a file system does that cannot make files
 *   others     | changes answer EROFS in all of it
 *
 * Extended attributes, locks and ioctls are none of its business; kernel and library answer for them.
 * Requests throw: RequestError where the request is at fault, HexzError where the volume is. A backend
 * hands them to `reportFailure`, which says what to answer.
 */
export class FileSystem {
  readonly #volume: Volume;
  readonly #options: FileSystemOptions;
  readonly #streams: readonly StreamName[];
  readonly #reported = new Set<string>();
  /** When the disk was last written, by whichever thread: as `FileSystemOptions.diskTouch`. */
  readonly diskTouch: Float64Array<SharedArrayBuffer>;
  /** The touch that `#diskTimes` know of. */
  #seenTouch: number;
  #diskTimes: Pick<Attributes, 'accessedAt' | 'modifiedAt' | 'changedAt'>;
  readonly #snapshotTimes: Pick<Attributes, 'accessedAt' | 'modifiedAt' | 'changedAt'>;

  constructor(volume: Volume, options: FileSystemOptions) {
    const { modifiedAt, diskModifiedAt = modifiedAt } = options;
    this.#volume = volume;
    this.#streams = streamNames.filter((stream) => volume.hasStream(stream));
    this.#options = options;
    this.diskTouch = options.diskTouch ?? new Float64Array(new SharedArrayBuffer(8));
    this.#seenTouch = this.#lastTouch;
    this.#snapshotTimes = { accessedAt: modifiedAt, modifiedAt, changedAt: modifiedAt };
    this.#diskTimes = {
      accessedAt: diskModifiedAt,
      modifiedAt: diskModifiedAt,
      changedAt: diskModifiedAt,
    };
  }

  /** What a request that changes something has to wait for; undefined if nothing. */
  get held(): Promise<void> | undefined {
    return this.#options.gate?.held;
  }

  /** The inode of a name. */
  lookup(directory: number, name: string): number {
    checkDirectory(directory);
    const stream = this.#streams.find((present) => present === name);
    if (stream === undefined) throw new RequestError('ENOENT');
    return streamInodes[stream];
  }

  entries(directory: number): DirectoryEntry[] {
    checkDirectory(directory);
    return [
      { name: '.', inode: ROOT_INODE },
      { name: '..', inode: ROOT_INODE },
      ...this.#streams.map((name) => ({ name, inode: streamInodes[name] })),
    ];
  }

  attributes(inode: number): Attributes {
    const { uid, gid } = this.#options;
    const common = { inode, uid, gid, unitBytes: UNIT_BYTES };
    if (inode === ROOT_INODE) {
      const permissions = this.#volume.isWritable ? 0o755 : 0o555;
      const mode = constants.S_IFDIR | permissions;
      return { ...common, mode, linkCount: 2, length: 0, sectorCount: 0, ...this.#snapshotTimes };
    }
    const stream = this.#streamOf(inode);
    const length = this.#volume.streamLength(stream);
    return {
      ...common,
      mode: constants.S_IFREG | (this.#isWritable(inode) ? 0o644 : 0o444),
      linkCount: 1,
      length,
      sectorCount: Math.ceil(length / 512),
      ...(stream === 'disk' ? this.#currentDiskTimes() : this.#snapshotTimes),
    };
  }

  /** Whether a file may be opened with these flags of open(2). */
  open(inode: number, flags: number): void {
    this.#streamOf(inode);
    if ((flags & ACCESS_MODE) !== constants.O_RDONLY) this.#checkWritable(inode);
  }

  /** Fills the target; answers how many bytes there were, fewer only at the end of the file. */
  read(inode: number, offset: number, target: Buffer): number {
    return this.#volume.readInto(this.#streamOf(inode), offset, target);
  }

  /** Writes all bytes; answers how many. */
  write(inode: number, offset: number, bytes: Buffer): number {
    this.#streamOf(inode);
    this.#checkWritable(inode);
    this.#volume.write(offset, bytes);
    this.#touchDisk();
    return bytes.length;
  }

  truncate(inode: number, length: number): void {
    this.#streamOf(inode);
    this.#checkWritable(inode);
    this.#volume.truncate(length);
    this.#touchDisk();
  }

  /** What was written before is on the disk when it resolves. */
  async sync(inode: number): Promise<void> {
    if (this.#isWritable(inode)) await this.#volume.sync();
  }

  statistics(): Statistics {
    const { freeBytes } = this.#options;
    const free = this.#volume.isWritable && freeBytes !== undefined ? freeBytes() : 0;
    const freeUnitCount = Math.floor(free / UNIT_BYTES);
    const unitCounts = this.#streams.map((stream) =>
      Math.ceil(this.#volume.streamLength(stream) / UNIT_BYTES),
    );
    return {
      unitBytes: UNIT_BYTES,
      unitCount: unitCounts.reduce((sum, count) => sum + count, freeUnitCount),
      freeUnitCount,
      nameLengthLimit: NAME_LENGTH_LIMIT,
    };
  }

  setModificationTime(inode: number, modifiedAt: Date): void {
    this.#checkChangeable(inode);
    if (inode === ROOT_INODE) throw new RequestError('EPERM');
    this.#diskTimes = { ...this.#currentDiskTimes(), modifiedAt, changedAt: new Date() };
  }

  /** Permissions cannot be changed; to ask for those that there are is no mistake. */
  changeMode(inode: number, mode: number): void {
    this.#checkChangeable(inode);
    const { mode: present } = this.attributes(inode);
    if ((mode & PERMISSIONS) !== (present & PERMISSIONS)) throw new RequestError('EPERM');
  }

  /** Owners cannot be changed; undefined means the one that there is. */
  changeOwner(inode: number, uid: number | undefined, gid: number | undefined): void {
    this.#checkChangeable(inode);
    const { uid: presentUid, gid: presentGid } = this.#options;
    if ((uid ?? presentUid) !== presentUid || (gid ?? presentGid) !== presentGid) {
      throw new RequestError('EPERM');
    }
  }

  /** For create, mkdir, mknod, symlink and link alike: no name can be added. */
  add(directory: number, name: string): never {
    this.#checkChangeable(directory);
    checkDirectory(directory);
    const isTaken = this.#streams.some((present) => present === name);
    throw new RequestError(isTaken ? 'EEXIST' : 'EPERM');
  }

  /** For unlink, rmdir and rename alike: no name can be removed. */
  remove(directory: number, name: string): never {
    this.#checkChangeable(directory);
    this.lookup(directory, name);
    throw new RequestError('EPERM');
  }

  /**
   * Takes what a request threw and answers its errno. An error that the program's user could not understand
   * from that is reported, once per message.
   */
  reportFailure(operation: string, error: unknown): string {
    if (error instanceof RequestError) return error.errno;
    const message = error instanceof HexzError ? error.toLine() : String(error);
    if (!this.#reported.has(message) && this.#reported.size < REPORTED_ERRORS_LIMIT) {
      this.#reported.add(message);
      try {
        this.#options.onError?.(operation, error);
      } catch {
        // A log that cannot be written must not end the mount.
      }
    }
    return error instanceof HexzError ? error.errno : 'EIO';
  }

  #streamOf(inode: number): StreamName {
    if (inode === ROOT_INODE) throw new RequestError('EISDIR');
    const stream = this.#streams.find((present) => streamInodes[present] === inode);
    if (stream === undefined) throw new RequestError('ENOENT');
    return stream;
  }

  #isWritable(inode: number): boolean {
    return this.#volume.isWritable && inode === streamInodes.disk;
  }

  #checkWritable(inode: number): void {
    if (!this.#isWritable(inode)) throw new RequestError('EROFS');
  }

  /** Directory and disk of a writable volume may be asked for changes, whatever they then answer. */
  #checkChangeable(inode: number): void {
    if (inode !== ROOT_INODE) this.#streamOf(inode);
    if (!this.#volume.isWritable || inode === streamInodes.memory) throw new RequestError('EROFS');
  }

  /** Fractions of a millisecond tell a write from one just before it. */
  #touchDisk(): void {
    this.diskTouch[0] = performance.timeOrigin + performance.now();
  }

  get #lastTouch(): number {
    return this.diskTouch[0] as number;
  }

  #currentDiskTimes(): Pick<Attributes, 'accessedAt' | 'modifiedAt' | 'changedAt'> {
    const touch = this.#lastTouch;
    if (touch !== this.#seenTouch) {
      const now = new Date(touch);
      this.#seenTouch = touch;
      this.#diskTimes = { ...this.#diskTimes, modifiedAt: now, changedAt: now };
    }
    return this.#diskTimes;
  }
}

function checkDirectory(inode: number): void {
  if (inode !== ROOT_INODE) throw new RequestError('ENOTDIR');
}
