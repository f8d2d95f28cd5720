import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { baseIdentity } from '../../../src/engine/overlay/baseIdentity.js';
import { openSnapshot } from '../../../src/index.js';
import { goldenFixtures, goldenPath } from '../../support/fixtures.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

function identityOf(path: string, password?: string | null): string {
  const snapshot = openSnapshot(path, password == null ? {} : { passwords: password });
  try {
    return baseIdentity(snapshot);
  } finally {
    snapshot.close();
  }
}

test('a copy at another place is the same base', () => {
  const copy = join(newDirectory(), 'other name.hxz');
  copyFileSync(goldenPath('a-lz4-4k-both.hxz'), copy);
  expect(identityOf(copy)).toBe(identityOf(goldenPath('a-lz4-4k-both.hxz')));
});

test('a signature does not make another base', () => {
  expect(identityOf(goldenPath('a-thin-signed.hxz'))).toBe(identityOf(goldenPath('a-thin-l1.hxz')));
});

test('snapshots of one identity hold the same disk', () => {
  const disks = new Map<string, Set<string>>();
  for (const { file, password, disk } of goldenFixtures) {
    const identity = identityOf(goldenPath(file), password);
    expect(identity).toMatch(/^[0-9a-f]{64}$/);
    disks.set(identity, (disks.get(identity) ?? new Set()).add(disk.sha256));
  }
  expect([...disks.values()].filter((hashes) => hashes.size > 1)).toEqual([]);
  expect(disks.size).toBeGreaterThan(50);
});
