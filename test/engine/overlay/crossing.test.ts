import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withLength, withWrite } from '../../support/overlay/diskHistory.js';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import { readRange } from '../../support/overlay/openOverlays.js';
import { ReferenceOverlay } from '../../support/overlay/referenceOverlay.js';
import { SimulatedStage } from '../../support/overlay/stages.js';
import { OVERLAY_PATH, runs, Session, type Step, stepsOn } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';

/** Does steps as the Rust hexz would; answers what hexz must find afterwards. */
function byReference(
  stage: SimulatedStage,
  base: MemoryBase,
  before: Buffer,
  steps: readonly Step[],
): Buffer {
  const overlay = new ReferenceOverlay(stage.files, OVERLAY_PATH, '/disk.meta', base.bytes);
  // It takes the last page for whole, and shows the rest of it as zeros.
  let contents = withLength(before, overlay.length);
  expect(contents.length - before.length).toBeLessThan(4096);
  expectSameBytes(overlay.contents(), contents);
  const trace = overlay.trace;
  let seed = 5000;
  for (const step of steps) {
    if (step.kind === 'write') {
      const bytes = markedBytes(step.length, seed++);
      overlay.write(step.offset, bytes);
      contents = withWrite(contents, bytes, step.offset);
    } else if (step.kind === 'truncate' && step.length > overlay.length) {
      overlay.truncate(step.length);
    }
    contents = withLength(contents, overlay.length);
  }
  const isTraceless = overlay.trace === trace;
  overlay.close();
  const hasGrown = contents.subarray(before.length).some((byte) => byte !== 0);
  return isTraceless && !hasGrown ? contents.subarray(0, before.length) : contents;
}

describe.each([0, 1, 150, 4096, 10_000])('over a base of %i bytes', (length) => {
  const base = new MemoryBase(markedBytes(length, 0));

  test('hexz and the Rust hexz continue what the other began', async () => {
    const weights = { write: 6, truncate: 1, drop: 2 };
    const turns = fc.array(stepsOn(length, length + 12_000, weights, 5), {
      minLength: 2,
      maxLength: 6,
      size: 'max',
    });
    await fc.assert(
      fc.asyncProperty(turns, fc.boolean(), async (list, beginsHere) => {
        const stage = new SimulatedStage();
        let contents: Buffer = base.bytes;
        let isHere = beginsHere;
        for (const steps of list) {
          if (isHere) {
            const session = new Session(stage, base);
            expectSameBytes(contents, session.takeOver());
            // A disk that is shorter than its base is nothing that the Rust hexz knows.
            await session.run(
              steps.filter((step) => step.kind !== 'truncate' || step.length >= length),
            );
            await session.close();
            contents = session.history.contents;
          } else {
            contents = byReference(stage, base, contents, steps);
          }
          isHere = !isHere;
        }
      }),
      runs(80, length),
    );
  });
});

test('what the Rust hexz writes between the end of the disk and that of its page is not lost', async () => {
  const base = new MemoryBase(markedBytes(150, 0));
  const stage = new SimulatedStage();
  const first = new Session(stage, base);
  first.overlay.write(5000, markedBytes(10, 1));
  await first.overlay.close();
  const reference = new ReferenceOverlay(stage.files, OVERLAY_PATH, '/disk.meta', base.bytes);
  reference.write(6000, markedBytes(10, 2));
  reference.close();
  const again = new Session(stage, base);
  expectSameBytes(readRange(again.overlay, 6000, 10), markedBytes(10, 2));
});
