import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { extractStream } from '../../../src/engine/snapshot/extract.js';
import { openSnapshot } from '../../../src/index.js';
import { errorOf } from '../../support/errors.js';
import { chains, expectedBytes, writeChain } from '../../support/layers.js';
import { damage } from '../../support/patch.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { expectSameBytes, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

/** Extracts a range of the disk stream into memory. */
function extract(path: string, offset: number, length: number) {
  const snapshot = openSnapshot(path);
  const parts: Buffer[] = [];
  const steps: number[] = [];
  let skipped = 0;
  const sink = {
    write: (bytes: Buffer) => parts.push(Buffer.from(bytes)),
    skip: (count: number) => {
      skipped += count;
      parts.push(Buffer.alloc(Math.min(count, 2 ** 16)));
    },
  };
  let error: unknown;
  try {
    for (const done of extractStream(snapshot, 'disk', { offset, length }, sink)) steps.push(done);
  } catch (thrown) {
    error = thrown;
  } finally {
    snapshot.close();
  }
  return { bytes: Buffer.concat(parts), steps, skipped, error };
}

test('any range of any chain comes out whole and in order, and the steps count it', () => {
  const directory = newDirectory();
  fc.assert(
    fc.property(chains, fc.nat(20_000), fc.nat(20_000), (chain, offset, length) => {
      const path = writeChain(directory, chain);
      const expected = expectedBytes(chain).subarray(offset, offset + length);
      const { bytes, steps, error } = extract(path, offset, length);
      expect(error).toBeUndefined();
      expectSameBytes(bytes, expected);
      expect(steps).toEqual([...steps].sort((a, b) => a - b));
      expect(steps.at(-1) ?? 0).toBe(expected.length);
    }),
    { numRuns: 100 },
  );
});

test('zeros that the index knows of are skipped, not read and written', () => {
  const path = join(newDirectory(), 'sparse.hxz');
  const writer = new SnapshotWriter(path);
  for (let block = 0; block < 100; block++) writer.addZero(100 * 2 ** 20);
  writer.addData(someBytes(1000));
  writer.finish();
  const { skipped, steps } = extract(path, 0, Number.MAX_SAFE_INTEGER);
  expect(skipped).toBe(100 * 100 * 2 ** 20);
  expect(steps.at(-1)).toBe(100 * 100 * 2 ** 20 + 1000);
});

test('a damaged block ends the extraction, and what came before it is right', () => {
  const path = join(newDirectory(), 'damaged.hxz');
  const writer = new SnapshotWriter(path);
  const contents = [someBytes(2 ** 20), someBytes(2 ** 20), someBytes(2 ** 20)];
  const entries = contents.map((block) => writer.addData(block));
  writer.finish();
  const last = entries[2];
  if (last?.kind === 'data') damage(path, last);
  const { bytes, error } = extract(path, 0, 3 * 2 ** 20);
  expectSameBytes(bytes, Buffer.concat(contents.slice(0, 2)));
  expect(
    errorOf(() => {
      throw error;
    }).location,
  ).toMatchObject({ blockIndex: 2, offset: 2 ** 21 });
});
