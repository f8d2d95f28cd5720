import { createRequire } from 'node:module';

/**
 * Answers a request: 0, a count of bytes, or a negative errno. What may follow it are results, which
 * belong to a status that is not negative.
 */
export type Answer<Results extends unknown[] = []> = (
  status: number,
  ...results: Results | []
) => void;

export interface NativeAttributes {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly blksize: number;
  readonly blocks: number;
  readonly atime: Date;
  readonly mtime: Date;
  readonly ctime: Date;
}

/** Numbers of at most 32 bits. */
export interface NativeStatistics {
  readonly bsize: number;
  readonly frsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly namemax: number;
}

/**
 * The requests of libfuse that we answer; for the others it answers itself. Buffers are memory of the
 * request: they are gone when it is answered. A handler must not throw, and answers exactly once.
 */
export interface NativeHandlers {
  getattr(path: string, answer: Answer<[NativeAttributes]>): void;
  readdir(path: string, answer: Answer<[string[], NativeAttributes[]]>): void;
  statfs(path: string, answer: Answer<[NativeStatistics]>): void;
  open(path: string, flags: number, answer: Answer): void;
  read(
    path: string,
    handle: number,
    target: Buffer,
    length: number,
    offset: number,
    answer: Answer,
  ): void;
  write(
    path: string,
    handle: number,
    bytes: Buffer,
    length: number,
    offset: number,
    answer: Answer,
  ): void;
  truncate(path: string, length: number, answer: Answer): void;
  fsync(path: string, isDataOnly: number, handle: number, answer: Answer): void;
  /** Times in milliseconds since 1970. The library hands over the access time in both places. */
  utimens(path: string, accessTime: number, modificationTime: number, answer: Answer): void;
  chmod(path: string, mode: number, answer: Answer): void;
  /** 2^32 - 1 leaves an owner as it is. */
  chown(path: string, uid: number, gid: number, answer: Answer): void;
  mknod(path: string, mode: number, device: number, answer: Answer): void;
  mkdir(path: string, mode: number, answer: Answer): void;
  symlink(target: string, path: string, answer: Answer): void;
  link(existing: string, path: string, answer: Answer): void;
  unlink(path: string, answer: Answer): void;
  rmdir(path: string, answer: Answer): void;
  rename(from: string, to: string, answer: Answer): void;
}

interface NativeOptions {
  /** Time limit of a request in milliseconds. */
  readonly timeout: false;
  /** Option of the mount; a comma in it begins the next option. */
  readonly fsname: string;
}

type Done = (error: Error | null | undefined) => void;

interface NativeMount {
  mount(done: Done): void;
  /** Calls `FuseNative.unmount`, then lets go of the event loop. */
  unmount(done: Done): void;
}

/** What we use of the package fuse-native, which brings no types. */
export interface FuseNative {
  new (mountpoint: string, handlers: NativeHandlers, options: NativeOptions): NativeMount;
  unmount(mountpoint: string, done: Done): void;
}

/**
 * Loads fuse-native, which is not there on every machine.
 *
 * @throws the loader's error, which the check of the requirements says in words
 */
export const loadFuseNative = (): FuseNative =>
  createRequire(import.meta.url)('fuse-native') as FuseNative;
