import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { bundledLz4Encoder } from '../../../src/engine/codec/lz4Encoder.js';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { Selection } from '../../../src/engine/overlay/selection.js';
import { baseDiskOf } from '../../../src/engine/volume/volume.js';
import { commitFrozen } from '../../../src/engine/write/commit.js';
import type { CommitOutputOptions } from '../../../src/engine/write/commitOutput.js';
import { type CommitPlan, planCommit } from '../../../src/engine/write/commitPlan.js';
import { pack } from '../../../src/engine/write/pack.js';
import { openSnapshot, type Snapshot } from '../../../src/index.js';
import { codeOf } from '../../support/errors.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const PAGE = 4096;
const newDirectory = temporaryDirectories();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function scene(changeDisk: (overlay: Overlay) => void) {
  const directory = newDirectory();
  const [disk, memory] = [join(directory, 'disk'), join(directory, 'memory')];
  const path = join(directory, 'base.hxz');
  const text = Buffer.from('some text, '.repeat(40_000));
  writeFileSync(disk, Buffer.concat([someBytes(1_000_000), Buffer.alloc(1_000_000), text]));
  writeFileSync(memory, someBytes(300_000));
  await pack({ disk, memory, output: path, workerCount: 0 });
  const base = openSnapshot(path);
  const options = { path: join(directory, 'changes.overlay'), base: baseDiskOf(base) };
  const overlay = Overlay.open({ ...options, access: 'write' });
  ends.push(
    () => base.close(),
    () => overlay.close(),
  );
  changeDisk(overlay);
  return { base, overlay, output: join(directory, 'out.hxz') };
}

function plan(
  base: Snapshot,
  overlay: Overlay,
  options: Omit<CommitOutputOptions, 'output' | 'memory'>,
): CommitPlan {
  const steps = planCommit(base, overlay, options, bundledLz4Encoder());
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    expect(step.value.doneBytes).toBeLessThanOrEqual(step.value.totalBytes);
  }
}

const changed = (overlay: Overlay): void => {
  overlay.write(10_000, someBytes(100_000));
  overlay.write(1_300_000, someBytes(5));
  overlay.write(2_900_000, someBytes(70_000));
};
/** A MiB of lines, no block of them like another. */
const someText = (seed: number): Buffer =>
  Buffer.from(
    Array.from(
      { length: 26_215 },
      (_, line) => `line ${`${(line + seed) * 7919}`.padStart(34, ' ')}`,
    )
      .map((line) => line.slice(0, 39))
      .join('\n'),
  ).subarray(0, 1024 * 1024);

const cut = (overlay: Overlay): void => {
  overlay.truncate(1_500_000);
  overlay.truncate(2_000_000);
  overlay.write(400_000, someBytes(100_000));
};

test.each<[string, Partial<CommitOutputOptions>, (overlay: Overlay) => void]>([
  ['thick', {}, changed],
  ['thick, without memory', { dropsMemory: true }, changed],
  ['thick, in small blocks', { blockBytes: PAGE }, changed],
  ['thin', { thin: true }, changed],
  ['thin, in odd blocks', { thin: true, blockBytes: 5000 }, changed],
  ['with another compression', { compression: 'zstd' }, changed],
  ['thick, of a disk that was cut', {}, cut],
  ['thin, of a disk that was cut', { thin: true }, cut],
  ['a part', { selection: Selection.parse('2-4\n0x140000+5000', 'selection') }, changed],
])('a plan foretells what a commit makes: %s', async (_name, options, changeDisk) => {
  const { base, overlay, output } = await scene(changeDisk);
  const planned = plan(base, overlay, options);
  const report = await commitFrozen(base, overlay, { output, workerCount: 0, ...options });
  expect(planned.committedPages).toBe(report.committedPages);
  expect(Object.keys(planned.streams)).toEqual(Object.keys(report.streams));
  for (const [stream, counts] of Object.entries(report.streams)) {
    const expected = planned.streams[stream as 'disk' | 'memory'];
    expect(expected).toMatchObject({
      length: counts.length,
      parentBlocks: counts.parentBlocks,
    });
    const plannedBlocks = expected?.encodedBlocks ?? 0;
    const copied = expected?.copiedBlocks ?? 0;
    expect(plannedBlocks + copied + (expected?.zeroBlocks ?? 0)).toBe(
      counts.encodedBlocks + counts.copiedBlocks + counts.sharedBlocks + counts.zeroBlocks,
    );
    // What turns out to be zero or known already makes it smaller only.
    expect(counts.encodedBlocks).toBeLessThanOrEqual(plannedBlocks);
    expect(counts.copiedBlocks).toBeLessThanOrEqual(copied);
    expect(counts.zeroBlocks).toBeGreaterThanOrEqual(expected?.zeroBlocks ?? 0);
    expect(counts.storedBytes).toBeLessThanOrEqual(expected?.maximumStoredBytes ?? 0);
    if (counts.storedBytes > 0) {
      const ratio = (expected?.estimatedStoredBytes ?? 0) / counts.storedBytes;
      expect(ratio).toBeGreaterThan(0.5);
      expect(ratio).toBeLessThan(3);
    }
  }
});

test('a plan of much text says about what it takes when encoded, not its full size', async () => {
  const { base, overlay, output } = await scene((each) => {
    for (let page = 0; page < 240; page++)
      each.write(page * PAGE, Buffer.from('word '.repeat(800)));
    each.truncate(40 * 1024 * 1024);
    for (let at = 4; at < 40; at += 2) each.write(at * 1024 * 1024, someText(at));
  });
  const { disk } = plan(base, overlay, { dropsMemory: true }).streams;
  const { streams } = await commitFrozen(base, overlay, { output, dropsMemory: true });
  const storedBytes = streams.disk?.storedBytes ?? 0;
  expect((disk?.estimatedStoredBytes ?? 0) / storedBytes).toBeGreaterThan(0.7);
  expect((disk?.estimatedStoredBytes ?? 0) / storedBytes).toBeLessThan(1.4);
  expect(disk?.maximumStoredBytes).toBeGreaterThan(3 * storedBytes);
  expect(disk?.sampledBlocks).toBeGreaterThan(0);
  expect(disk?.sampledBlocks).toBeLessThan(disk?.encodedBlocks ?? 0);
});

test('a plan of a few blocks encodes all of them, and is right to the byte', async () => {
  const { base, overlay, output } = await scene(changed);
  const { disk } = plan(base, overlay, { dropsMemory: true }).streams;
  const report = await commitFrozen(base, overlay, {
    output,
    dropsMemory: true,
    workerCount: 0,
    encoders: 'bundled',
  });
  expect(disk?.sampledBlocks).toBe(disk?.encodedBlocks);
  expect(disk?.estimatedStoredBytes).toBe(report.streams.disk?.storedBytes);
});

test('a plan counts the pages and bytes of a selection, and what it leaves out', async () => {
  const { base, overlay } = await scene((each) => each.write(0, someBytes(10 * PAGE)));
  const selection = Selection.parse('0-1\n0x2000+100\n7', 'selection');
  expect(plan(base, overlay, { selection })).toMatchObject({
    committedPages: 4,
    committedBytes: 3 * PAGE + 100,
    remainingPages: 7,
  });
  expect(plan(base, overlay, {})).toMatchObject({
    committedPages: 10,
    committedBytes: 10 * PAGE,
    remainingPages: 0,
  });
});

test('a plan counts of the last page what the disk has of it', async () => {
  const { base, overlay } = await scene((each) => {
    each.truncate(10 * PAGE + 100);
    each.write(8 * PAGE, someBytes(2 * PAGE + 100));
  });
  const everything = { committedPages: 3, committedBytes: 2 * PAGE + 100, remainingPages: 0 };
  expect(plan(base, overlay, {})).toMatchObject(everything);
  const selection = Selection.parse('0-10', 'selection');
  expect(plan(base, overlay, { selection })).toMatchObject(everything);
});

test('a plan can be stopped while dirty pages are divided', async () => {
  const pageCount = 40_000;
  const { base, overlay } = await scene((each) => each.write(0, Buffer.alloc(pageCount * PAGE, 1)));
  const selection = Selection.parse('0-9', 'selection');
  const steps = [
    ...planCommit(base, overlay, { selection, dropsMemory: true }, bundledLz4Encoder()),
  ];
  expect(steps.filter(({ doneBytes, totalBytes }) => doneBytes === totalBytes).length).toBe(2);
});

test('a plan refuses what a commit refuses', async () => {
  const { base, overlay } = await scene((each) => each.write(0, someBytes(10)));
  const selection = Selection.parse('500', 'selection');
  expect(codeOf(() => plan(base, overlay, { selection }))).toBe('USAGE');
  expect(codeOf(() => plan(base, overlay, { blockBytes: 0 }))).toBe('USAGE');
});
