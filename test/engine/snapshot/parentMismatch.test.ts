import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { blake3 } from '../../../src/engine/codec/blake3.js';
import { extractStream } from '../../../src/engine/snapshot/extract.js';
import { openSnapshot, type Snapshot, verifyChain } from '../../../src/index.js';
import { errorOf } from '../../support/errors.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { expectSameBytes, readRange, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const BLOCK_BYTES = 4000;
const meant = [0, 1, 2].map(() => someBytes(BLOCK_BYTES));
const other = someBytes(BLOCK_BYTES);

let directory = '';
beforeEach(() => {
  directory = newDirectory();
});

function writeBase(...blocks: readonly Buffer[]): void {
  const writer = new SnapshotWriter(join(directory, 'base.hxz'));
  for (const block of blocks) writer.addData(block);
  writer.finish();
}

/** A snapshot that borrows ranges, with the hash of what should be there where one is given. */
function writeThin(
  references: readonly { length: number; hash: Buffer | undefined }[],
  name = 'thin.hxz',
  parent = 'base.hxz',
): void {
  const writer = new SnapshotWriter(join(directory, name), { parentPaths: [parent] });
  for (const { length, hash } of references) writer.addParent(length, hash);
  writer.finish();
}

const exactly = (block: Buffer) => ({ length: block.length, hash: blake3(block) });

function withThin(use: (snapshot: Snapshot) => void): void {
  const snapshot = openSnapshot(join(directory, 'thin.hxz'));
  try {
    use(snapshot);
  } finally {
    snapshot.close();
  }
}

const findingsOf = (snapshot: Snapshot) =>
  [...verifyChain(snapshot)].flatMap(({ finding }) => (finding === undefined ? [] : [finding]));

/** Extracts all of a disk stream as a sparse output does: zeros are skipped without being read. */
function extract(snapshot: Snapshot): void {
  const sink = { write: () => {}, skip: () => {} };
  const range = { offset: 0, length: snapshot.streamLength('disk') };
  for (const _done of extractStream(snapshot, 'disk', range, sink));
}

describe('a parent that holds other data in one block', () => {
  beforeEach(() => {
    writeBase(meant[0] ?? other, other, meant[2] ?? other);
    writeThin(meant.map(exactly));
  });

  test('is refused where that block is read, even one byte of it', () => {
    withThin((snapshot) => {
      for (const [offset, length] of [
        [BLOCK_BYTES, BLOCK_BYTES],
        [BLOCK_BYTES + 7, 1],
        [0, 3 * BLOCK_BYTES],
      ] as const) {
        const error = errorOf(() => readRange(snapshot, 'disk', offset, length));
        expect(error.code).toBe('PARENT_MISMATCH');
        expect(error.location).toEqual({
          file: join(directory, 'thin.hxz'),
          stream: 'disk',
          blockIndex: 1,
          offset: BLOCK_BYTES,
        });
        expect(error.message).toContain(join(directory, 'base.hxz'));
      }
    });
  });

  test('still gives the blocks that agree', () => {
    withThin((snapshot) => {
      for (const block of [0, 2]) {
        const bytes = readRange(snapshot, 'disk', block * BLOCK_BYTES, BLOCK_BYTES);
        expectSameBytes(bytes, meant[block] ?? other);
      }
    });
  });

  test('is found by verification, and by extraction', () => {
    withThin((snapshot) => {
      const findings = findingsOf(snapshot).map(({ error, blockIndex }) => [
        error.code,
        blockIndex,
      ]);
      expect(findings).toEqual([['PARENT_MISMATCH', 1]]);
      expect(errorOf(() => extract(snapshot)).code).toBe('PARENT_MISMATCH');
    });
  });
});

describe('zeros that come from the wrong parent', () => {
  /** base: all zero. middle: borrows it, and says that something else is there. */
  beforeEach(() => {
    const writer = new SnapshotWriter(join(directory, 'base.hxz'));
    writer.addZero(BLOCK_BYTES);
    writer.finish();
    writeThin([exactly(other)], 'middle.hxz');
    writeThin(meant.slice(0, 1).map(exactly), 'thin.hxz', 'middle.hxz');
  });

  test('are not skipped by a sparse extraction', () => {
    withThin((snapshot) => {
      expect(snapshot.runAt('disk', 0).kind).toBe('data');
      expect(errorOf(() => extract(snapshot)).code).toBe('PARENT_MISMATCH');
    });
  });

  test('are found by verification', () => {
    withThin((snapshot) => {
      const codes = findingsOf(snapshot).map(({ error }) => error.code);
      expect(codes).toEqual(['PARENT_MISMATCH', 'PARENT_MISMATCH']);
    });
  });
});

describe('a parent that cannot be the one that was meant is refused', () => {
  test.each<[string, () => void]>([
    ['because it has ended', () => writeBase(Buffer.alloc(0))],
    ['because it ends with another, shorter block', () => writeBase(other.subarray(0, 1000))],
    [
      'because it has zeros there',
      () => {
        const writer = new SnapshotWriter(join(directory, 'base.hxz'));
        writer.addZero(BLOCK_BYTES);
        writer.finish();
      },
    ],
  ])('%s', (_name, write) => {
    write();
    writeThin(meant.slice(0, 1).map(exactly));
    withThin((snapshot) => {
      expect(errorOf(() => readRange(snapshot, 'disk', 0, 10)).code).toBe('PARENT_MISMATCH');
      expect(findingsOf(snapshot).map(({ error }) => error.code)).toEqual(['PARENT_MISMATCH']);
      expect(errorOf(() => extract(snapshot)).code).toBe('PARENT_MISMATCH');
    });
  });

  test('but not one whose last block the reference goes beyond', () => {
    writeBase(meant[0] ?? other);
    writeThin([{ length: BLOCK_BYTES + 500, hash: blake3(meant[0] ?? other) }]);
    withThin((snapshot) => {
      expect(findingsOf(snapshot)).toEqual([]);
      expectSameBytes(
        readRange(snapshot, 'disk', 0, BLOCK_BYTES + 500),
        Buffer.concat([meant[0] ?? other, Buffer.alloc(500)]),
      );
    });
  });

  test('nor one that stores as zeros what was zeros', () => {
    const writer = new SnapshotWriter(join(directory, 'base.hxz'));
    writer.addZero(BLOCK_BYTES);
    writer.finish();
    writeThin([exactly(Buffer.alloc(BLOCK_BYTES))]);
    withThin((snapshot) => expect(findingsOf(snapshot)).toEqual([]));
  });
});

describe('nothing is compared', () => {
  const expectAccepted = () =>
    withThin((snapshot) => {
      expect(findingsOf(snapshot)).toEqual([]);
      expect(readRange(snapshot, 'disk', 0, BLOCK_BYTES)).toHaveLength(BLOCK_BYTES);
    });

  test('where the reference has no hash', () => {
    writeBase(other);
    writeThin([{ length: BLOCK_BYTES, hash: undefined }]);
    expectAccepted();
  });

  test('where the parent has a block of another range', () => {
    writeBase(other.subarray(0, 1000), other.subarray(1000));
    writeThin(meant.slice(0, 1).map(exactly));
    expectAccepted();
  });
});

test('a reference in a snapshot without parent is BAD_INDEX, on read, in verification and extraction', () => {
  const writer = new SnapshotWriter(join(directory, 'thin.hxz'));
  writer.addParent(BLOCK_BYTES);
  writer.finish();
  withThin((snapshot) => {
    expect(errorOf(() => readRange(snapshot, 'disk', 0, 1)).code).toBe('BAD_INDEX');
    expect(findingsOf(snapshot).map(({ error }) => error.code)).toEqual(['BAD_INDEX']);
    expect(errorOf(() => extract(snapshot)).code).toBe('BAD_INDEX');
  });
});
