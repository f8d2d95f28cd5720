import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createVolume } from '../../../src/engine/volume/volume.js';
import {
  type DiffSide,
  type DiffStep,
  diffOverlay,
  diffRows,
  diffSnapshots,
  openOverlay,
  openSnapshot,
  type Snapshot,
} from '../../../src/index.js';
import { markedBytes } from '../../support/overlay/memoryBase.js';
import { damageBlock, packSnapshot } from '../../support/snapshots.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

interface Shown {
  readonly rows: { offset: number; before: string; after: string; isChanged: boolean }[];
  readonly skipped: number[];
  readonly ends: string[];
  /** Everything in order: offsets of rows, and how many are skipped. */
  readonly order: (number | string)[];
}

function shownOf(
  steps: Generator<DiffStep, unknown>,
  before: Snapshot,
  after: DiffSide,
  rowBytes: number,
  contextRows: number,
): Shown {
  const shown: Shown = { rows: [], skipped: [], ends: [], order: [] };
  for (const { shown: each } of diffRows(steps, before, after, { rowBytes, contextRows })) {
    if (each === undefined) continue;
    if (each.kind === 'row') {
      const { offset, isChanged } = each;
      const [old, now] = [each.before, each.after].map((bytes) => bytes.toString('hex'));
      shown.rows.push({ offset, before: old ?? '', after: now ?? '', isChanged });
      shown.order.push(offset);
    } else if (each.kind === 'skipped') {
      shown.skipped.push(each.rowCount);
      shown.order.push(`skip ${each.rowCount}`);
    } else {
      shown.ends.push(each.difference.kind);
    }
  }
  return shown;
}

/** What has to be shown of two disks. */
function expectRows(
  shown: Shown,
  before: Buffer,
  after: Buffer,
  rowBytes: number,
  context: number,
) {
  const rowCount = Math.ceil(Math.max(before.length, after.length) / rowBytes);
  const isChanged = (row: number): boolean => {
    for (let offset = row * rowBytes; offset < (row + 1) * rowBytes; offset++) {
      if (offset >= after.length) return false;
      if ((before[offset] ?? 0) !== after[offset]) return true;
    }
    return false;
  };
  const changed = Array.from({ length: rowCount }, (_, row) => row).filter(isChanged);
  const rowOf = (offset: number) => offset / rowBytes;
  expect(shown.rows.filter((row) => row.isChanged).map(({ offset }) => rowOf(offset))).toEqual(
    changed,
  );
  const expected = new Set<number>();
  for (const row of changed) {
    for (let near = row - context; near <= row + context; near++) {
      if (near >= 0 && near < rowCount) expected.add(near);
    }
  }
  expect(shown.rows.map(({ offset }) => rowOf(offset))).toEqual(
    [...expected].sort((a, b) => a - b),
  );
  for (const { offset, before: old, after: now } of shown.rows) {
    expect(old).toBe(before.subarray(offset, offset + rowBytes).toString('hex'));
    expect(now).toBe(after.subarray(offset, offset + rowBytes).toString('hex'));
  }
  // What is skipped and what is shown make up everything up to the last row shown.
  let row = 0;
  for (const each of shown.order) {
    if (typeof each === 'string') row += Number(each.slice('skip '.length));
    else expect(rowOf(each)).toBe(row++);
  }
}

const edits = fc.array(
  fc.record({
    kind: fc.constantFrom('write', 'zeros', 'truncate'),
    offset: fc.nat(30_000),
    length: fc.constantFrom(1, 1, 3, 40, 5000),
  }),
  { maxLength: 5 },
);

describe('rows are those that a comparison of all bytes finds', () => {
  test('of an overlay', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 24_000 }),
        edits,
        fc.constantFrom(8, 16),
        fc.nat(3),
        async (length, list, rowBytes, context) => {
          const path = join(newDirectory(), 'base.hxz');
          const before = markedBytes(length, length);
          packSnapshot(path, { disk: before }, { blockBytes: 5000 });
          const snapshot = openSnapshot(path);
          const overlay = openOverlay(snapshot, { path: `${path}.overlay`, access: 'write' });
          list.forEach(({ kind, offset, length: bytes }, seed) => {
            if (kind === 'truncate') overlay.truncate(offset);
            else
              overlay.write(
                offset,
                kind === 'zeros' ? Buffer.alloc(bytes) : markedBytes(bytes, seed),
              );
          });
          const after = Buffer.alloc(overlay.length);
          overlay.readInto(0, after);
          const steps = diffOverlay(snapshot, overlay, { granularity: 'run' });
          const volume = createVolume(snapshot, overlay);
          const shown = shownOf(steps, snapshot, volume, rowBytes, context);
          expectRows(shown, before, after, rowBytes, context);
          expect(shown.ends).toEqual([
            ...(after.length > length ? ['grown'] : []),
            ...(after.length < length ? ['removed'] : []),
          ]);
          await volume.close();
        },
      ),
      { numRuns: 100, interruptAfterTimeLimit: 20_000 },
    );
  }, 40_000);

  test('of two snapshots', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 24_000 }),
        edits,
        fc.constantFrom(8, 16),
        fc.nat(3),
        (length, list, rowBytes, context) => {
          const before = markedBytes(length, length);
          let after = Buffer.from(before);
          list.forEach(({ kind, offset, length: bytes }, seed) => {
            const end = kind === 'truncate' ? offset + 1 : Math.max(after.length, offset + bytes);
            const next = Buffer.alloc(end);
            after.copy(next);
            if (kind === 'zeros') next.fill(0, offset, offset + bytes);
            if (kind === 'write') markedBytes(bytes, seed).copy(next, offset);
            after = next;
          });
          const directory = newDirectory();
          const [one, other] = [before, after].map((disk, at) =>
            openSnapshot(packSnapshot(join(directory, `${at}`), { disk }, { blockBytes: 5000 })),
          ) as [Snapshot, Snapshot];
          const steps = diffSnapshots(one, other, { granularity: 'run' });
          expectRows(
            shownOf(steps, one, other, rowBytes, context),
            before,
            after,
            rowBytes,
            context,
          );
          one.close();
          other.close();
        },
      ),
      {
        numRuns: 100,
        interruptAfterTimeLimit: 20_000,
        // A row that has changed behind the end, next to one before it.
        examples: [[1, [32, 8, 0].map((offset) => ({ kind: 'write', offset, length: 1 })), 8, 1]],
      },
    );
  }, 40_000);
});

test('blocks without a row that is shown are not decoded', () => {
  const directory = newDirectory();
  const disk = markedBytes(8 * 65_536, 1);
  const changed = Buffer.from(disk);
  changed[3 * 65_536 + 5000] = 0;
  const paths = [disk, changed].map((each, at) =>
    packSnapshot(join(directory, `${at}`), { disk: each }),
  );
  for (const path of paths) for (const block of [0, 1, 2, 4, 5, 6, 7]) damageBlock(path, block);
  const [before, after] = paths.map((path) => openSnapshot(path)) as [Snapshot, Snapshot];
  const shown = shownOf(diffSnapshots(before, after), before, after, 16, 2);
  expect(shown.rows.map(({ isChanged }) => isChanged)).toEqual([false, false, true, false, false]);
  before.close();
  after.close();
});
