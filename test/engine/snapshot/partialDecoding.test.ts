import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { extractStream } from '../../../src/engine/snapshot/extract.js';
import { openFileSource } from '../../../src/engine/snapshot/source.js';
import { openSnapshot, type Source, verifyChain } from '../../../src/index.js';
import { codeOf } from '../../support/errors.js';
import { damage } from '../../support/patch.js';
import { type Packer, packLz4, SnapshotWriter } from '../../support/snapshotWriter.js';
import { expectSameBytes, readRange, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const BLOCK_BYTES = 65_536;
const newDirectory = temporaryDirectories();

/** A snapshot of such blocks, and what its disk holds. */
function write(blocks: readonly Buffer[], pack?: Packer): { path: string; disk: Buffer } {
  const path = join(newDirectory(), 'snapshot.hxz');
  const writer = new SnapshotWriter(path, {}, pack);
  for (const block of blocks) writer.addData(block);
  writer.finish();
  return { path, disk: Buffer.concat(blocks) };
}

/** The same with something wrong at the end of each stored block, which its checksum does not tell. */
const packBrokenAtTheEnd: Packer = (plain) => Buffer.concat([packLz4(plain), Buffer.from([0x50])]);

const someBlocks = (count: number): Buffer[] =>
  Array.from({ length: count }, () => someBytes(BLOCK_BYTES));

describe('a small read of a block', () => {
  test('keeps it from the second time on', () => {
    const { path } = write(someBlocks(3));
    const source = openFileSource(path);
    let reads = 0;
    const counting: Source = {
      ...source,
      read(target, offset) {
        reads++;
        source.read(target, offset);
      },
    };
    const snapshot = openSnapshot(counting);
    const readsOf = (offset: number): number => {
      const before = reads;
      readRange(snapshot, 'disk', offset, 100);
      return reads - before;
    };
    // With the index read already.
    snapshot.blockAt('disk', 0);
    const last = 2 * BLOCK_BYTES;
    // In turns: the stored bytes of the last block that was read are still there.
    const offsets = [last + 9, 50, last + 700, 9000, last, 50, last + 60_000, 60_000];
    expect(offsets.map(readsOf)).toEqual([1, 1, 1, 1, 0, 0, 0, 0]);
    snapshot.close();
  });

  test('gives the right bytes, however often and in whatever order', () => {
    const { path, disk } = write([...someBlocks(8), someBytes(1000)]);
    const ranges = fc.array(
      fc.record({
        offset: fc.nat(disk.length - 1),
        length: fc.oneof(fc.nat(5000), fc.nat(150_000)),
      }),
      { minLength: 1, maxLength: 30 },
    );
    const cacheBytes = fc.constantFrom(0, 3 * BLOCK_BYTES, 4 * BLOCK_BYTES, 64 * BLOCK_BYTES);
    fc.assert(
      fc.property(ranges, cacheBytes, (list, bytes) => {
        const snapshot = openSnapshot(path, { cacheBytes: bytes });
        for (const { offset, length } of list) {
          expectSameBytes(
            readRange(snapshot, 'disk', offset, length),
            disk.subarray(offset, offset + length),
          );
        }
        snapshot.close();
      }),
      { numRuns: 100 },
    );
  });

  test('does not mind what is damaged behind it; who takes, extracts or verifies the block does', () => {
    const { path, disk } = write(someBlocks(2), packBrokenAtTheEnd);
    const snapshot = openSnapshot(path);
    expectSameBytes(readRange(snapshot, 'disk', 100, 4096), disk.subarray(100, 4196));
    expect(codeOf(() => readRange(snapshot, 'disk', 100, 4096))).toBe('BAD_BLOCK');
    expect(codeOf(() => readRange(snapshot, 'disk', BLOCK_BYTES, BLOCK_BYTES))).toBe('BAD_BLOCK');
    const fresh = openSnapshot(path);
    const extraction = extractStream(
      fresh,
      'disk',
      { offset: 100, length: 50 },
      { write() {}, skip() {} },
    );
    expect(codeOf(() => [...extraction])).toBe('BAD_BLOCK');
    fresh.close();
    const codes = [...verifyChain(snapshot)].map(({ finding }) => finding?.error.code);
    expect(codes).toEqual(['BAD_BLOCK', 'BAD_BLOCK']);
    snapshot.close();
  });

  test('is refused where the checksum is wrong', () => {
    const { path } = write(someBlocks(2));
    const whole = openSnapshot(path);
    const block = whole.blockAt('disk', BLOCK_BYTES);
    whole.close();
    if (block === undefined) throw new Error('there is no second block');
    damage(path, { storedOffset: block.storedOffset + block.storedLength - 1 });
    const snapshot = openSnapshot(path);
    expect(codeOf(() => readRange(snapshot, 'disk', BLOCK_BYTES, 100))).toBe('CRC');
    snapshot.close();
  });
});

test('memory of the snapshot is filled with the same bytes as any other, and can be given back', () => {
  const { path, disk } = write(someBlocks(20));
  const snapshot = openSnapshot(path, { cacheBytes: 4 * BLOCK_BYTES });
  const target = snapshot.allocateTarget(1_000_000);
  for (const offset of [0, 300_000, 5, 0]) {
    const length = snapshot.readInto('disk', offset, target);
    expectSameBytes(target.subarray(0, length), disk.subarray(offset, offset + 1_000_000));
  }
  const firstByte = target[0];
  const other = snapshot.allocateTarget(1_000_000).fill(0xa5);
  expect(target[0]).toBe(firstByte);
  snapshot.freeTarget(target);
  for (let number = 0; number < 200; number++) {
    snapshot.freeTarget(snapshot.allocateTarget(1_000_000).fill(0));
  }
  expect(new Set(other)).toEqual(new Set([0xa5]));
  snapshot.close();
});
