import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { HexzError } from '../errors.js';
import type { ByteSink } from '../snapshot/extract.js';
import { describeSystemError } from '../systemErrors.js';

const ZEROS = Buffer.alloc(64 * 1024);
const HOLE_BYTES = 4096;
const MAX_LINKS = 16;

/** Where a command's bytes go. `finish` or `discard` ends it; what is called after that does nothing. */
export interface Output extends ByteSink {
  /** Makes the output what it shall be; before that, a file of its name does not exist or is the old one. */
  finish(): void;
  /** Leaves nothing behind. Bytes that went into a pipe or device cannot be taken back. */
  discard(): void;
}

export interface OutputOptions {
  /** Whether an existing file may be replaced. */
  readonly force: boolean;
  /** Permission bits of a new file, before the umask. */
  readonly mode: number;
}

/**
 * Opens an output. A regular file is written under a temporary name beside its target, with holes for
 * zeros, and takes its name when it is complete and on the disk. Anything else that exists (a device, a
 * pipe) is written in place.
 *
 * @throws HexzError OUTPUT_EXISTS, OUTPUT_FAILED
 */
export function openOutput(path: string, options: OutputOptions): Output {
  const kind = kindOf(path);
  if (kind === 'other') {
    return new InPlaceOutput(
      path,
      attempt(path, () => openSync(path, constants.O_WRONLY)),
    );
  }
  if (kind === 'file' && !options.force) throw exists(path);
  return new FileOutput(replaceable(path), options);
}

/**
 * Whether an output of this path would be a file under a temporary name until it is finished, and so has
 * to be discarded when it is not.
 *
 * @throws HexzError OUTPUT_FAILED
 */
export function isFileOutput(path: string): boolean {
  return kindOf(path) !== 'other';
}

/** The output for a descriptor that is open already, such as standard output. */
export function descriptorOutput(name: string, descriptor: number): Output {
  return new InPlaceOutput(name, descriptor);
}

/** The file itself, where the path is a link to it: the link stays. */
function replaceable(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** Names of open descriptors, such as /dev/stdout: whatever they stand for was opened by somebody else. */
function isDescriptorName(path: string): boolean {
  let name = resolve(path);
  for (let links = 0; links < MAX_LINKS; links++) {
    if (/^\/(dev|proc\/[^/]+)\/fd\/\d+$/.test(name)) return true;
    try {
      name = resolve(dirname(name), readlinkSync(name));
    } catch {
      return false;
    }
  }
  return false;
}

function kindOf(path: string): 'absent' | 'file' | 'other' {
  if (isDescriptorName(path)) return 'other';
  const stats = attempt(path, () => statSync(path, { throwIfNoEntry: false }));
  if (stats?.isDirectory() === true) {
    throw new HexzError('OUTPUT_FAILED', 'cannot write it: is a directory', {
      location: { file: path },
    });
  }
  if (stats !== undefined) return stats.isFile() ? 'file' : 'other';
  // A symbolic link that leads nowhere is a name that is taken.
  return attempt(path, () => (isTaken(path) ? 'file' : 'absent'));
}

const isTaken = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/**
 * A regular file under a temporary name.
 *
 * Invariant: until `finish`, the target's name is not touched. Zeros become holes in pieces of 4 KiB.
 */
class FileOutput implements Output {
  readonly #path: string;
  readonly #temporaryPath: string;
  readonly #force: boolean;
  readonly #descriptor: number;
  #length = 0;
  #hasEnded = false;

  constructor(path: string, { force, mode }: OutputOptions) {
    const unique = `${process.pid}-${randomBytes(4).toString('hex')}`;
    this.#path = path;
    this.#force = force;
    this.#temporaryPath = join(dirname(path), `.hexz-${unique}.tmp`);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    // A file that is replaced keeps its permissions; what is for its owner only stays so.
    const replaced = statSync(path, { throwIfNoEntry: false });
    const wanted = replaced === undefined ? mode : mode & replaced.mode;
    this.#descriptor = attempt(path, () => openSync(this.#temporaryPath, flags, wanted));
  }

  write(bytes: Buffer): void {
    let start = 0;
    while (start < bytes.length) {
      let end = start;
      while (end < bytes.length && !isHole(bytes, end)) end += HOLE_BYTES;
      end = Math.min(end, bytes.length);
      if (end > start) {
        const piece = bytes.subarray(start, end);
        attempt(this.#path, () => writeFully(this.#descriptor, piece, this.#length + start));
      }
      start = end;
      while (start < bytes.length && isHole(bytes, start)) start += HOLE_BYTES;
    }
    this.#length += bytes.length;
  }

  skip(length: number): void {
    this.#length += length;
  }

  finish(): void {
    if (this.#hasEnded) return;
    try {
      attempt(this.#path, () => {
        ftruncateSync(this.#descriptor, this.#length);
        fsyncSync(this.#descriptor);
        if (this.#force) renameSync(this.#temporaryPath, this.#path);
        else linkNew(this.#temporaryPath, this.#path);
        syncDirectory(dirname(this.#path));
      });
    } catch (error) {
      this.discard();
      throw error;
    }
    this.#hasEnded = true;
    closeSync(this.#descriptor);
  }

  discard(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    closeSync(this.#descriptor);
    try {
      unlinkSync(this.#temporaryPath);
    } catch {
      // Gone already: somebody cleaned the directory.
    }
  }
}

/** A pipe, a device, or standard output. */
class InPlaceOutput implements Output {
  readonly #name: string;
  readonly #descriptor: number;
  #hasEnded = false;

  constructor(name: string, descriptor: number) {
    this.#name = name;
    this.#descriptor = descriptor;
  }

  write(bytes: Buffer): void {
    attempt(this.#name, () => writeFully(this.#descriptor, bytes, null));
  }

  skip(length: number): void {
    for (let left = length; left > 0; left -= ZEROS.length) {
      this.write(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS);
    }
  }

  finish(): void {
    if (this.#hasEnded) return;
    attempt(this.#name, () => {
      if (fstatSync(this.#descriptor).isBlockDevice()) fsyncSync(this.#descriptor);
    });
    this.discard();
  }

  discard(): void {
    if (!this.#hasEnded && this.#descriptor > 2) closeSync(this.#descriptor);
    this.#hasEnded = true;
  }
}

/** Whether 4 KiB (fewer at the end) are all zero. */
function isHole(bytes: Buffer, start: number): boolean {
  const end = Math.min(start + HOLE_BYTES, bytes.length);
  return bytes[start] === 0 && bytes.compare(ZEROS, 0, end - start, start, end) === 0;
}

function writeFully(descriptor: number, bytes: Buffer, position: number | null): void {
  let done = 0;
  while (done < bytes.length) {
    try {
      const at = position === null ? null : position + done;
      done += writeSync(descriptor, bytes, done, bytes.length - done, at);
    } catch (error) {
      // Somebody made our pipe non-blocking; wait for the reader.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** Gives a complete file its name, which must not exist. */
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

const exists = (path: string): HexzError =>
  new HexzError('OUTPUT_EXISTS', 'the file exists', {
    location: { file: path },
    hint: 'give --force to replace it',
  });

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof HexzError) throw cause;
    throw new HexzError('OUTPUT_FAILED', `cannot write it: ${describeSystemError(cause)}`, {
      location: { file: path },
      cause,
    });
  }
}
