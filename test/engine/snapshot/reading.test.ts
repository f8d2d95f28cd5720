import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HexzError, openSnapshot, type Source } from '../../../src/index.js';
import { codeOf, errorOf } from '../../support/errors.js';
import { goldenPath } from '../../support/fixtures.js';
import { memorySource } from '../../support/memorySource.js';
import { patchStreamLength } from '../../support/patch.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { expectSameBytes, readRange, readStream, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const newPath = (): string => join(newDirectory(), 'snapshot.hxz');

/** A snapshot whose disk stream consists of these blocks. */
function write(blocks: readonly Buffer[]): string {
  const path = newPath();
  const writer = new SnapshotWriter(path);
  for (const block of blocks) writer.addData(block);
  writer.finish();
  return path;
}

describe('what readInto returns', () => {
  const snapshot = openSnapshot(goldenPath('a-lz4-4k-both.hxz'));

  test('is as many bytes as there are, and nothing behind the end', () => {
    expect(readRange(snapshot, 'disk', 40_960, 100)).toHaveLength(1);
    expect(readRange(snapshot, 'disk', 40_961, 100)).toHaveLength(0);
    expect(readRange(snapshot, 'disk', 2 ** 52, 100)).toHaveLength(0);
    expect(readRange(snapshot, 'memory', 8000, 1000)).toHaveLength(192);
  });

  test('is 0 for an empty target, and for a stream that is not there', () => {
    expect(snapshot.readInto('disk', 5, Buffer.alloc(0))).toBe(0);
    const diskOnly = openSnapshot(goldenPath('a-lz4-64k-disk.hxz'));
    expect(diskOnly.hasStream('memory')).toBe(false);
    expect(diskOnly.readInto('memory', 0, Buffer.alloc(10))).toBe(0);
    diskOnly.close();
  });

  test('leaves the target alone behind what was read', () => {
    const target = Buffer.alloc(10, 7);
    expect(snapshot.readInto('disk', 40_959, target)).toBe(2);
    expect(target.subarray(2)).toEqual(Buffer.alloc(8, 7));
  });

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
    'offset %d is USAGE',
    (offset) => {
      expect(codeOf(() => snapshot.readInto('disk', offset, Buffer.alloc(1)))).toBe('USAGE');
      expect(codeOf(() => snapshot.blockAt('disk', offset))).toBe('USAGE');
      expect(codeOf(() => snapshot.runAt('disk', offset))).toBe('USAGE');
    },
  );
});

describe('blocks without bytes', () => {
  const [first, second] = [someBytes(100), someBytes(50)];
  const empty = Buffer.alloc(0);

  test('are listed, and never in the way of a read', () => {
    const path = write([empty, first, empty, empty, second, empty]);
    const snapshot = openSnapshot(path);
    expectSameBytes(readStream(snapshot, 'disk'), Buffer.concat([first, second]));
    expect([...snapshot.blocks('disk')].map(({ length }) => length)).toEqual([0, 100, 0, 0, 50, 0]);
    expect(snapshot.blockAt('disk', 0)?.blockIndex).toBe(1);
    expect(snapshot.blockAt('disk', 100)?.blockIndex).toBe(4);
    snapshot.close();
  });

  test('may fill whole index pages', () => {
    const path = newPath();
    const writer = new SnapshotWriter(path);
    for (let block = 0; block < 4096; block++) writer.addZero(0);
    writer.addData(first);
    for (let block = 0; block < 9000; block++) writer.addZero(0);
    writer.addData(second);
    for (let block = 0; block < 4096; block++) writer.addZero(0);
    writer.finish();
    const snapshot = openSnapshot(path);
    expectSameBytes(readRange(snapshot, 'disk', 120, 30), second.subarray(20));
    expectSameBytes(readStream(snapshot, 'disk'), Buffer.concat([first, second]));
    expect(snapshot.blockAt('disk', 149)?.blockIndex).toBe(4096 + 1 + 9000);
    snapshot.close();
  });
});

describe('bytes behind the last block', () => {
  test('are zeros without a parent, and no block', () => {
    const content = someBytes(100);
    const path = write([content]);
    patchStreamLength(path, 'disk', 2 ** 40);
    const snapshot = openSnapshot(path);
    expectSameBytes(
      readRange(snapshot, 'disk', 90, 20),
      Buffer.concat([content.subarray(90), Buffer.alloc(10)]),
    );
    expectSameBytes(readRange(snapshot, 'disk', 2 ** 40 - 5, 20), Buffer.alloc(5));
    expect(snapshot.blockAt('disk', 100)).toBeUndefined();
    expect(snapshot.runAt('disk', 100)).toEqual({ kind: 'zero', length: 2 ** 40 - 100 });
    snapshot.close();
  });
});

/** A source that counts its reads. */
function watchedSource(path: string): Source & { reads: number } {
  const source = memorySource(path, readFileSync(path));
  return {
    ...source,
    reads: 0,
    read(target, offset) {
      this.reads++;
      source.read(target, offset);
    },
  };
}

describe('the block cache', () => {
  const blocks = [someBytes(300_000), someBytes(300_000), someBytes(300_000)];
  const path = write(blocks);

  test('spares reading a block again', () => {
    const source = watchedSource(path);
    const snapshot = openSnapshot(source);
    // Whoever comes back to a block gets it kept.
    for (const offset of [10, 600_010, 20, 600_020]) readRange(snapshot, 'disk', offset, 1);
    const readsBefore = source.reads;
    for (const offset of [10, 600_010, 299_000]) readRange(snapshot, 'disk', offset, 1000);
    expect(source.reads).toBe(readsBefore);
    snapshot.close();
  });

  test.each([0, 1, 100, 300_000, 1_199_999])(
    'of %d bytes does not change what is read',
    (cacheBytes) => {
      const snapshot = openSnapshot(path, { cacheBytes });
      const whole = Buffer.concat(blocks);
      for (let offset = 0; offset < whole.length; offset += 7001) {
        expectSameBytes(
          readRange(snapshot, 'disk', offset, 7001),
          whole.subarray(offset, offset + 7001),
        );
      }
      for (const offset of [899_999, 5, 300_005, 0]) {
        expectSameBytes(readRange(snapshot, 'disk', offset, 1), whole.subarray(offset, offset + 1));
      }
      snapshot.close();
    },
  );

  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'of %d bytes is taken or refused, and breaks nothing',
    (cacheBytes) => {
      expect(['ok', 'USAGE']).toContain(codeOf(() => openSnapshot(path, { cacheBytes }).close()));
    },
  );
});

describe('a file that cannot be read any more', () => {
  const blocks = [someBytes(5000), someBytes(5000), someBytes(5000)];

  test('is UNREADABLE when it was cut before its index was needed', () => {
    const path = write(blocks);
    const snapshot = openSnapshot(path);
    truncateSync(path, 4096);
    const error = errorOf(() => readRange(snapshot, 'disk', 0, 1));
    expect(error.code).toBe('UNREADABLE');
    expect(error.toLine()).toContain(path);
    snapshot.close();
  });

  test('is UNREADABLE when it was cut before a block was read', () => {
    const path = write(blocks);
    const snapshot = openSnapshot(path);
    // The index lies behind the blocks: it is read before the file is cut.
    const last = snapshot.blockAt('disk', 14_000);
    truncateSync(path, (last?.storedOffset ?? 0) + 100);
    expectSameBytes(readRange(snapshot, 'disk', 0, 5000), blocks[0] ?? Buffer.alloc(0));
    expect(errorOf(() => readRange(snapshot, 'disk', 14_000, 1)).code).toBe('UNREADABLE');
    snapshot.close();
  });

  test('still gives every block that lies before the bad place, read in order', () => {
    const path = write(blocks);
    const sound = openSnapshot(path);
    const last = [...sound.blocks('disk')][2];
    sound.close();
    const bytes = readFileSync(path);
    const lastStart = last?.storedOffset ?? 0;
    const lastEnd = lastStart + (last?.storedLength ?? 0);
    const source = memorySource(path, bytes);
    const failing: Source = {
      ...source,
      read(target, offset) {
        if (offset < lastEnd && offset + target.length > lastStart) {
          throw new HexzError('UNREADABLE', 'bad sector', { location: { file: path } });
        }
        source.read(target, offset);
      },
    };
    const snapshot = openSnapshot(failing);
    expectSameBytes(readRange(snapshot, 'disk', 0, 10_000), Buffer.concat(blocks.slice(0, 2)));
    expect(errorOf(() => readRange(snapshot, 'disk', 10_000, 1)).code).toBe('UNREADABLE');
    expectSameBytes(
      readRange(snapshot, 'disk', 4000, 2000),
      Buffer.concat(blocks).subarray(4000, 6000),
    );
    snapshot.close();
  });
});

test('closing twice is allowed', () => {
  const snapshot = openSnapshot(write([someBytes(5000)]));
  readRange(snapshot, 'disk', 0, 10);
  snapshot.close();
  expect(codeOf(() => snapshot.close())).toBe('ok');
});
