import fc from 'fast-check';
import { describe, test } from 'vitest';
import { crashWeights, lookAt, runSteps } from '../../support/overlay/crashes.js';
import { MemoryBase, markedBytes, randomFrom } from '../../support/overlay/memoryBase.js';
import type { Random } from '../../support/overlay/simulatedFiles.js';
import { SimulatedStage } from '../../support/overlay/stages.js';
import { contentsOf, runs, Session, stepsOn } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';

const laterSteps = (length: number, reach: number) =>
  stepsOn(length, reach, { write: 3, truncate: 1, sync: 1, reopen: 1, kill: 1 }, 3);

/** Cuts the power at a moment of a run; the overlay must open, and say the same to who only looks. */
async function cutAndOpen(
  run: { readonly session: Session; readonly stage: SimulatedStage },
  moment: number,
  random: Random,
  bootId: string,
): Promise<{ session: Session; stage: SimulatedStage; found: Buffer }> {
  const { base, history } = run.session;
  const files = run.stage.files.powerCutAfter(moment, random);
  const view = await lookAt(files, base, bootId);
  const stage = new SimulatedStage(files);
  const session = new Session(stage, base, { bootId, seed: 1000 * bootId.length });
  const found = contentsOf(session.overlay);
  history.expectAfterPowerCut(found, moment);
  if (view !== undefined) expectSameBytes(view, found);
  return { session, stage, found };
}

// Cuts the power at every change of the files, loses what no sync covers at random, and goes on from there;
// now and then the power fails once more.
describe.each([0, 1, 150, 4096, 10_000])('over a base of %i bytes', (length) => {
  const base = new MemoryBase(markedBytes(length, 0));
  const reach = length + 12_000;

  test('an overlay after a power cut holds what was confirmed and nothing invented', async () => {
    const steps = stepsOn(length, reach, crashWeights, 25);
    await fc.assert(
      fc.asyncProperty(steps, laterSteps(length, reach), fc.nat(), async (list, later, seed) => {
        const random = randomFrom(seed);
        const run = await runSteps(base, list);
        const moments = run.stage.files.journal.length;
        for (let moment = 0; moment <= moments; moment++) {
          for (let cut = 0; cut < 3; cut++) {
            const next = await cutAndOpen(run, moment, random, 'after');
            await next.session.goOn(later);
            const laterMoment = Math.floor(random() * (next.stage.files.journal.length + 1));
            const last = await cutAndOpen(next, laterMoment, random, 'afterwards');
            await last.session.goOn([]);
          }
        }
      }),
      runs(12, length),
    );
  });
});
