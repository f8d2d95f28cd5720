import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ActivityRecorder } from '../../../src/engine/activity/recorder.js';
import { ActivitySampler } from '../../../src/engine/activity/sampler.js';
import { createSharedActivity } from '../../../src/engine/activity/shared.js';
import type { Callable } from '../../../src/engine/control/calls.js';
import type { EngineCommands } from '../../../src/engine/control/commands.js';
import type { Connection } from '../../../src/engine/control/connection.js';
import type { Jobs } from '../../../src/engine/control/jobs.js';
import { ReviewKeeper } from '../../../src/engine/control/reviewKeeper.js';
import { Watchers } from '../../../src/engine/control/watchers.js';
import type { Extent } from '../../../src/engine/overlay/dirtyPages.js';
import { SharedDirtySet } from '../../../src/engine/overlay/sharedOverlay.js';
import { MemoryBase } from '../../support/overlay/memoryBase.js';
import { overlayOpener } from '../../support/overlay/openOverlays.js';
import { temporaryDirectories } from '../../support/temporary.js';

const PAGE = 4096;
const newDirectory = temporaryDirectories();
const openOverlay = overlayOpener();

test('a page that is written before changes are held is not dropped', async () => {
  const overlay = openOverlay(
    join(newDirectory(), 'disk.overlay'),
    new MemoryBase(Buffer.alloc(8 * PAGE)),
  );
  const activity = createSharedActivity({
    disk: { length: 8 * PAGE, blockBytes: PAGE, canGrow: true },
  });
  const recorder = new ActivityRecorder(activity);
  const write = (pageIndex: number): void => {
    overlay.write(pageIndex * PAGE, Buffer.alloc(PAGE, 1));
    recorder.end(recorder.begin(), 'write', 'disk', pageIndex * PAGE, PAGE, 1, false);
  };
  write(1);
  write(3);
  const sampler = new ActivitySampler(activity);
  const dirtySet = new SharedDirtySet(overlay.share());
  const place = {
    overlayPath: overlay.path,
    baseIdentity: overlay.baseIdentity,
    isWritable: true,
  };
  const keeper = new ReviewKeeper(dirtySet, sampler, place, 'start');
  const calls: string[] = [];
  let dropped: readonly Extent[] = [];
  const engine = {
    async hold() {
      calls.push('hold');
      // The mount was answering this one.
      write(1);
      return 7;
    },
    async drop(runs: readonly Extent[]) {
      calls.push('drop');
      dropped = runs;
      return 1;
    },
    async release(number: number) {
      calls.push(`release ${number}`);
    },
  } as Partial<Callable<EngineCommands>> as Callable<EngineCommands>;
  try {
    const watchers = new Watchers(engine, {} as Jobs, sampler, { dirtySet, baseLength: 0 }, keeper);
    const output = { items() {}, progress() {} };
    const ask = (method: string, params: object) =>
      watchers.run(method, params, output, {} as Connection).result;
    await ask('decide', { change: { action: 'drop' } });
    await ask('drop', {});
    expect(dropped).toEqual([{ pageIndex: 3, pageCount: 1 }]);
    expect(calls).toEqual(['hold', 'drop', 'release 7']);
  } finally {
    await keeper.close();
  }
});
