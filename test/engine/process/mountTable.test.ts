import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isHexzMount,
  mountAt,
  parseMountTable,
  readMountTable,
  resolveAroundMounts,
} from '../../../src/engine/process/mountTable.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

const parse = (...lines: string[]) => parseMountTable(Buffer.from(`${lines.join('\n')}\n`));

/** A mount of the root directory of some file system. */
const line = (mountId: number, parentId: number, mountpoint: string, type = 'ext4', source = 's') =>
  `${mountId} ${parentId} 0:${mountId} / ${mountpoint} rw - ${type} ${source} rw`;

describe('parsing', () => {
  test('an entry with its fields, however many optional ones there are', () => {
    const [plain, shared] = parse(
      '36 35 98:0 /sub /mnt ro,noatime - fuse.hexz hexz rw,user_id=0',
      '37 36 0:51 / /mnt/x rw shared:4 master:1 - tmpfs none rw',
    );
    expect(plain).toEqual({
      mountId: 36,
      parentId: 35,
      deviceNumber: '98:0',
      root: '/sub',
      mountpoint: '/mnt',
      fileSystemType: 'fuse.hexz',
      source: 'hexz',
      options: ['ro', 'noatime', 'rw', 'user_id=0'],
    });
    expect(shared).toMatchObject({ mountId: 37, fileSystemType: 'tmpfs', source: 'none' });
  });

  test('blanks, tabs, line feeds, backslashes and other bytes in names', () => {
    const [mount] = parse(line(1, 0, '/a\\040b\\011c\\012d\\134e\\303\\244ü', 'ext4', 'x\\040y'));
    expect(mount?.mountpoint).toBe('/a b\tc\nd\\eäü');
    expect(mount?.source).toBe('x y');
  });

  test('an empty source', () => {
    expect(parse('1 0 0:1 / /a rw - fuse  rw')).toMatchObject([{ source: '' }]);
  });

  test('what is no entry is left out', () => {
    const mounts = parse('', 'rubbish', '1 0 0:1 / /a rw fuse hexz rw', line(2, 1, '/b'), '3 2 0:');
    expect(mounts.map(({ mountpoint }) => mountpoint)).toEqual(['/b']);
  });

  test('nothing that a file may hold makes it throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        parseMountTable(Buffer.from(bytes));
      }),
    );
  });

  test('the table of this machine has every line of the kernel', () => {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n');
    expect(readMountTable().length).toBe(lines.length);
    expect(mountAt('/proc', readMountTable())).toMatchObject({ fileSystemType: 'proc' });
  });
});

describe('the mount at a path', () => {
  test('is the topmost', () => {
    const mounts = parse(line(1, 0, '/'), line(2, 1, '/a'), line(3, 2, '/a'));
    expect(mountAt('/a', mounts)?.mountId).toBe(3);
  });

  test('is the topmost in whatever order the kernel lists them', () => {
    const mounts = parse(line(1, 0, '/'), line(2, 3, '/a'), line(3, 1, '/a'));
    expect(mountAt('/a', mounts)?.mountId).toBe(2);
  });

  test('is none above or below it', () => {
    const mounts = parse(line(1, 0, '/'), line(2, 1, '/a'));
    expect(mountAt('/a/b', mounts)).toBeUndefined();
    expect(mountAt('/ab', mounts)).toBeUndefined();
  });

  test.each([
    ['fuse', 'hexz', true],
    ['fuse.hexz', 'hexz', true],
    ['fuse', 'sshfs', false],
    ['fuseblk', 'hexz', false],
    ['tmpfs', 'hexz', false],
  ])('%s from %s belongs to hexz: %s', (type, source, expected) => {
    expect(parse(line(1, 0, '/a', type, source)).map(isHexzMount)).toEqual([expected]);
  });
});

describe('resolving a path', () => {
  test('follows links of any length, dots and slashes', () => {
    const directory = newDirectory();
    mkdirSync(join(directory, 'a', 'b'), { recursive: true });
    symlinkSync('a/b', join(directory, 'relative'));
    symlinkSync(join(directory, 'relative'), join(directory, 'absolute'));
    const resolve = (path: string) => resolveAroundMounts(join(directory, path), []);
    expect(resolve('absolute')).toBe(join(directory, 'a', 'b'));
    expect(resolveAroundMounts(`${directory}//absolute/.././/b/`, [])).toBe(
      join(directory, 'a', 'b'),
    );
  });

  test('takes a relative path from the current directory', () => {
    expect(resolveAroundMounts('.', [])).toBe(process.cwd());
    expect(resolveAroundMounts('test', [])).toBe(join(process.cwd(), 'test'));
  });

  test('leaves the root directory where it is', () => {
    expect(resolveAroundMounts('/..', [])).toBe('/');
  });

  test('takes a mountpoint as it stands, without asking for it', () => {
    const mounts = parse(line(1, 0, '/absent-mount'));
    expect(resolveAroundMounts('/absent-mount', mounts)).toBe('/absent-mount');
    expect(() => resolveAroundMounts('/absent-mount', [])).toThrow(/ENOENT/);
  });

  test('ends in a circle of links', () => {
    const directory = newDirectory();
    symlinkSync('one', join(directory, 'other'));
    symlinkSync('other', join(directory, 'one'));
    expect(() => resolveAroundMounts(join(directory, 'one'), [])).toThrow(
      expect.objectContaining({ code: 'ELOOP' }),
    );
  });
});
