import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import { SimulatedStage, SystemStage } from '../../support/overlay/stages.js';
import { runs, Session, stepsOn } from '../../support/overlay/steps.js';
import { temporaryDirectories } from '../../support/temporary.js';

const weights = {
  write: 30,
  restore: 5,
  compact: 2,
  drop: 2,
  read: 15,
  truncate: 4,
  sync: 2,
  beginSync: 2,
  pause: 2,
  reopen: 2,
  kill: 2,
};
const baseLengths = [0, 1, 150, 4095, 4096, 10_000, 70_000];

describe.each(baseLengths)('over a base of %i bytes, an overlay is like a plain file', (length) => {
  const newDirectory = temporaryDirectories();
  const stages: SystemStage[] = [];
  afterEach(() => {
    for (const stage of stages) stage.end();
  });
  const base = new MemoryBase(markedBytes(length, 0));

  test('in memory', async () => {
    const steps = stepsOn(length, length + 20_000, weights, 120);
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const stage = new SimulatedStage();
        const session = new Session(stage, base);
        await session.run([...list, { kind: 'reopen' }]);
        await session.close();
        expect(stage.files.openCount).toBe(0);
      }),
      runs(150, length),
    );
  });

  test('on files of this machine', async () => {
    const steps = stepsOn(length, length + 20_000, weights, 120);
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const stage = new SystemStage(newDirectory());
        stages.push(stage);
        const session = new Session(stage, base, { path: stage.path });
        await session.run([...list, { kind: 'reopen' }]);
        await session.close();
      }),
      runs(3, length),
    );
  });
});
