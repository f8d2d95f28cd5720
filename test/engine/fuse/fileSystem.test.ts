import { constants } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  FileSystem,
  type FileSystemOptions,
  ROOT_INODE,
} from '../../../src/engine/fuse/fileSystem.js';
import { HexzError } from '../../../src/index.js';
import { MemoryVolume } from '../../support/fuse/memoryVolume.js';
import { patternBytes } from '../../support/fuse/pattern.js';

const DISK = 2;
const MEMORY = 3;
const DISK_BYTES = 10_001;
const MEMORY_BYTES = 4096;
const modifiedAt = new Date('2024-02-03T04:05:06.789Z');

interface Setup {
  readonly isWritable?: boolean;
  readonly hasMemory?: boolean;
  readonly options?: Partial<FileSystemOptions>;
}

function setUp({ isWritable = false, hasMemory = true, options = {} }: Setup = {}) {
  const memory = hasMemory ? patternBytes(MEMORY_BYTES) : undefined;
  const volume = new MemoryVolume(patternBytes(DISK_BYTES), memory, isWritable);
  const reported: [string, unknown][] = [];
  const fileSystem = new FileSystem(volume, {
    uid: 12,
    gid: 34,
    modifiedAt,
    onError: (operation, error) => reported.push([operation, error]),
    ...options,
  });
  /** What a backend would answer: 'ok' or the name of an errno. */
  const answerTo = (action: () => unknown): string => {
    try {
      action();
      return 'ok';
    } catch (error) {
      return fileSystem.reportFailure('test', error);
    }
  };
  return { volume, fileSystem, reported, answerTo };
}

const permissions = (mode: number) => mode & 0o7777;
const type = (mode: number) => mode & constants.S_IFMT;

describe('what there is', () => {
  test('is one directory with the streams', () => {
    const { fileSystem } = setUp();
    expect(fileSystem.entries(ROOT_INODE)).toEqual([
      { name: '.', inode: ROOT_INODE },
      { name: '..', inode: ROOT_INODE },
      { name: 'disk', inode: DISK },
      { name: 'memory', inode: MEMORY },
    ]);
    expect(fileSystem.lookup(ROOT_INODE, 'disk')).toBe(DISK);
    expect(fileSystem.lookup(ROOT_INODE, 'memory')).toBe(MEMORY);
  });

  test('is no file for a stream that the snapshot does not have', () => {
    const { fileSystem, answerTo } = setUp({ hasMemory: false });
    expect(fileSystem.entries(ROOT_INODE).map(({ name }) => name)).toEqual(['.', '..', 'disk']);
    expect(answerTo(() => fileSystem.lookup(ROOT_INODE, 'memory'))).toBe('ENOENT');
    expect(answerTo(() => fileSystem.attributes(MEMORY))).toBe('ENOENT');
    expect(answerTo(() => fileSystem.read(MEMORY, 0, Buffer.alloc(1)))).toBe('ENOENT');
  });

  test.each(['', 'Disk', 'disk ', 'constructor', '__proto__'])('is nothing called %j', (name) => {
    const { fileSystem, answerTo } = setUp();
    expect(answerTo(() => fileSystem.lookup(ROOT_INODE, name))).toBe('ENOENT');
  });

  test('a file is no directory, and a directory no file', () => {
    const { fileSystem, answerTo } = setUp();
    expect(answerTo(() => fileSystem.lookup(DISK, 'disk'))).toBe('ENOTDIR');
    expect(answerTo(() => fileSystem.entries(MEMORY))).toBe('ENOTDIR');
    expect(answerTo(() => fileSystem.open(ROOT_INODE, constants.O_RDONLY))).toBe('EISDIR');
    expect(answerTo(() => fileSystem.read(ROOT_INODE, 0, Buffer.alloc(1)))).toBe('EISDIR');
  });

  test('other inodes are unknown', () => {
    const { fileSystem, answerTo } = setUp();
    expect(answerTo(() => fileSystem.attributes(4))).toBe('ENOENT');
    expect(answerTo(() => fileSystem.open(0, constants.O_RDONLY))).toBe('ENOENT');
  });
});

describe('attributes', () => {
  test.each([
    { isWritable: false, directory: 0o555, disk: 0o444 },
    { isWritable: true, directory: 0o755, disk: 0o644 },
  ])('of a volume with isWritable $isWritable', ({ isWritable, directory, disk }) => {
    const { fileSystem } = setUp({ isWritable });
    const root = fileSystem.attributes(ROOT_INODE);
    expect(type(root.mode)).toBe(constants.S_IFDIR);
    expect(permissions(root.mode)).toBe(directory);
    expect(root.linkCount).toBe(2);
    for (const [inode, mode] of [
      [DISK, disk],
      [MEMORY, 0o444],
    ] as const) {
      const attributes = fileSystem.attributes(inode);
      expect(type(attributes.mode)).toBe(constants.S_IFREG);
      expect(permissions(attributes.mode)).toBe(mode);
      expect(attributes).toMatchObject({ inode, linkCount: 1, uid: 12, gid: 34 });
    }
  });

  test('tell sizes, and the times of the snapshot file', () => {
    const { fileSystem } = setUp();
    expect(fileSystem.attributes(DISK)).toMatchObject({
      length: DISK_BYTES,
      unitBytes: 4096,
      sectorCount: 20,
      accessedAt: modifiedAt,
      modifiedAt,
      changedAt: modifiedAt,
    });
    expect(fileSystem.attributes(MEMORY)).toMatchObject({ length: MEMORY_BYTES, sectorCount: 8 });
    expect(fileSystem.attributes(ROOT_INODE)).toMatchObject({ modifiedAt });
  });
});

describe('a read-only volume', () => {
  test('reads', () => {
    const { fileSystem, volume } = setUp();
    const target = Buffer.alloc(5000, 0xa5);
    expect(fileSystem.read(DISK, 8001, target)).toBe(2000);
    expect(target.subarray(0, 2000)).toEqual(volume.bytes('disk').subarray(8001));
    expect(fileSystem.read(DISK, DISK_BYTES, target)).toBe(0);
    expect(fileSystem.read(MEMORY, 0, target)).toBe(MEMORY_BYTES);
  });

  test('opens for reading alone', () => {
    const { fileSystem, answerTo } = setUp();
    for (const inode of [DISK, MEMORY]) {
      expect(answerTo(() => fileSystem.open(inode, constants.O_RDONLY))).toBe('ok');
      expect(answerTo(() => fileSystem.open(inode, constants.O_WRONLY))).toBe('EROFS');
      expect(answerTo(() => fileSystem.open(inode, constants.O_RDWR))).toBe('EROFS');
    }
  });

  test('answers EROFS to every change', () => {
    const { fileSystem, volume, answerTo } = setUp();
    for (const inode of [DISK, MEMORY]) {
      expect(answerTo(() => fileSystem.write(inode, 0, Buffer.alloc(1)))).toBe('EROFS');
      expect(answerTo(() => fileSystem.truncate(inode, 0))).toBe('EROFS');
    }
    for (const inode of [ROOT_INODE, DISK, MEMORY]) {
      const { mode } = fileSystem.attributes(inode);
      expect(answerTo(() => fileSystem.changeMode(inode, mode))).toBe('EROFS');
      expect(answerTo(() => fileSystem.changeOwner(inode, 12, 34))).toBe('EROFS');
      expect(answerTo(() => fileSystem.setModificationTime(inode, new Date()))).toBe('EROFS');
    }
    for (const name of ['disk', 'new']) {
      expect(answerTo(() => fileSystem.add(ROOT_INODE, name))).toBe('EROFS');
      expect(answerTo(() => fileSystem.remove(ROOT_INODE, name))).toBe('EROFS');
    }
    expect(volume.writes).toEqual([]);
  });

  test('has nothing to sync', async () => {
    const { fileSystem, volume } = setUp();
    await fileSystem.sync(DISK);
    expect(volume.syncCount).toBe(0);
  });
});

describe('a writable volume', () => {
  test('writes into the disk and lets it grow to just behind the last byte', () => {
    const { fileSystem, volume, answerTo } = setUp({ isWritable: true });
    expect(answerTo(() => fileSystem.open(DISK, constants.O_RDWR))).toBe('ok');
    expect(fileSystem.write(DISK, DISK_BYTES + 7, Buffer.from('abc'))).toBe(3);
    expect(fileSystem.attributes(DISK).length).toBe(DISK_BYTES + 10);
    expect(volume.bytes('disk').subarray(DISK_BYTES).toString()).toBe('\0\0\0\0\0\0\0abc');
    fileSystem.truncate(DISK, 3);
    expect(fileSystem.attributes(DISK)).toMatchObject({ length: 3, sectorCount: 1 });
  });

  test('never writes into the memory', () => {
    const { fileSystem, answerTo } = setUp({ isWritable: true });
    expect(answerTo(() => fileSystem.open(MEMORY, constants.O_RDONLY))).toBe('ok');
    expect(answerTo(() => fileSystem.open(MEMORY, constants.O_WRONLY))).toBe('EROFS');
    expect(answerTo(() => fileSystem.write(MEMORY, 0, Buffer.alloc(1)))).toBe('EROFS');
    expect(answerTo(() => fileSystem.truncate(MEMORY, 0))).toBe('EROFS');
    expect(answerTo(() => fileSystem.changeMode(MEMORY, 0o444))).toBe('EROFS');
    expect(answerTo(() => fileSystem.setModificationTime(MEMORY, new Date()))).toBe('EROFS');
  });

  test('writes nothing into a directory', () => {
    const { fileSystem, answerTo } = setUp({ isWritable: true });
    expect(answerTo(() => fileSystem.write(ROOT_INODE, 0, Buffer.alloc(1)))).toBe('EISDIR');
    expect(answerTo(() => fileSystem.truncate(ROOT_INODE, 0))).toBe('EISDIR');
  });

  test.each([
    ['a write', (fileSystem: FileSystem) => fileSystem.write(DISK, 0, Buffer.alloc(1))],
    ['a truncation', (fileSystem: FileSystem) => fileSystem.truncate(DISK, 5)],
  ])('%s moves the times of the disk, and of nothing else', (_, change) => {
    const { fileSystem } = setUp({ isWritable: true });
    const before = Date.now();
    change(fileSystem);
    const { accessedAt, modifiedAt: modified, changedAt } = fileSystem.attributes(DISK);
    expect(modified.getTime()).toBeGreaterThanOrEqual(before);
    expect(changedAt).toEqual(modified);
    expect(accessedAt).toEqual(modifiedAt);
    expect(fileSystem.attributes(MEMORY)).toMatchObject({ modifiedAt });
    expect(fileSystem.attributes(ROOT_INODE)).toMatchObject({ modifiedAt });
  });

  test('takes a modification time for the disk alone', () => {
    const { fileSystem, answerTo } = setUp({ isWritable: true });
    const time = new Date('2001-01-01');
    fileSystem.setModificationTime(DISK, time);
    expect(fileSystem.attributes(DISK).modifiedAt).toEqual(time);
    expect(fileSystem.attributes(DISK).changedAt).not.toEqual(modifiedAt);
    expect(answerTo(() => fileSystem.setModificationTime(ROOT_INODE, time))).toBe('EPERM');
  });

  test('changes neither permissions nor owners, but agrees to those that there are', () => {
    const { fileSystem, answerTo } = setUp({ isWritable: true });
    for (const [inode, mode] of [
      [DISK, 0o644],
      [ROOT_INODE, 0o755],
    ] as const) {
      expect(answerTo(() => fileSystem.changeMode(inode, mode))).toBe('ok');
      expect(answerTo(() => fileSystem.changeMode(inode, constants.S_IFREG | mode))).toBe('ok');
      expect(answerTo(() => fileSystem.changeMode(inode, 0o600))).toBe('EPERM');
      expect(answerTo(() => fileSystem.changeOwner(inode, 12, 34))).toBe('ok');
      expect(answerTo(() => fileSystem.changeOwner(inode, undefined, undefined))).toBe('ok');
      expect(answerTo(() => fileSystem.changeOwner(inode, 0, undefined))).toBe('EPERM');
      expect(answerTo(() => fileSystem.changeOwner(inode, undefined, 0))).toBe('EPERM');
    }
  });

  test('takes no names and gives none away', () => {
    const { fileSystem, answerTo } = setUp({ isWritable: true });
    expect(answerTo(() => fileSystem.add(ROOT_INODE, 'new'))).toBe('EPERM');
    expect(answerTo(() => fileSystem.add(ROOT_INODE, 'disk'))).toBe('EEXIST');
    expect(answerTo(() => fileSystem.add(DISK, 'new'))).toBe('ENOTDIR');
    expect(answerTo(() => fileSystem.remove(ROOT_INODE, 'disk'))).toBe('EPERM');
    expect(answerTo(() => fileSystem.remove(ROOT_INODE, 'new'))).toBe('ENOENT');
  });

  test('syncs, and says when that fails', async () => {
    const { fileSystem, volume } = setUp({ isWritable: true });
    await fileSystem.sync(DISK);
    expect(volume.syncCount).toBe(1);
    volume.syncError = new HexzError('NO_SPACE', 'the disk is full');
    await expect(fileSystem.sync(DISK)).rejects.toThrow('the disk is full');
  });
});

describe('statistics', () => {
  test('of a read-only volume show a full file system', () => {
    const { fileSystem } = setUp({ options: { freeBytes: () => 1_000_000 } });
    expect(fileSystem.statistics()).toEqual({
      unitBytes: 4096,
      unitCount: 4,
      freeUnitCount: 0,
      nameLengthLimit: 255,
    });
  });

  test('of a writable volume show the room that its overlay has', () => {
    const options = { freeBytes: () => 10 * 4096 + 1 };
    const { fileSystem } = setUp({ isWritable: true, hasMemory: false, options });
    expect(fileSystem.statistics()).toMatchObject({
      unitCount: 13,
      freeUnitCount: 10,
    });
  });

  test('of a writable volume without word of its overlay show no room', () => {
    const { fileSystem } = setUp({ isWritable: true });
    expect(fileSystem.statistics()).toMatchObject({ unitCount: 4, freeUnitCount: 0 });
  });
});

describe('errors', () => {
  test('of the volume become the errno of their code', () => {
    const { fileSystem, volume, answerTo } = setUp({ isWritable: true });
    volume.damage = { stream: 'disk', offset: 5000, length: 1 };
    expect(answerTo(() => fileSystem.read(DISK, 4096, Buffer.alloc(4096)))).toBe('EIO');
    expect(answerTo(() => fileSystem.read(DISK, 0, Buffer.alloc(4096)))).toBe('ok');
    expect(answerTo(() => fileSystem.truncate(DISK, 2 ** 60))).toBe('EFBIG');
    for (const code of ['NO_SPACE', 'READ_ONLY', 'AUTH'] as const) {
      const error = new HexzError(code, 'wrong');
      expect(fileSystem.reportFailure('write', error)).toBe(error.errno);
    }
  });

  test('of the program become EIO', () => {
    const { fileSystem, reported } = setUp();
    const error = new TypeError('a mistake');
    expect(fileSystem.reportFailure('read', error)).toBe('EIO');
    expect(reported).toEqual([['read', error]]);
  });

  test('are reported once per message', () => {
    const { fileSystem, volume, reported, answerTo } = setUp();
    volume.damage = { stream: 'disk', offset: 0, length: 3 };
    for (const offset of [0, 0, 1, 0, 1]) {
      answerTo(() => fileSystem.read(DISK, offset, Buffer.alloc(1)));
    }
    expect(reported.map(([, error]) => error)).toMatchObject([
      { code: 'CRC', location: { offset: 0 } },
      { code: 'CRC', location: { offset: 1 } },
    ]);
  });

  test('are reported a hundred times at most', () => {
    const { fileSystem, reported } = setUp();
    for (let index = 0; index < 1000; index++) {
      expect(fileSystem.reportFailure('read', new HexzError('CRC', `error ${index}`))).toBe('EIO');
    }
    expect(reported).toHaveLength(100);
  });

  test('of a request alone are not reported', () => {
    const { fileSystem, reported, answerTo } = setUp();
    answerTo(() => fileSystem.lookup(ROOT_INODE, 'nothing'));
    answerTo(() => fileSystem.write(DISK, 0, Buffer.alloc(1)));
    expect(reported).toEqual([]);
  });

  test('of the log itself change nothing', () => {
    const onError = () => {
      throw new Error('the log is full');
    };
    const { fileSystem } = setUp({ options: { onError } });
    expect(fileSystem.reportFailure('read', new HexzError('CRC', 'wrong'))).toBe('EIO');
  });
});
