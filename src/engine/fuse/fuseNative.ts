import { basename, dirname, resolve } from 'node:path';
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';
import type { FuseBackend, FuseConnection, FuseOptions } from './backend.js';
import { errorNumber } from './errorNumber.js';
import { type Attributes, type FileSystem, ROOT_INODE, type Statistics } from './fileSystem.js';
import { fuseDescriptors, isFuseDescriptor } from './fuseDescriptors.js';
import {
  type Answer,
  type FuseNative,
  loadFuseNative,
  type NativeAttributes,
  type NativeHandlers,
  type NativeStatistics,
} from './fuseNativeLibrary.js';
import { RequestError } from './requestError.js';
import { checkRequirements, requirements } from './requirements.js';

/** Nothing changes but through the mount itself, so the kernel may remember what it was told. */
const CACHE_SECONDS = 86_400;
const END_POLL_MILLISECONDS = 100;
const UINT32_MAX = 0xffff_ffff;
const PATH_BYTES_LIMIT = 1023;

/**
 * The backend over the package fuse-native, that is libfuse 2 with threads of its own, which hand their
 * requests to the main thread and wait there for the answer.
 *
 * What the package does not do:
 *  - say that the connection has ended. But libfuse closes its descriptor of /dev/fuse then, and only
 *    then; so we remember which one it is and look from time to time whether it is still there.
 *  - let go of the event loop when it has ended. Its own unmounting does, after running fusermount; see
 *    `release`.
 *  - pass on the modification time of utimens(2): it gives the access time twice. `touch` sets both
 *    alike; where they differ, the file gets the wrong one.
 *  - most options of the mount; see `mountOptions`.
 *  - take back what it gave a thread of libfuse that has ended. libfuse keeps ten idle ones, so these end
 *    only where more requests than that are under way at once; after tens of thousands of such threads
 *    every request takes a fraction of a millisecond longer.
 *
 * State of a connection: mounting -> serving (descriptor open) -> ended (descriptor closed). One mount at
 * a time may be begun in a process, or the new descriptor could be that of the other.
 */
export const fuseNative: FuseBackend = {
  name: 'fuse-native',

  async check(options): Promise<void> {
    checkRequirements(requirements('fuse-native', options));
  },

  async mount(fileSystem, options): Promise<FuseConnection> {
    const library = loadFuseNative();
    checkLength(options.mountpoint);
    const descriptorsBefore = fuseDescriptors();
    const mount = new library(options.mountpoint, handlersOf(fileSystem), {
      timeout: false,
      fsname: mountOptions(options),
    });
    await new Promise<void>((settle, reject) => {
      mount.mount((error) => {
        if (error === null || error === undefined) settle();
        else reject(mountFailed(options.mountpoint, error));
      });
    });
    const descriptor = fuseDescriptors().find((open) => !descriptorsBefore.includes(open));
    if (descriptor === undefined) {
      await release(library, mount);
      throw endedAtOnce(options.mountpoint);
    }
    return { ended: untilClosed(descriptor).then(() => release(library, mount)) };
  },
};

/**
 * All options as one: the package knows few of them, and writes would arrive 4 KiB at a time without
 * big_writes.
 */
const mountOptions = ({ isReadOnly, allowOther }: FuseOptions): string =>
  [
    'hexz',
    'subtype=hexz',
    isReadOnly ? 'ro' : 'rw',
    ...(allowOther ? ['allow_other'] : []),
    'nosuid',
    'nodev',
    'noatime',
    'default_permissions',
    'big_writes',
    'use_ino',
    'hard_remove',
    'kernel_cache',
    `entry_timeout=${CACHE_SECONDS}`,
    `negative_timeout=${CACHE_SECONDS}`,
    `attr_timeout=${CACHE_SECONDS}`,
  ].join(',');

function untilClosed(descriptor: string): Promise<void> {
  return new Promise((settle) => {
    const timer = setInterval(() => {
      if (isFuseDescriptor(descriptor)) return;
      clearInterval(timer);
      settle();
    }, END_POLL_MILLISECONDS);
  });
}

/** Lets go of the event loop, so that the process can end by itself. */
function release(library: FuseNative, mount: InstanceType<FuseNative>): Promise<void> {
  // The kernel has ended the mount; whatever is mounted there by now is not ours to unmount.
  library.unmount = (_mountpoint, done) => done(null);
  return new Promise((settle) => mount.unmount(() => settle()));
}

/** The library would cut a longer path off and mount elsewhere. */
function checkLength(mountpoint: string): void {
  if (Buffer.byteLength(resolve(mountpoint)) > PATH_BYTES_LIMIT) {
    const message = `the mountpoint's path is longer than ${PATH_BYTES_LIMIT} bytes`;
    throw new HexzError('MOUNTPOINT_UNUSABLE', message, { location: { file: mountpoint } });
  }
}

function mountFailed(mountpoint: string, cause: Error): HexzError {
  const options = { location: { file: mountpoint }, cause };
  switch (cause.message) {
    case 'Mountpoint does not exist':
      return new HexzError('MOUNTPOINT_UNUSABLE', 'the mountpoint does not exist', options);
    case 'Mountpoint is not a directory':
      return new HexzError('MOUNTPOINT_UNUSABLE', 'the mountpoint is not a directory', options);
    case 'Mountpoint in use':
      return new HexzError('MOUNTPOINT_UNUSABLE', 'the mountpoint is a mount already', options);
    case 'fuse failed':
      return new HexzError('MOUNT_FAILED', 'the mount was refused', {
        ...options,
        hint:
          'libfuse may have written the reason to standard error; ' +
          'in a container, its security profile may forbid mounts',
      });
    default:
      return new HexzError('MOUNT_FAILED', `cannot mount: ${describeSystemError(cause)}`, options);
  }
}

/** It is not unmounted here: most likely it is gone, and what is mounted there by now is not ours. */
const endedAtOnce = (mountpoint: string): HexzError =>
  new HexzError('MOUNT_FAILED', 'the connection to the kernel ended as soon as it was made', {
    location: { file: mountpoint },
    hint: `hexz unmount ${mountpoint} removes what may be left of the mount`,
  });

/** The handlers answer at once, but for fsync and changes that are held. None of them throws. */
function handlersOf(fileSystem: FileSystem): NativeHandlers {
  const inodeOf = (path: string): number =>
    path
      .split('/')
      .filter((name) => name !== '')
      .reduce((directory, name) => fileSystem.lookup(directory, name), ROOT_INODE);

  const failure = (operation: string, error: unknown): number =>
    -errorNumber(fileSystem.reportFailure(operation, error));
  /** The count of bytes that the action gives, or why it failed. */
  const count = (operation: string, action: () => number): number => {
    try {
      return action();
    } catch (error) {
      return failure(operation, error);
    }
  };
  const attempt = (operation: string, action: () => void): number =>
    count(operation, () => {
      action();
      return 0;
    });
  const reply = <Results extends unknown[] | []>(
    operation: string,
    answer: Answer<Results>,
    action: () => Results,
  ): void => {
    let results: Results | [] = [];
    const status = attempt(operation, () => {
      results = action();
    });
    answer(status, ...results);
  };

  /** Changes wait while they are held. */
  const whenOpen = (action: () => void): void => {
    const { held } = fileSystem;
    if (held === undefined) action();
    else void held.then(() => whenOpen(action));
  };

  const add = (operation: string, path: string): number =>
    attempt(operation, () => fileSystem.add(inodeOf(dirname(path)), basename(path)));
  const remove = (operation: string, path: string): number =>
    attempt(operation, () => fileSystem.remove(inodeOf(dirname(path)), basename(path)));

  return {
    getattr(path, answer) {
      reply('getattr', answer, () => [nativeAttributes(fileSystem.attributes(inodeOf(path)))]);
    },
    readdir(path, answer) {
      reply('readdir', answer, () => {
        const entries = fileSystem.entries(inodeOf(path));
        const attributes = entries.map(({ inode }) => fileSystem.attributes(inode));
        return [entries.map(({ name }) => name), attributes.map(nativeAttributes)];
      });
    },
    statfs(_path, answer) {
      reply('statfs', answer, () => [nativeStatistics(fileSystem.statistics())]);
    },
    open(path, flags, answer) {
      answer(attempt('open', () => fileSystem.open(inodeOf(path), flags)));
    },
    read(path, _handle, target, _length, offset, answer) {
      answer(count('read', () => fileSystem.read(inodeOf(path), offset, target)));
    },
    write(path, _handle, bytes, _length, offset, answer) {
      whenOpen(() => answer(count('write', () => fileSystem.write(inodeOf(path), offset, bytes))));
    },
    truncate(path, length, answer) {
      whenOpen(() => answer(attempt('truncate', () => fileSystem.truncate(inodeOf(path), length))));
    },
    async fsync(path, _isDataOnly, _handle, answer) {
      try {
        await fileSystem.sync(inodeOf(path));
      } catch (error) {
        answer(failure('fsync', error));
        return;
      }
      answer(0);
    },
    utimens(path, accessTime, _modificationTime, answer) {
      answer(
        attempt('utimens', () => fileSystem.setModificationTime(inodeOf(path), dateOf(accessTime))),
      );
    },
    chmod(path, mode, answer) {
      answer(attempt('chmod', () => fileSystem.changeMode(inodeOf(path), mode)));
    },
    chown(path, uid, gid, answer) {
      const given = (owner: number) => (owner === UINT32_MAX ? undefined : owner);
      answer(attempt('chown', () => fileSystem.changeOwner(inodeOf(path), given(uid), given(gid))));
    },
    mknod: (path, _mode, _device, answer) => answer(add('mknod', path)),
    mkdir: (path, _mode, answer) => answer(add('mkdir', path)),
    symlink: (_target, path, answer) => answer(add('symlink', path)),
    link: (_existing, path, answer) => answer(add('link', path)),
    unlink: (path, answer) => answer(remove('unlink', path)),
    rmdir: (path, answer) => answer(remove('rmdir', path)),
    rename: (from, _to, answer) => answer(remove('rename', from)),
  };
}

/** Times before 1970 do not pass through the library. */
function dateOf(milliseconds: number): Date {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) throw new RequestError('EINVAL');
  return date;
}

const nativeDate = (date: Date): Date => (date.getTime() < 0 ? new Date(0) : date);

const nativeAttributes = (attributes: Attributes): NativeAttributes => ({
  ino: attributes.inode,
  mode: attributes.mode,
  nlink: attributes.linkCount,
  uid: attributes.uid,
  gid: attributes.gid,
  size: attributes.length,
  blksize: attributes.unitBytes,
  blocks: attributes.sectorCount,
  atime: nativeDate(attributes.accessedAt),
  mtime: nativeDate(attributes.modifiedAt),
  ctime: nativeDate(attributes.changedAt),
});

/** The library counts units in 32 bits: where there are more of them, it gets larger ones. */
function nativeStatistics(statistics: Statistics): NativeStatistics {
  let factor = 1;
  while (statistics.unitCount / factor > UINT32_MAX) factor *= 2;
  const unitBytes = statistics.unitBytes * factor;
  const freeUnitCount = Math.floor(statistics.freeUnitCount / factor);
  return {
    bsize: unitBytes,
    frsize: unitBytes,
    blocks: Math.ceil(statistics.unitCount / factor),
    bfree: freeUnitCount,
    bavail: freeUnitCount,
    // Nobody can make files here: with none counted, df -i shows no shortage of them.
    files: 0,
    namemax: statistics.nameLengthLimit,
  };
}
