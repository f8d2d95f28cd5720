import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  statSync,
} from 'node:fs';
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';

/** The bytes of a snapshot file, wherever they lie. Synchronous, read-only. */
export interface Source {
  /** What messages call it, and what the path of a parent is relative to. */
  readonly path: string;
  /** Same for two sources exactly when they are the same file. */
  readonly identity: string;
  readonly length: number;
  /**
   * Fills the target from the given offset on.
   *
   * @throws HexzError UNREADABLE, also when the source ends early
   */
  read(target: Buffer, offset: number): void;
  /** May be called more than once. */
  close(): void;
}

/**
 * Opens a regular file as a source: O_RDONLY, and never blocking on a pipe that stands in its place.
 *
 * @throws HexzError UNREADABLE
 */
export function openFileSource(path: string): Source {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw unreadable(path, 'open', cause);
  }
  const stats = fstatSync(descriptor, { bigint: true });
  if (!stats.isFile()) {
    closeSync(descriptor);
    throw new HexzError('UNREADABLE', 'not a regular file', { location: { file: path } });
  }
  let closed = false;
  return {
    path,
    identity: identityOf(stats),
    length: Number(stats.size),
    read(target, offset) {
      // The number of a closed descriptor may be another file's by now.
      if (closed) {
        throw new HexzError('UNREADABLE', 'it was closed', { location: { file: path } });
      }
      let done = 0;
      while (done < target.length) {
        let count: number;
        try {
          count = readSync(descriptor, target, done, target.length - done, offset + done);
        } catch (cause) {
          throw unreadable(path, 'read', cause);
        }
        if (count === 0) {
          throw new HexzError('UNREADABLE', 'the file became shorter while it was read', {
            location: { file: path },
          });
        }
        done += count;
      }
    },
    close() {
      if (!closed) closeSync(descriptor);
      closed = true;
    },
  };
}

/** Which file it is, whatever its path; exact, since some file systems use all 64 bits of an inode. */
const identityOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;

/** The identity that a source of this path would have; undefined where there is no regular file. */
export function identityOfFile(path: string): string | undefined {
  try {
    const stats = statSync(path, { bigint: true });
    return stats.isFile() ? identityOf(stats) : undefined;
  } catch {
    return undefined;
  }
}

const unreadable = (path: string, action: string, cause: unknown): HexzError =>
  new HexzError('UNREADABLE', `cannot ${action} it: ${describeSystemError(cause)}`, {
    location: { file: path },
    cause,
  });
