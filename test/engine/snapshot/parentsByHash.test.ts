import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { blake3 } from '../../../src/engine/codec/blake3.js';
import { type HexzError, openSnapshot, type Snapshot, verifyChain } from '../../../src/index.js';
import { errorOf } from '../../support/errors.js';
import { damage } from '../../support/patch.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { expectSameBytes, readRange, readStream, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const [first, second, third] = [someBytes(3000), someBytes(500), someBytes(1000)];

let directory = '';
beforeEach(() => {
  directory = newDirectory();
});

/** A generation B snapshot; `fill` adds its blocks. */
function write(
  name: string,
  parentPaths: string[],
  fill: (writer: SnapshotWriter) => void,
): string {
  const path = join(directory, name);
  const writer = new SnapshotWriter(path, { layout: 'B', parentPaths });
  fill(writer);
  writer.finish();
  return path;
}

function borrow(writer: SnapshotWriter, ...blocks: readonly Buffer[]): void {
  for (const block of blocks) writer.addParent(block.length, blake3(block));
}

function use(path: string, action: (snapshot: Snapshot) => void): void {
  const snapshot = openSnapshot(path);
  try {
    expect(snapshot.generation).toBe('B');
    action(snapshot);
  } finally {
    snapshot.close();
  }
}

const expectReads = (path: string, ...blocks: readonly Buffer[]) =>
  use(path, (snapshot) => expectSameBytes(readStream(snapshot, 'disk'), Buffer.concat(blocks)));

const findingsOf = (snapshot: Snapshot): HexzError[] =>
  [...verifyChain(snapshot)].flatMap(({ finding }) =>
    finding === undefined ? [] : [finding.error],
  );

describe('a block is found by its hash', () => {
  test('at another offset, and as often as it is referenced', () => {
    write('base.hxz', [], (writer) => {
      for (const block of [first, second, third]) writer.addData(block);
    });
    const child = write('child.hxz', ['base.hxz'], (writer) => {
      borrow(writer, third, second, second, first);
    });
    expectReads(child, third, second, second, first);
    use(child, (snapshot) => {
      expectSameBytes(
        readRange(snapshot, 'disk', 990, 20),
        Buffer.concat([third.subarray(990), second.subarray(0, 10)]),
      );
      expect(snapshot.runAt('disk', 0)).toEqual({ kind: 'data', length: 5000 });
      expect(findingsOf(snapshot)).toEqual([]);
    });
  });

  test('in the other stream of the parent', () => {
    write('base.hxz', [], (writer) => {
      writer.addZero(10);
      writer.beginMemory();
      writer.addData(first);
    });
    expectReads(
      write('child.hxz', ['base.hxz'], (writer) => borrow(writer, first)),
      first,
    );
  });

  test('in a grandparent that the parent borrows it from, or does not', () => {
    write('a.hxz', [], (writer) => {
      writer.addData(first);
      writer.addData(second);
    });
    write('b.hxz', ['a.hxz'], (writer) => borrow(writer, second));
    expectReads(
      write('c.hxz', ['b.hxz'], (writer) => borrow(writer, first, second)),
      first,
      second,
    );
  });

  test('in any of several parents', () => {
    write('a.hxz', [], (writer) => writer.addData(first));
    write('b.hxz', [], (writer) => writer.addData(second));
    const child = write('c.hxz', ['a.hxz', 'b.hxz'], (writer) => borrow(writer, second, first));
    expectReads(child, second, first);
  });

  test('among many blocks, on several index pages', () => {
    const blocks = Array.from({ length: 5000 }, (_, number) => Buffer.from(`block ${number}`));
    write('base.hxz', [], (writer) => {
      for (const block of blocks) writer.addData(block);
    });
    const wanted = [4999, 0, 4096, 4095, 17].map((number) => blocks[number] ?? first);
    const child = write('child.hxz', ['base.hxz'], (writer) => borrow(writer, ...wanted));
    expectReads(child, ...wanted);
  });
});

describe('a block that cannot be found', () => {
  const expectMissing = (path: string, words: string) =>
    use(path, (snapshot) => {
      const error = errorOf(() => readRange(snapshot, 'disk', 10, 1));
      expect(error.code).toBe('PARENT_BLOCK_MISSING');
      expect(error.message).toContain(words);
      expect(error.location).toEqual({ file: path, stream: 'disk', blockIndex: 0, offset: 0 });
      expect(findingsOf(snapshot).map(({ code }) => code)).toEqual(['PARENT_BLOCK_MISSING']);
    });

  beforeEach(() => {
    write('base.hxz', [], (writer) => {
      writer.addData(first);
      writer.addZero(500);
    });
  });

  test('names its hash', () => {
    const child = write('child.hxz', ['base.hxz'], (writer) => borrow(writer, second));
    expectMissing(child, blake3(second).toString('hex'));
  });

  test('has no hash, which zero blocks do not have either', () => {
    const child = write('child.hxz', ['base.hxz'], (writer) => writer.addParent(500));
    expectMissing(child, '0'.repeat(64));
  });

  test('has another length under the same hash', () => {
    const child = write('child.hxz', ['base.hxz'], (writer) => {
      writer.addParent(first.length - 1, blake3(first));
    });
    expectMissing(child, blake3(first).toString('hex'));
  });

  test('would have to come from the child itself', () => {
    const child = write('child.hxz', ['base.hxz'], (writer) => {
      borrow(writer, second);
      writer.addData(second);
    });
    expectMissing(child, blake3(second).toString('hex'));
  });
});

test('a reference in a snapshot without parents is BAD_INDEX', () => {
  use(
    write('child.hxz', [], (writer) => borrow(writer, first)),
    (snapshot) => {
      expect(errorOf(() => readRange(snapshot, 'disk', 0, 1)).code).toBe('BAD_INDEX');
      expect(findingsOf(snapshot).map(({ code }) => code)).toEqual(['BAD_INDEX']);
    },
  );
});

test('damage in the parent is reported at its place in the parent', () => {
  const base = write('base.hxz', [], (writer) => {
    writer.addData(first);
    writer.addData(second);
  });
  use(base, (snapshot) => {
    const block = [...snapshot.blocks('disk')][1];
    if (block !== undefined) damage(base, block);
  });
  use(
    write('child.hxz', ['base.hxz'], (writer) => borrow(writer, second)),
    (snapshot) => {
      const place = { file: base, stream: 'disk', blockIndex: 1, offset: 3000 };
      const error = errorOf(() => readRange(snapshot, 'disk', 0, 1));
      expect([error.code, error.location]).toEqual(['CRC', place]);
      expect(findingsOf(snapshot).map(({ code, location }) => [code, location])).toEqual([
        ['CRC', place],
      ]);
    },
  );
});
