import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  clientPidOf,
  isDevicePath,
  isSourceOf,
  lengthOf,
  partitionsOf,
} from '../../../src/engine/nbd/kernelDevices.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

/** What sysfs has of a device; values as the kernel writes them. */
function blockDevices(partitions: Readonly<Record<string, readonly [string, string]>>): string {
  const directory = newDirectory();
  mkdirSync(join(directory, 'nbd3', 'queue'), { recursive: true });
  for (const [name, [number, sectors]] of Object.entries(partitions)) {
    mkdirSync(join(directory, 'nbd3', name));
    writeFileSync(join(directory, 'nbd3', name, 'partition'), `${number}\n`);
    writeFileSync(join(directory, 'nbd3', name, 'size'), `${sectors}\n`);
  }
  return directory;
}

describe('partitions', () => {
  test('come in the order of their numbers, with their sizes in bytes', () => {
    const directory = blockDevices({ nbd3p10: ['10', '8'], nbd3p2: ['2', '16'] });
    expect(partitionsOf('/dev/nbd3', directory)).toEqual([
      { partitionNumber: 2, device: '/dev/nbd3p2', lengthBytes: 8192 },
      { partitionNumber: 10, device: '/dev/nbd3p10', lengthBytes: 4096 },
    ]);
  });

  test('are none where there is no table, and no device', () => {
    expect(partitionsOf('/dev/nbd3', blockDevices({}))).toEqual([]);
    expect(partitionsOf('/dev/nbd3', newDirectory())).toEqual([]);
  });
});

test('a device that is not there has neither client nor size', () => {
  expect(clientPidOf('/dev/nbd65000')).toBeUndefined();
  expect(lengthOf('/dev/nbd65000')).toBe(0);
});

test.each([
  ['/dev/nbd0', true],
  ['/dev/nbd31', true],
  ['/dev/nbd0p1', false],
  ['/dev/sda', false],
  ['/dev/nbd0; reboot', false],
  ['nbd0', false],
])('%s is the path of a device: %s', (path, isOne) => {
  expect(isDevicePath(path)).toBe(isOne);
});

test.each([
  ['/dev/nbd1', true],
  ['/dev/nbd1p4', true],
  ['/dev/nbd10', false],
  ['/dev/nbd10p1', false],
  ['hexz', false],
])('%s is mounted from /dev/nbd1: %s', (source, isOne) => {
  expect(isSourceOf('/dev/nbd1', source)).toBe(isOne);
});
