import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { createSharedActivity } from '../../../src/engine/activity/shared.js';
import type { EngineCommands } from '../../../src/engine/control/commands.js';
import { startControlServer } from '../../../src/engine/control/server.js';
import { engines } from '../../support/engines.js';
import { builtRecipe } from '../../support/recipes.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { until, within } from '../../support/until.js';

const all = engines();
const newDirectory = temporaryDirectories();

/** Threads of this process that answer watchers: no others have their niceness. */
const controlThreads = (): number =>
  readdirSync('/proc/self/task').filter((id) => {
    const stat = readFileSync(`/proc/self/task/${id}/stat`, 'utf8');
    const [, ...fields] = stat.slice(stat.lastIndexOf(')')).split(' ');
    return fields[16] === '5';
  }).length;

function start(socketPath: string) {
  const setting = {
    socketPath,
    job: {
      snapshot: '/no.hxz',
      overlay: undefined,
      passwords: [],
      parentDirectories: [],
      cacheBytes: undefined,
      activity: createSharedActivity({ disk: { length: 4096, blockBytes: 4096, canGrow: false } }),
    },
    review: undefined,
    baseLength: 0,
    isSuccessor: false,
  };
  return startControlServer(setting, {} as EngineCommands);
}

test('where nobody can listen no thread is left', async () => {
  const directory = newDirectory();
  const listening = await start(join(directory, 'socket'));
  expect(controlThreads()).toBe(1);
  await listening.close();
  await until('its end', () => controlThreads() === 0);

  const refused = start(join(directory, 'missing', 'socket'));
  await expect(within('an answer', refused)).rejects.toMatchObject({ code: 'REGISTRY_UNUSABLE' });
  await until('its end', () => controlThreads() === 0);
});

test('an engine whose thread for watchers ends at once is not waited for', async () => {
  const { snapshot } = await builtRecipe('repeated');
  const code = `
    import { isMainThread, workerData } from 'node:worker_threads';
    if (!isMainThread && workerData?.socketPath !== undefined) process.exit(0);
  `;
  vi.stubEnv('NODE_OPTIONS', `--import=data:text/javascript,${encodeURIComponent(code)}`);
  await expect(all.start({ snapshot })).rejects.toMatchObject({ code: 'REGISTRY_UNUSABLE' });
});
