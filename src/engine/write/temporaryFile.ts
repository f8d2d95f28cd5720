import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fdatasync,
  fstatSync,
  fsync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';

const ALL_PERMISSIONS = 0o7777;

const fdatasyncLater = promisify(fdatasync);
const fsyncLater = promisify(fsync);

export interface TemporaryFileOptions {
  /** Whether an existing file may be replaced. */
  readonly force: boolean;
  /** Permission bits of a new file, before the umask. */
  readonly mode: number;
}

/**
 * A regular file that is written under a temporary name beside its target, and takes the target's name when it
 * is complete and on the disk.
 *
 *   state      target's name            temporary name
 *   open       absent, or the old file  the new file, as far as it is written
 *   published  the new file             gone
 *   discarded  absent, or the old file  gone
 *
 * A process that is killed leaves the temporary file behind, and the target as it was.
 */
export class TemporaryFile {
  /** The target; where it was a symbolic link, what the link leads to. */
  readonly path: string;
  readonly temporaryPath: string;
  /** Open for reading and writing; closed by `publish` and `discard`. */
  readonly descriptor: number;
  readonly #force: boolean;
  #hasEnded = false;

  /** @throws HexzError OUTPUT_EXISTS, OUTPUT_FAILED */
  constructor(path: string, { force, mode }: TemporaryFileOptions) {
    if (!force && attempt(path, () => isTaken(path))) throw exists(path);
    const unique = `${process.pid}-${randomBytes(4).toString('hex')}`;
    this.path = replaceable(path);
    this.#force = force;
    this.temporaryPath = join(dirname(this.path), `.hexz-${unique}.tmp`);
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    // A file that is replaced keeps its permissions; what is for its owner only stays so.
    const replaced = statSync(this.path, { throwIfNoEntry: false });
    const wanted = replaced === undefined ? mode : mode & replaced.mode;
    this.descriptor = attempt(path, () => openSync(this.temporaryPath, flags, wanted));
  }

  /** Whether it was published or discarded. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * Makes it a copy of a file, with its permissions and, where that is allowed, its owner and group. Takes no
   * space where the file system can share blocks.
   *
   * @throws HexzError OUTPUT_FAILED
   */
  async copyFrom(path: string): Promise<void> {
    try {
      const { uid, gid, mode } = statSync(path);
      // By the name, the file could be made once more when it is discarded while copying begins.
      const opened = `/proc/self/fd/${this.descriptor}`;
      const target = existsSync(opened) ? opened : this.temporaryPath;
      await copyFile(path, target, constants.COPYFILE_FICLONE);
      giveTo(this.descriptor, uid, gid);
      // At last: a change of the owner takes some of the bits away.
      fchmodSync(this.descriptor, mode & ALL_PERMISSIONS);
    } catch (error) {
      throw failed(this.path, error);
    }
  }

  /**
   * Begins to bring what is written so far onto the disk, so that less is left to wait for at the end. What
   * fails here fails again there.
   */
  async flushBehind(): Promise<void> {
    await fdatasyncLater(this.descriptor).catch(() => {});
  }

  /** @throws HexzError OUTPUT_FAILED */
  async sync(): Promise<void> {
    try {
      await fsyncLater(this.descriptor);
    } catch (error) {
      throw failed(this.path, error);
    }
  }

  /**
   * Syncs the file and gives it the target's name.
   *
   * @throws HexzError OUTPUT_EXISTS, OUTPUT_FAILED; nothing is left behind then
   */
  publish(): void {
    if (this.#hasEnded) return;
    try {
      attempt(this.path, () => {
        fsyncSync(this.descriptor);
        giveName(this.temporaryPath, this.path, this.#force);
      });
    } catch (error) {
      this.discard();
      throw error;
    }
    this.#hasEnded = true;
    closeSync(this.descriptor);
  }

  /** Leaves nothing behind. After `publish` it does nothing. */
  discard(): void {
    if (this.#hasEnded) return;
    this.removeName();
    this.#hasEnded = true;
    closeSync(this.descriptor);
  }

  /**
   * Takes the temporary name away, so that nothing stays behind whatever happens next, also to this process. The
   * descriptor stays open: others may be about to write to it, and shall not hit another file of its number.
   */
  removeName(): void {
    if (this.#hasEnded) return;
    try {
      unlinkSync(this.temporaryPath);
    } catch {
      // Gone already: somebody cleaned the directory.
    }
  }
}

/**
 * Publishes all files or, as far as the process lives to see it, none.
 *
 * @throws HexzError OUTPUT_EXISTS, OUTPUT_FAILED; every target is then as it was
 */
export function publishTogether(files: readonly TemporaryFile[]): void {
  const undo: (() => void)[] = [];
  const kept: string[] = [];
  try {
    for (const file of files) {
      const former = attempt(file.path, () => keep(file));
      if (former !== undefined) kept.push(former);
      file.publish();
      undo.push(
        former === undefined ? () => unlinkSync(file.path) : () => renameSync(former, file.path),
      );
    }
  } catch (error) {
    for (const file of files) file.discard();
    for (const step of undo.reverse()) step();
    throw error;
  } finally {
    for (const path of kept) rmSync(path, { force: true });
  }
}

/** Gives what a file is going to replace a second name, so that it can be put back. */
function keep({ path, temporaryPath }: TemporaryFile): string | undefined {
  if (!isTaken(path)) return undefined;
  const kept = `${temporaryPath}.old`;
  try {
    linkSync(path, kept);
  } catch {
    // No hard links here.
    copyFileSync(path, kept, constants.COPYFILE_EXCL);
  }
  return kept;
}

/** Whether something has this name, be it a link that leads nowhere. */
export const isTaken = (path: string): boolean =>
  lstatSync(path, { throwIfNoEntry: false }) !== undefined;

export const exists = (path: string): HexzError =>
  new HexzError('OUTPUT_EXISTS', 'the file exists', {
    location: { file: path },
    hint: 'give --force to replace it',
  });

/** Runs an action on an output; what the system throws comes out as OUTPUT_FAILED. */
export function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw failed(path, cause);
  }
}

function failed(path: string, cause: unknown): HexzError {
  if (cause instanceof HexzError) return cause;
  return new HexzError('OUTPUT_FAILED', `cannot write it: ${describeSystemError(cause)}`, {
    location: { file: path },
    cause,
  });
}

/** The file itself, where the path is a link to it: the link stays. */
function replaceable(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/**
 * Gives a complete file its name, in the same file system.
 *
 * @param force whether what has the name is replaced
 * @throws HexzError OUTPUT_EXISTS; the system's errors
 */
export function giveName(temporaryPath: string, path: string, force: boolean): void {
  if (force) renameSync(temporaryPath, path);
  else linkNew(temporaryPath, path);
  syncDirectory(dirname(path));
}

/** The name must not exist. */
function linkNew(temporaryPath: string, path: string): void {
  try {
    linkSync(temporaryPath, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw exists(path);
    // No hard links here (FAT, some network file systems): the check before opening has to do.
    if (isTaken(path)) throw exists(path);
    renameSync(temporaryPath, path);
    return;
  }
  unlinkSync(temporaryPath);
}

/** Makes a file somebody's, or at least the group's; most users may give away neither. */
function giveTo(descriptor: number, uid: number, gid: number): void {
  const stats = fstatSync(descriptor);
  if (stats.uid === uid && stats.gid === gid) return;
  for (const owner of [uid, stats.uid]) {
    try {
      fchownSync(descriptor, owner, gid);
      return;
    } catch {
      // Then it stays ours.
    }
  }
}

function syncDirectory(path: string): void {
  try {
    const descriptor = openSync(path, constants.O_RDONLY);
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // Not every file system can sync a directory, nor may every user read one that he may write into.
  }
}
