import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs';
import { dirname, isAbsolute, join, normalize, relative, sep } from 'node:path';
import { HexzError } from '../../errors.js';
import { describeSystemError } from '../../systemErrors.js';
import { type Content, PIECE_BYTES } from './content.js';

/** What a file holds. */
export interface FileSum {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * The real path of something beside or below a recipe. A recipe of somebody else's shall not bring other
 * files of this machine into a snapshot, so nothing leads out of its directory, links included.
 *
 * @param refuse makes the error
 */
export function inputPath(
  recipePath: string,
  path: string,
  refuse: (message: string) => HexzError,
): string {
  if (path === '' || path.includes('\0')) throw refuse('must be a path');
  if (isAbsolute(path) || normalize(path).split(sep)[0] === '..') {
    throw refuse('must lie in the directory of the recipe, or below it');
  }
  try {
    const directory = realpathSync(dirname(recipePath));
    const real = realpathSync(join(directory, path));
    const isInside = !relative(directory, real).startsWith('..');
    if (!isInside) throw refuse('leads out of the directory of the recipe by a symbolic link');
    return real;
  } catch (cause) {
    if (cause instanceof HexzError) throw cause;
    throw refuse(`cannot read ${path}: ${describeSystemError(cause)}`);
  }
}

/** A file as a content. */
export function fileContent(path: string, range: { offset: number; length: number }): Content {
  return {
    length: range.length,
    dataBytes: range.length,
    *pieces() {
      const descriptor = openInput(path);
      try {
        const buffer = Buffer.allocUnsafe(PIECE_BYTES);
        for (let done = 0; done < range.length; ) {
          const wanted = Math.min(PIECE_BYTES, range.length - done);
          const count = readInput(
            path,
            descriptor,
            buffer.subarray(0, wanted),
            range.offset + done,
          );
          if (count === 0) throw unreadable(path, 'became shorter while it was read');
          yield buffer.subarray(0, count);
          done += count;
        }
      } finally {
        closeSync(descriptor);
      }
    },
  };
}

/** Length and SHA-256 of a regular file. */
export function sumOfFile(path: string): FileSum {
  const descriptor = openInput(path);
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(16 * PIECE_BYTES);
    let length = 0;
    for (;;) {
      const count = readInput(path, descriptor, buffer, length);
      if (count === 0) return { bytes: length, sha256: hash.digest('hex') };
      hash.update(buffer.subarray(0, count));
      length += count;
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * All of a text file.
 *
 * @throws HexzError UNREADABLE, LIMIT; RECIPE_INVALID when it is not UTF-8
 */
export function readTextFile(path: string, maximumBytes: number): string {
  const descriptor = openInput(path);
  try {
    const buffer = Buffer.alloc(maximumBytes + 1);
    let length = 0;
    let count = -1;
    while (count !== 0 && length < buffer.length) {
      count = readInput(path, descriptor, buffer.subarray(length), length);
      length += count;
    }
    if (length > maximumBytes) {
      throw new HexzError('LIMIT', `it has more than ${maximumBytes} bytes`, {
        location: { file: path },
      });
    }
    return textOf(path, buffer.subarray(0, length));
  } finally {
    closeSync(descriptor);
  }
}

function textOf(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new HexzError('RECIPE_INVALID', 'is not UTF-8', { location: { file: path }, cause });
  }
}

/** One thing in a directory tree, by its path in it. */
export interface TreeFile {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly isExecutable: boolean;
  /** Of a symbolic link. */
  readonly target: string;
}

/** What lies below a directory, each directory before its contents, in the order of bytes; links are not followed. */
export function* treeFiles(directory: string, below = ''): Generator<TreeFile, void> {
  const entries = attempt(directory, () =>
    readdirSync(join(directory, below), { withFileTypes: true }),
  );
  for (const entry of entries.sort((a, b) => compareBytes(a.name, b.name))) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    const real = join(directory, path);
    if (entry.isDirectory()) {
      yield { path, type: 'directory', isExecutable: true, target: '' };
      yield* treeFiles(directory, path);
    } else if (entry.isSymbolicLink()) {
      const target = attempt(real, () => readlinkSync(real));
      yield { path, type: 'symlink', isExecutable: true, target };
    } else if (entry.isFile()) {
      const descriptor = openInput(real);
      const { mode } = fstatSync(descriptor);
      closeSync(descriptor);
      yield { path, type: 'file', isExecutable: (mode & 0o100) !== 0, target: '' };
    } else {
      throw unreadable(real, 'is no file, directory or symbolic link');
    }
  }
}

export const compareBytes = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));

function openInput(path: string): number {
  return attempt(path, () => {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (fstatSync(descriptor).isFile()) return descriptor;
    closeSync(descriptor);
    throw unreadable(path, 'is not a regular file');
  });
}

const readInput = (path: string, descriptor: number, target: Buffer, offset: number): number =>
  attempt(path, () => readSync(descriptor, target, 0, target.length, offset));

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof HexzError) throw cause;
    throw unreadable(path, `cannot read it: ${describeSystemError(cause)}`, cause);
  }
}

const unreadable = (path: string, message: string, cause?: unknown): HexzError =>
  new HexzError('UNREADABLE', message, { location: { file: path }, cause });
