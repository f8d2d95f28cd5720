import fc from 'fast-check';
import { describe, test } from 'vitest';
import { crashWeights, lookAt, runSteps } from '../../support/overlay/crashes.js';
import { MemoryBase, markedBytes, randomFrom } from '../../support/overlay/memoryBase.js';
import { SimulatedStage } from '../../support/overlay/stages.js';
import { contentsOf, runs, Session, stepsOn } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';

// Ends a run at every change of its files, and in the middle of every write, and goes on from there.
describe.each([0, 1, 150, 4096, 10_000])('over a base of %i bytes', (length) => {
  const base = new MemoryBase(markedBytes(length, 0));
  const reach = length + 12_000;

  test('an overlay whose writer is killed holds everything that was answered', async () => {
    const steps = stepsOn(length, reach, crashWeights, 25);
    const later = stepsOn(length, reach, { write: 3, truncate: 1, sync: 1, reopen: 1 }, 3);
    await fc.assert(
      fc.asyncProperty(steps, later, fc.nat(), async (list, laterList, seed) => {
        const random = randomFrom(seed);
        const { session, stage } = await runSteps(base, list);
        const { files } = stage;
        for (let moment = 0; moment <= files.journal.length; moment++) {
          for (const part of [0, random()]) {
            const killed = files.killedAfter(moment, part);
            const view = await lookAt(killed, base, 'first');
            const next = new Session(new SimulatedStage(killed), base, { seed: 1000 });
            const found = contentsOf(next.overlay);
            session.history.expectAfterKill(found, part === 0 ? moment : moment + 0.5);
            if (view !== undefined) expectSameBytes(view, found);
            await next.goOn(laterList);
          }
        }
      }),
      runs(20, length),
    );
  });
});
