import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { HexzError } from '../errors.js';

/**
 * The file operations that an overlay is made of, one system call or a completed loop of them each. They
 * throw the system's own errors; the overlay says what they mean. Tests put a layer in their place that
 * records, fails, and loses power.
 */
export interface OverlayFiles {
  /**
   * Opens a regular file. `create` makes a new one that only its owner may read, and fails with EEXIST
   * where the name is taken.
   */
  open(path: string, access: FileAccess): OverlayFile;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** What was created, renamed and removed in a directory is on the disk when it returns. */
  syncDirectory(path: string): void;
}

export type FileAccess = 'read' | 'write' | 'create';

export interface OverlayFile {
  readonly path: string;
  /** Same for two files exactly when they are one. */
  readonly identity: string;
  /** By which other threads of this process find the open file (`borrowFile`); -1 when it is closed. */
  readonly descriptor: number;
  /** Length in bytes, as the file system has it now. */
  length(): number;
  /** Fills the target; answers how many bytes there were, fewer only at the end of the file. */
  read(target: Buffer, offset: number): number;
  /** Writes all bytes, or throws. */
  write(bytes: Buffer, offset: number): void;
  truncate(length: number): void;
  /** Bytes and length are on the disk when it returns. */
  sync(): void;
  /** The same without holding up the thread: what was written before the call is on the disk. */
  syncLater(): Promise<void>;
  /** Takes a lock that ends with the process at the latest; false if another one stands against it. */
  lock(kind: 'shared' | 'exclusive'): boolean;
  /** May be called more than once. */
  close(): void;
}

const OWNER_ONLY = 0o600;

const openFlags: Readonly<Record<FileAccess, number>> = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
};

/** The files of this machine. */
export const systemFiles: OverlayFiles = {
  open(path, access) {
    // A link would give one overlay two names, and with them two side files.
    const flags = openFlags[access] | constants.O_NONBLOCK | constants.O_NOFOLLOW;
    const descriptor = openOwn(path, flags);
    if (!fstatSync(descriptor).isFile()) {
      closeSync(descriptor);
      throw new HexzError('OVERLAY_UNUSABLE', 'not a regular file', { location: { file: path } });
    }
    return new SystemFile(path, descriptor, identityOf(descriptor));
  },
  rename: renameSync,
  remove: unlinkSync,
  syncDirectory(path) {
    const descriptor = openSync(path, constants.O_RDONLY);
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  },
};

/** Same for two descriptors exactly when they are of one file. */
export function identityOf(descriptor: number): string {
  const { dev, ino } = fstatSync(descriptor, { bigint: true });
  return `${dev}:${ino}`;
}

/**
 * A file that another thread of this process has open, for writing in this one. To be used only while it is known to be
 * open there: later its descriptor may be another file's.
 *
 * @param descriptorOf answers its descriptor
 */
export function borrowFile(
  path: string,
  identity: string,
  descriptorOf: () => number,
): OverlayFile {
  return new BorrowedFile(path, identity, descriptorOf);
}

function openOwn(path: string, flags: number): number {
  try {
    return openSync(path, flags, OWNER_ONLY);
  } catch (cause) {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) throw cause;
    throw new HexzError('OVERLAY_UNUSABLE', 'it is a symbolic link', {
      location: { file: path },
      hint: 'name the file that it leads to',
      cause,
    });
  }
}

class SystemFile implements OverlayFile {
  readonly path: string;
  readonly identity: string;
  #descriptor: number;

  constructor(path: string, descriptor: number, identity: string) {
    this.path = path;
    this.#descriptor = descriptor;
    this.identity = identity;
  }

  get descriptor(): number {
    return this.#descriptor;
  }

  length(): number {
    return fstatSync(this.descriptor).size;
  }

  read(target: Buffer, offset: number): number {
    let done = 0;
    while (done < target.length) {
      const left = target.length - done;
      const count = readSync(this.descriptor, target, done, left, offset + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  write(bytes: Buffer, offset: number): void {
    let done = 0;
    while (done < bytes.length) {
      done += writeSync(this.descriptor, bytes, done, bytes.length - done, offset + done);
    }
  }

  truncate(length: number): void {
    ftruncateSync(this.descriptor, length);
  }

  sync(): void {
    fdatasyncSync(this.descriptor);
  }

  syncLater(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.descriptor, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  lock(kind: 'shared' | 'exclusive'): boolean {
    // Node has no flock(2). A lock of that kind belongs to the open file, not to the process that takes it:
    // the child may end, and the lock stays until our descriptor is closed, by us or by our death.
    const inherited = 3;
    const { error, status, stderr } = spawnSync(
      'flock',
      [`--${kind}`, '--nonblock', String(inherited)],
      { stdio: ['ignore', 'ignore', 'pipe', this.descriptor], encoding: 'utf8' },
    );
    if (error !== undefined) {
      throw this.#lockFailed('the program flock cannot be run', 'apt install util-linux', error);
    }
    // It tells a lock that is held by 1, and nothing else.
    if (status === 0 || status === 1) return status === 0;
    throw this.#lockFailed(`the file cannot be locked: ${stderr.trim()}`);
  }

  #lockFailed(message: string, hint?: string, cause?: unknown): HexzError {
    return new HexzError('OVERLAY_UNUSABLE', message, {
      location: { file: this.path },
      hint,
      cause,
    });
  }

  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor);
    this.#descriptor = -1;
  }
}

class BorrowedFile extends SystemFile {
  readonly #descriptorOf: () => number;

  constructor(path: string, identity: string, descriptorOf: () => number) {
    super(path, -1, identity);
    this.#descriptorOf = descriptorOf;
  }

  override get descriptor(): number {
    return this.#descriptorOf();
  }
}
