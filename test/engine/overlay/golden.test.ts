import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { baseIdentity } from '../../../src/engine/overlay/baseIdentity.js';
import type { BaseDisk } from '../../../src/engine/overlay/mergedDisk.js';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { openSnapshot, type Snapshot } from '../../../src/index.js';
import { type GoldenOverlay, goldenOverlays, goldenPath, sha256 } from '../../support/fixtures.js';
import { markedBytes } from '../../support/overlay/memoryBase.js';
import { contentsOf } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const snapshots: Snapshot[] = [];
afterEach(() => {
  for (const snapshot of snapshots.splice(0)) snapshot.close();
});

function baseOf({ base }: GoldenOverlay): BaseDisk {
  const snapshot = openSnapshot(goldenPath(base));
  snapshots.push(snapshot);
  return {
    path: snapshot.path,
    length: snapshot.streamLength('disk'),
    readInto: (offset, target) => snapshot.readInto('disk', offset, target),
    identity: () => baseIdentity(snapshot),
  };
}

/** A copy of the two files of an overlay; answers the path of the data. */
function copyOf(golden: GoldenOverlay): string {
  const directory = join(newDirectory(), 'overlay');
  mkdirSync(directory);
  for (const file of [golden.data, golden.meta]) {
    copyFileSync(goldenPath(file), join(directory, basename(file)));
  }
  return join(directory, basename(golden.data));
}

const hashesIn = (directory: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory).map((name) => [name, sha256(readFileSync(join(directory, name)))]),
  );

function expectGoldenContents(overlay: Overlay, golden: GoldenOverlay): void {
  const { applied_disk: applied, reference_merged_disk: merged } = golden;
  const contents = contentsOf(overlay);
  expect([overlay.length, contents.length]).toEqual([merged.size, merged.size]);
  expect(sha256(contents.subarray(0, applied.size))).toBe(applied.sha256);
  expect(contents.subarray(applied.size).every((byte) => byte === 0)).toBe(true);
}

describe.each(goldenOverlays.map((golden) => [golden.id, golden] as const))('%s', (_id, golden) => {
  test('read only: has the size and the contents that it must, and stays as it is', async () => {
    const path = copyOf(golden);
    const directory = join(path, '..');
    const before = hashesIn(directory);
    const overlay = Overlay.open({ path, base: baseOf(golden), access: 'read' });
    expect(overlay.warnings).toEqual([]);
    expectGoldenContents(overlay, golden);
    expect(overlay.dirtyPageCount).toBe(golden.meta_blocks.length);
    for (const pageIndex of golden.meta_blocks) expect(overlay.isDirty(pageIndex)).toBe(true);
    await overlay.close();
    expect(hashesIn(directory)).toEqual(before);
  });

  test('written, closed and opened again', async () => {
    const path = copyOf(golden);
    const base = baseOf(golden);
    const first = Overlay.open({ path, base, access: 'write' });
    expectGoldenContents(first, golden);
    const expected = Buffer.from(contentsOf(first));
    for (const [offset, length] of [
      [10, 20],
      [4090, 5000],
      [golden.applied_disk.size - 30, 30],
    ] as const) {
      const bytes = markedBytes(length, offset);
      first.write(offset, bytes);
      bytes.copy(expected, offset);
    }
    await first.close();
    const second = Overlay.open({ path, base, access: 'write' });
    expect(second.warnings).toEqual([]);
    expectSameBytes(contentsOf(second), expected);
    await second.close();
  });
});
