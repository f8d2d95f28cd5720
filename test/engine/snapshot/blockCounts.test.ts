import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { countBlocksOfFile } from '../../../src/engine/snapshot/blockCounts.js';
import { codeOf } from '../../support/errors.js';
import { goldenFixture, goldenPath } from '../../support/fixtures.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

test('kinds, lengths and shared storage are counted, each stored block once', () => {
  const path = join(newDirectory(), 'counted.hxz');
  const writer = new SnapshotWriter(path, { parentPaths: ['absent.hxz'] });
  const [a, b] = [writer.addData(someBytes(1000)), writer.addData(someBytes(200))];
  writer.addShared(a);
  writer.addZero(5000);
  writer.addZero(0);
  writer.addParent(70);
  writer.beginMemory();
  writer.addShared(b);
  const c = writer.addData(someBytes(30));
  writer.addShared(c);
  writer.finish();
  const stored = (entry: typeof a) => (entry.kind === 'data' ? entry.storedLength : 0);
  expect(countBlocksOfFile(path)).toEqual({
    disk: {
      dataBlocks: 3,
      zeroBlocks: 2,
      parentBlocks: 1,
      sharedBlocks: 1,
      dataBytes: 2200,
      zeroBytes: 5000,
      parentBytes: 70,
      storedBytes: stored(a) + stored(b),
    },
    memory: {
      dataBlocks: 3,
      zeroBlocks: 0,
      parentBlocks: 0,
      sharedBlocks: 2,
      dataBytes: 260,
      zeroBytes: 0,
      parentBytes: 0,
      storedBytes: stored(c),
    },
  });
});

describe('a file is counted on its own', () => {
  test('without its password', () => {
    const fixture = goldenFixture('a-lz4-encrypted');
    const { disk, memory } = countBlocksOfFile(goldenPath(fixture.file));
    expect([disk.dataBlocks, disk.zeroBlocks]).toEqual([
      fixture.disk.data_blocks,
      fixture.disk.zero_blocks,
    ]);
    expect(memory.dataBytes + memory.zeroBytes).toBe(fixture.memory.size);
  });

  test('and refused when its index is damaged', () => {
    const path = join(newDirectory(), 'absent.hxz');
    expect(codeOf(() => countBlocksOfFile(path))).toBe('UNREADABLE');
  });
});
