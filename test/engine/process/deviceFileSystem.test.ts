import { describe, expect, test } from 'vitest';
import type { RunTool } from '../../../src/engine/nbd/kernelClient.js';
import {
  findFileSystem,
  mountFileSystem,
  mountOptionsOf,
} from '../../../src/engine/process/deviceFileSystem.js';

/* With programs that find what is said here, on a device that is not there, so that it has no partitions: test/guest has those. */

const DEVICE = '/dev/nbd65000';

const finding =
  (output: string, status = 0, complaint = ''): RunTool =>
  () =>
    Promise.resolve({ status, output, complaint });

describe('the file system on a disk', () => {
  test('is what blkid says', async () => {
    const output = `DEVNAME=${DEVICE}\nUUID=1-2\nBLOCK_SIZE=4096\nTYPE=ext4\nUSAGE=filesystem\n`;
    await expect(findFileSystem(DEVICE, undefined, finding(output))).resolves.toEqual({
      device: DEVICE,
      type: 'ext4',
    });
  });

  test.each([
    ['nothing', finding('', 2), 'the disk holds nothing that is known'],
    [
      'an encrypted container',
      finding('TYPE=crypto_LUKS\nUSAGE=crypto\n'),
      'the disk holds crypto_LUKS, no file system',
    ],
    [
      'a table that the kernel cannot read',
      finding('PTTYPE=atari\n'),
      'the disk has a partition table (atari) in which the kernel finds no partitions',
    ],
    [
      'two things at once',
      finding('', 8, 'ambivalent result'),
      `cannot tell what is on ${DEVICE}: ambivalent result`,
    ],
  ])('is unknown where there is %s', async (_what, run, message) => {
    await expect(findFileSystem(DEVICE, undefined, run)).rejects.toMatchObject({
      code: 'FILE_SYSTEM_UNKNOWN',
      message,
    });
  });

  test('is not looked for on a partition that cannot be', async () => {
    const run = finding('TYPE=ext4\nUSAGE=filesystem\n');
    await expect(findFileSystem(DEVICE, 1, run)).rejects.toMatchObject({
      code: 'USAGE',
      message: 'the disk has no partitions',
    });
  });
});

test.each([
  ['ext2', 'ro,nosuid,nodev', 'rw,nosuid,nodev'],
  ['ext4', 'ro,nosuid,nodev,noload', 'rw,nosuid,nodev'],
  ['xfs', 'ro,nosuid,nodev,nouuid,norecovery', 'rw,nosuid,nodev,nouuid'],
  ['btrfs', 'ro,nosuid,nodev,rescue=nologreplay', 'rw,nosuid,nodev'],
])('%s is mounted without mending it where it cannot be written', (type, readOnly, writable) => {
  expect(mountOptionsOf(type, true)).toBe(readOnly);
  expect(mountOptionsOf(type, false)).toBe(writable);
});

describe('mounting', () => {
  const fileSystem = { device: DEVICE, type: 'xfs' };
  const place = { mountpoint: '/mnt', isReadOnly: true };

  test('names type, options, device and place', async () => {
    const calls: unknown[] = [];
    await mountFileSystem(fileSystem, place, (program, parameters) => {
      calls.push([program, ...parameters]);
      return Promise.resolve({ status: 0, output: '', complaint: '' });
    });
    const options = mountOptionsOf('xfs', true);
    expect(calls).toEqual([['mount', '-t', 'xfs', '-o', options, '--', DEVICE, '/mnt']]);
  });

  test.each([
    [
      'mount: /mnt: unknown filesystem type xfs.',
      'FILE_SYSTEM_UNKNOWN',
      'this kernel does not know xfs',
    ],
    ["mount: /mnt: can't read superblock", 'MOUNT_FAILED', /can't read superblock$/],
  ])('tells of "%s"', async (complaint, code, message) => {
    const run = finding('', 32, complaint);
    await expect(mountFileSystem(fileSystem, place, run)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});
