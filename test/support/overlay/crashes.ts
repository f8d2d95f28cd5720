import { Overlay } from '../../../src/engine/overlay/overlay.js';
import type { MemoryBase } from './memoryBase.js';
import type { SimulatedFiles } from './simulatedFiles.js';
import { SimulatedStage } from './stages.js';
import { contentsOf, OVERLAY_PATH, Session, type Step } from './steps.js';

/** Weights of the steps between which crashes are tried. */
export const crashWeights = {
  write: 14,
  restore: 2,
  compact: 1,
  drop: 2,
  truncate: 3,
  sync: 3,
  beginSync: 3,
  pause: 4,
  reopen: 1,
  kill: 1,
} as const;

/** What a look without writing shows; undefined where the files are not all there yet. */
export async function lookAt(
  files: SimulatedFiles,
  base: MemoryBase,
  bootId: string,
): Promise<Buffer | undefined> {
  if (files.paths.length < 3) return undefined;
  const changes = files.journal.length;
  const options = { path: OVERLAY_PATH, base, access: 'read' } as const;
  const overlay = Overlay.open(options, { files, bootId });
  const contents = contentsOf(overlay);
  await overlay.close();
  if (files.journal.length > changes) throw new Error('reading has changed files');
  return contents;
}

/** Runs steps in memory from nothing, and closes. */
export async function runSteps(
  base: MemoryBase,
  steps: readonly Step[],
): Promise<{ session: Session; stage: SimulatedStage }> {
  const stage = new SimulatedStage();
  const session = new Session(stage, base);
  await session.run(steps);
  await session.close();
  return { session, stage };
}
