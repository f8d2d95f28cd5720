import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type FileTally, type Finding, openSnapshot, verifyChain } from '../../../src/index.js';
import { malformedPath } from '../../support/fixtures.js';
import { damage, patchFirstPage, patchStreamLength } from '../../support/patch.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

function verify(path: string): { findings: Finding[]; tallies: FileTally[] } {
  const snapshot = openSnapshot(path);
  const findings: Finding[] = [];
  try {
    const steps = verifyChain(snapshot);
    for (;;) {
      const next = steps.next();
      if (next.done === true) return { findings, tallies: next.value };
      if (next.value.finding !== undefined) findings.push(next.value.finding);
    }
  } finally {
    snapshot.close();
  }
}

const summaryOf = ({ error, stream, blockIndex, offset, length }: Finding) => [
  error.code,
  stream,
  blockIndex,
  offset,
  length,
];

test('every bad block of both streams is found, at its place', () => {
  const path = join(newDirectory(), 'damaged.hxz');
  const writer = new SnapshotWriter(path);
  const entries = [100, 200, 300].map((length) => writer.addData(someBytes(length)));
  writer.addZero(50);
  writer.beginMemory();
  entries.push(writer.addData(someBytes(400)));
  writer.finish();
  for (const number of [0, 2, 3]) {
    const entry = entries[number];
    if (entry?.kind === 'data') damage(path, entry);
  }
  const { findings, tallies } = verify(path);
  expect(findings.map(summaryOf)).toEqual([
    ['CRC', 'disk', 0, 0, 100],
    ['CRC', 'disk', 2, 300, 300],
    ['CRC', 'memory', 4, 0, 400],
  ]);
  expect(findings[1]?.error.toLine()).toMatch(
    new RegExp(`^${path}: disk stream, block 2, offset 300: .*damaged`),
  );
  expect(tallies).toEqual([
    {
      path,
      dataBlocks: 4,
      zeroBlocks: 1,
      parentBlocks: 0,
      hashedBlocks: 1,
      checkedBytes: 1050,
      uncoveredBytes: 0,
      badBlocks: 3,
    },
  ]);
});

test('a block that several entries share is bad in each of them', () => {
  const path = join(newDirectory(), 'damaged.hxz');
  const writer = new SnapshotWriter(path);
  const entry = writer.addData(someBytes(100));
  writer.addShared(entry);
  writer.finish();
  if (entry.kind === 'data') damage(path, entry);
  expect(verify(path).findings.map(({ offset }) => offset)).toEqual([0, 100]);
});

test('a block that decodes to other bytes than its BLAKE3 hash says is found', () => {
  const { findings } = verify(malformedPath('index-page-bitflip-hash.hxz'));
  expect(findings.map(({ error }) => error.code)).toEqual(['HASH']);
  const path = join(newDirectory(), 'forged.hxz');
  const writer = new SnapshotWriter(path);
  const entry = writer.addData(someBytes(10));
  if (entry.kind === 'data') writer.addShared({ ...entry, hash: Buffer.alloc(32, 1) });
  writer.finish();
  expect(verify(path).findings.map(summaryOf)).toEqual([['HASH', 'disk', 1, 10, 10]]);
});

describe('an index page that cannot be used', () => {
  test('is one finding, and the pages behind it are checked all the same', () => {
    const path = join(newDirectory(), 'damaged.hxz');
    const writer = new SnapshotWriter(path);
    for (let block = 0; block < 4096; block++) writer.addZero(2);
    const entry = writer.addData(someBytes(10));
    writer.finish();
    if (entry.kind === 'data') damage(path, entry);
    patchFirstPage(path, (page) => page.writeUInt32LE(3, 8 + 12));
    const { findings, tallies } = verify(path);
    expect(findings.map(summaryOf)).toEqual([
      ['BAD_INDEX', 'disk', undefined, 0, 8192],
      ['CRC', 'disk', 4096, 8192, 10],
    ]);
    expect(tallies.map(({ badBlocks }) => badBlocks)).toEqual([2]);
  });
});

test('bytes behind the last block are counted, and are no damage', () => {
  const path = join(newDirectory(), 'uncovered.hxz');
  const writer = new SnapshotWriter(path);
  writer.addData(someBytes(10));
  writer.finish();
  patchStreamLength(path, 'disk', 2 ** 50);
  const { findings, tallies } = verify(path);
  expect(findings).toEqual([]);
  expect(tallies[0]?.uncoveredBytes).toBe(2 ** 50 - 10);
});

test('damage in a parent is found once, in the parent', () => {
  const directory = newDirectory();
  const base = join(directory, 'base.hxz');
  const writer = new SnapshotWriter(base);
  const entry = writer.addData(someBytes(100));
  writer.finish();
  if (entry.kind === 'data') damage(base, entry);
  const thin = new SnapshotWriter(join(directory, 'thin.hxz'), { parentPaths: ['base.hxz'] });
  thin.addParent(100);
  thin.finish();
  const { findings, tallies } = verify(join(directory, 'thin.hxz'));
  expect(findings.map(({ file, error }) => [file, error.code])).toEqual([[base, 'CRC']]);
  expect(tallies.map(({ badBlocks }) => badBlocks)).toEqual([0, 1]);
});
