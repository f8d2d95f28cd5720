import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readlinkSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { HexzError } from '../errors.js';
import type { ByteSink } from '../snapshot/extract.js';
import { isZero } from '../snapshot/zeros.js';
import { attempt, isTaken, TemporaryFile, type TemporaryFileOptions } from './temporaryFile.js';

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

/**
 * Opens an output. A regular file is written under a temporary name beside its target, with holes for
 * zeros, and takes its name when it is complete and on the disk. Anything else that exists (a device, a
 * pipe) is written in place.
 *
 * @throws HexzError OUTPUT_EXISTS, OUTPUT_FAILED
 */
export function openOutput(path: string, options: TemporaryFileOptions): Output {
  const kind = kindOf(path);
  if (kind === 'other') {
    return new InPlaceOutput(
      path,
      attempt(path, () => openSync(path, constants.O_WRONLY)),
    );
  }
  return new FileOutput(new TemporaryFile(path, options));
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

/**
 * A regular file under a temporary name.
 *
 * Invariant: until `finish`, the target's name is not touched. Zeros become holes in pieces of 4 KiB.
 */
class FileOutput implements Output {
  readonly #file: TemporaryFile;
  #length = 0;

  constructor(file: TemporaryFile) {
    this.#file = file;
  }

  write(bytes: Buffer): void {
    let start = 0;
    while (start < bytes.length) {
      let end = start;
      while (end < bytes.length && !isHole(bytes, end)) end += HOLE_BYTES;
      end = Math.min(end, bytes.length);
      if (end > start) {
        const piece = bytes.subarray(start, end);
        attempt(this.#file.path, () =>
          writeFully(this.#file.descriptor, piece, this.#length + start),
        );
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
    if (this.#file.hasEnded) return;
    try {
      attempt(this.#file.path, () => ftruncateSync(this.#file.descriptor, this.#length));
    } catch (error) {
      this.#file.discard();
      throw error;
    }
    this.#file.publish();
  }

  discard(): void {
    this.#file.discard();
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
const isHole = (bytes: Buffer, start: number): boolean =>
  isZero(bytes.subarray(start, start + HOLE_BYTES));

/** Writes all bytes, at a position or where the descriptor stands. */
export function writeFully(descriptor: number, bytes: Buffer, position: number | null): void {
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
