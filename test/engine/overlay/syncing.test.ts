import { describe, expect, test } from 'vitest';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { HexzError } from '../../../src/index.js';
import { errorOf } from '../../support/errors.js';
import { MemoryBase, markedBytes, randomFrom } from '../../support/overlay/memoryBase.js';
import { SimulatedFiles } from '../../support/overlay/simulatedFiles.js';
import { contentsOf, OVERLAY_PATH } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';

const base = new MemoryBase(markedBytes(20_000, 0));

const openIn = (files: SimulatedFiles, bootId = 'first'): Overlay =>
  Overlay.open({ path: OVERLAY_PATH, base, access: 'write' }, { files, bootId });

/** What is found after a power cut now, in many ways. */
function* afterPowerCuts(files: SimulatedFiles): Generator<Buffer> {
  const random = randomFrom(1);
  for (let cut = 0; cut < 50; cut++) {
    const left = files.powerCutAfter(files.journal.length, random);
    yield contentsOf(openIn(left, 'second'));
  }
}

const immediate = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('several syncs at once', () => {
  test('keep what each of them promised', async () => {
    const files = new SimulatedFiles();
    const overlay = openIn(files);
    const expected = Buffer.from(base.bytes);
    const promised: Promise<void>[] = [];
    for (let page = 0; page < 5; page++) {
      const bytes = markedBytes(1000, page + 1);
      overlay.write(page * 4096, bytes);
      const soFar = Buffer.from(expected);
      bytes.copy(expected, page * 4096);
      const wanted = Buffer.from(expected);
      promised.push(
        overlay.sync().then(() => {
          for (const found of afterPowerCuts(files)) {
            expectSameBytes(
              found.subarray(0, page * 4096 + 1000),
              wanted.subarray(0, page * 4096 + 1000),
            );
          }
        }),
      );
      expect(soFar.equals(wanted)).toBe(false);
      await immediate();
    }
    await Promise.all(promised);
  });

  test('all resolve where nothing changed', async () => {
    const overlay = openIn(new SimulatedFiles());
    await Promise.all(Array.from({ length: 20 }, () => overlay.sync()));
  });
});

describe('while a sync is under way', () => {
  test.each([0, 1, 2, 3])('a truncation after %i steps of it is kept', async (steps) => {
    const files = new SimulatedFiles();
    const overlay = openIn(files);
    overlay.write(0, markedBytes(20_000, 1));
    overlay.write(30_000, markedBytes(5000, 2));
    const sync = overlay.sync();
    for (let step = 0; step < steps; step++) await immediate();
    overlay.truncate(10_001);
    for (const found of afterPowerCuts(files)) expect(found).toHaveLength(10_001);
    await sync;
    for (const found of afterPowerCuts(files)) {
      expectSameBytes(found, markedBytes(20_000, 1).subarray(0, 10_001));
    }
    overlay.truncate(40_000);
    await overlay.close();
    const expected = Buffer.alloc(40_000);
    markedBytes(20_000, 1).copy(expected, 0, 0, 10_001);
    expectSameBytes(contentsOf(openIn(files)), expected);
  });

  test.each([0, 1, 2, 3])('writes after %i steps of it belong to the next one', async (steps) => {
    const files = new SimulatedFiles();
    const overlay = openIn(files);
    overlay.write(0, markedBytes(100, 1));
    const sync = overlay.sync();
    for (let step = 0; step < steps; step++) await immediate();
    overlay.write(50_000, markedBytes(100, 2));
    await sync;
    const next = overlay.sync();
    await next;
    for (const found of afterPowerCuts(files)) {
      expectSameBytes(found.subarray(0, 100), markedBytes(100, 1));
      expectSameBytes(found.subarray(50_000), markedBytes(100, 2));
    }
  });

  test('close waits for it', async () => {
    const files = new SimulatedFiles();
    const overlay = openIn(files);
    overlay.write(0, markedBytes(100, 1));
    const syncs = [overlay.sync(), overlay.sync()];
    await overlay.close();
    await Promise.all(syncs);
    expect(files.openCount).toBe(0);
    for (const found of afterPowerCuts(files)) {
      expectSameBytes(found.subarray(0, 100), markedBytes(100, 1));
    }
  });

  test('remove waits for it, and leaves nothing', async () => {
    const files = new SimulatedFiles();
    const overlay = openIn(files);
    overlay.write(0, markedBytes(100, 1));
    const sync = overlay.sync();
    await overlay.remove();
    await sync;
    expect([files.openCount, files.paths]).toEqual([0, []]);
  });
});

describe('a sync that fails', () => {
  const outcome = (sync: Promise<void>): Promise<unknown> =>
    sync.then(
      () => 'done',
      (error: unknown) => error,
    );

  test.each([
    ['data', 0],
    ['list', 1],
    ['side file', 2],
  ])('at the %s rejects with what is wrong', async (_name, after) => {
    const files = new SimulatedFiles();
    const overlay = openIn(files);
    overlay.write(0, markedBytes(100, 1));
    files.failNext({ operations: ['sync'], after, code: 'EIO' });
    const error = await outcome(overlay.sync());
    expect(error).toBeInstanceOf(HexzError);
    expect(error).toMatchObject({ code: 'OVERLAY_UNUSABLE', exitStatus: 8 });
    // The system forgets pages that it could not write: no later sync may promise them.
    if (after < 2) {
      expect(await outcome(overlay.sync())).toMatchObject({ code: 'OVERLAY_UNUSABLE' });
      expect(errorOf(() => overlay.write(0, Buffer.from('x'))).code).toBe('OVERLAY_UNUSABLE');
      expect(errorOf(() => overlay.truncate(5)).code).toBe('OVERLAY_UNUSABLE');
    }
    expectSameBytes(contentsOf(overlay).subarray(0, 100), markedBytes(100, 1));
    await outcome(overlay.close());
    expect(files.openCount).toBe(0);
  });

  test('fails those that wait behind it', async () => {
    const files = new SimulatedFiles();
    const overlay = openIn(files);
    overlay.write(0, markedBytes(100, 1));
    files.failNext({ operations: ['sync'], after: 0, code: 'ENOSPC' });
    const outcomes = await Promise.all([1, 2, 3].map(() => outcome(overlay.sync())));
    for (const error of outcomes) expect(error).toMatchObject({ code: 'NO_SPACE' });
  });
});
