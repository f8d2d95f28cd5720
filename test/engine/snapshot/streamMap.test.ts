import { openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mapStream } from '../../../src/engine/snapshot/streamMap.js';
import { openSnapshot } from '../../../src/index.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const CELL = 4096;

type Kind = 'data' | 'zero' | 'parent';
interface Entry {
  readonly kind: Kind;
  readonly length: number;
}

function writeThin(entries: readonly Entry[]): string {
  const directory = newDirectory();
  const base = new SnapshotWriter(join(directory, 'base.hxz'));
  base.addData(someBytes(3000));
  base.finish();
  const path = join(directory, 'thin.hxz');
  const writer = new SnapshotWriter(path, { parentPaths: ['base.hxz'] });
  for (const { kind, length } of entries) {
    if (kind === 'data') writer.addData(someBytes(length));
    else if (kind === 'zero') writer.addZero(length);
    else writer.addParent(length);
  }
  writer.finish();
  return path;
}

/** Bytes of each kind in each cell. */
function cellsOf(path: string, from = 0, to = Number.MAX_SAFE_INTEGER) {
  const snapshot = openSnapshot(path);
  try {
    const cells = new Map<number, Record<Kind, number>>();
    let damage = 0;
    for (const step of mapStream(snapshot, 'disk', CELL, from, Math.min(to, 2 ** 40))) {
      damage += step.damage === undefined ? 0 : 1;
      for (const { firstCell, cellCount, dataBytes, zeroBytes, parentBytes } of step.runs) {
        for (let cell = firstCell; cell < firstCell + cellCount; cell++) {
          expect(cells.has(cell)).toBe(false);
          cells.set(cell, { data: dataBytes, zero: zeroBytes, parent: parentBytes });
        }
      }
    }
    return { cells, damage };
  } finally {
    snapshot.close();
  }
}

/** The same, byte run by byte run. */
function expectedCells(entries: readonly Entry[]): Map<number, Record<Kind, number>> {
  const cells = new Map<number, Record<Kind, number>>();
  let offset = 0;
  for (const { kind, length } of entries) {
    for (let left = length; left > 0; ) {
      const cell = Math.floor(offset / CELL);
      const part = Math.min(left, (cell + 1) * CELL - offset);
      const amounts = cells.get(cell) ?? { data: 0, zero: 0, parent: 0 };
      amounts[kind] += part;
      cells.set(cell, amounts);
      offset += part;
      left -= part;
    }
  }
  return cells;
}

const entry = fc.record({
  kind: fc.constantFrom<Kind>('data', 'zero', 'parent'),
  length: fc.oneof(
    fc.nat(300),
    fc.constantFrom(CELL, 2 * CELL),
    fc.integer({ min: 1, max: 50_000 }),
  ),
});

test('cells add up to what the index says', () => {
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 40 }),
      fc.nat(40),
      fc.nat(40),
      (entries, from, count) => {
        const path = writeThin(entries);
        const expected = expectedCells(entries);
        expect(cellsOf(path).cells).toEqual(expected);
        const part = cellsOf(path, from * CELL + 1, (from + count) * CELL + 1).cells;
        expect(part).toEqual(
          new Map([...expected].filter(([cell]) => cell >= from && cell <= from + count)),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('a damaged part of the index is not known, and the rest is', () => {
  const path = writeThin([
    ...Array.from({ length: 4096 }, () => ({ kind: 'zero', length: CELL }) as const),
    { kind: 'data', length: CELL },
  ]);
  const file = openSync(path, 'r+');
  const snapshot = openSnapshot(path);
  const [pageOffset = 0] = snapshot.index.streams.disk.table.pageOffsets;
  snapshot.close();
  // The length of the first entry.
  const length = Buffer.alloc(4);
  readSync(file, length, 0, 4, pageOffset + 8 + 12);
  expect(length.readUInt32LE()).toBe(CELL);
  length.writeUInt32LE(CELL + 1);
  writeSync(file, length, 0, 4, pageOffset + 8 + 12);
  const { cells, damage } = cellsOf(path);
  expect(damage).toBe(1);
  expect(cells.size).toBe(4097);
  expect(cells.get(0)).toEqual({ data: 0, zero: 0, parent: 0 });
  expect(cells.get(4096)).toEqual({ data: CELL, zero: 0, parent: 0 });
});
