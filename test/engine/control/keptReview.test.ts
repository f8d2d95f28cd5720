import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ControlClient } from '../../../src/engine/control/client.js';
import { identifyProcess } from '../../../src/engine/process/processes.js';
import { findEngine } from '../../../src/engine/process/start.js';
import { breakControlThread } from '../../support/breakControlThread.js';
import { stateOf } from '../../support/directory.js';
import { engines } from '../../support/engines.js';
import { builtRecipe } from '../../support/recipes.js';
import { requires } from '../../support/requires.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { until, within } from '../../support/until.js';

const all = engines();
const newDirectory = temporaryDirectories();
const hunksOf = async (client: ControlClient) => (await client.request('review', {})).hunks;

/** Where the log says that an overlay was kept. */
const keptOverlay = (): string => {
  const log = readFileSync(join(all.hexz.sandbox.environment.XDG_RUNTIME_DIR, 'hexz.log'), 'utf8');
  return /the overlay is kept: (.+)\n/.exec(log)?.[1] ?? '';
};

/** Writes a byte into a page, and drops it in the review. */
async function dropPage(client: ControlClient, pageIndex: number): Promise<void> {
  const bytes = Buffer.from('x').toString('base64');
  await client.request('write', { offset: pageIndex * 4096, bytes });
  await client.request('decide', { change: { action: 'drop' } });
}

const ended = (client: ControlClient): Promise<void> =>
  until('the end of the engine', () => identifyProcess(client.pid) === undefined);

async function end(client: ControlClient): Promise<void> {
  await client.request('shutdown', {});
  await ended(client);
}

describe('what was dropped in an earlier session', () => {
  test.each([
    ['one-byte', 'whose disk ends within a page'],
    ['repeated', 'whose disk is whole pages'],
  ])('of %s, %s, can be dropped from the overlay', async (recipe) => {
    const { snapshot } = await builtRecipe(recipe);
    const options = { snapshot, rw: true, overlay: join(newDirectory(), 'disk.overlay') };
    const { client: first } = await all.leased(options);
    await dropPage(first, 0);
    await end(first);

    // One that only looks changes nothing about that, though it opens and closes the files.
    await end((await all.leased(options)).client);

    const { client } = await all.leased(options);
    expect(await hunksOf(client)).toEqual([
      { pageIndex: 0, pageCount: 1, decision: 'drop', isViewed: false, hasChangedSince: false },
    ]);
    expect(await client.request('drop', {})).toEqual({ droppedPages: 1 });
  });

  test('can not where another program has written since', async () => {
    const { snapshot } = await builtRecipe('one-byte');
    const overlay = join(newDirectory(), 'disk.overlay');
    const options = { snapshot, rw: true, overlay };
    const { client: first } = await all.leased(options);
    await dropPage(first, 0);
    await end(first);
    const { size } = statSync(overlay);
    spawnSync('dd', [`of=${overlay}`, 'bs=1', 'conv=notrunc'], { input: 'y' });
    expect(statSync(overlay).size).toBe(size);

    const { client } = await all.leased(options);
    expect(await hunksOf(client)).toMatchObject([{ decision: 'drop', hasChangedSince: true }]);
    expect(await client.request('drop', {})).toEqual({ droppedPages: 0 });
  });
});

describe('the review of a temporary overlay that is kept', () => {
  const dropped = [{ pageIndex: 0, decision: 'drop', hasChangedSince: false }];

  test.each(['repeated', 'one-byte'])(
    'because the session ends so, comes along: %s',
    async (recipe) => {
      const { snapshot } = await builtRecipe(recipe);
      const { client } = await all.leased({ snapshot, rw: true });
      await dropPage(client, 0);
      const { keptOverlay: overlay } = await client.request('shutdown', { keepsOverlay: true });
      await ended(client);
      expect(keptOverlay()).toBe(overlay);

      const next = await all.leased({ snapshot, rw: true, overlay: String(overlay) });
      expect(await hunksOf(next.client)).toMatchObject(dropped);
    },
  );

  test('because nobody sees its engine any more, comes along, and the log says where it lies', async () => {
    const { snapshot } = await builtRecipe('repeated');
    const { client } = await all.leased({ snapshot, rw: true }, 'terminal');
    await dropPage(client, 0);
    await client.close();
    await ended(client);

    const next = await all.leased({ snapshot, rw: true, overlay: keptOverlay() });
    expect(await hunksOf(next.client)).toMatchObject(dropped);
  });

  test('goes with an overlay that is not', async () => {
    const { snapshot } = await builtRecipe('repeated');
    const { client } = await all.leased({ snapshot, rw: true });
    await dropPage(client, 0);
    await end(client);
    expect(all.hexz.sandbox.temporaryFiles()).toEqual([]);
  });
});

describe('a session that opens the overlay for reading', () => {
  async function droppedBefore(recipe: string) {
    const { snapshot } = await builtRecipe(recipe);
    const overlay = join(newDirectory(), 'disk.overlay');
    const { client } = await all.leased({ snapshot, rw: true, overlay });
    await dropPage(client, 0);
    await end(client);
    return { snapshot, overlay };
  }

  test.each(['repeated', 'one-byte'])('sees what was decided before: %s', async (recipe) => {
    const { client } = await all.leased(await droppedBefore(recipe));
    expect(await hunksOf(client)).toMatchObject([{ decision: 'drop', hasChangedSince: false }]);
    expect(await client.request('state', {})).toMatchObject({ warnings: [] });
  });

  test('changes nothing of that, though it may decide for itself, and says so', async () => {
    const options = await droppedBefore('repeated');
    const before = stateOf(dirname(options.overlay));
    const { client } = await all.leased(options);
    const counts = await client.request('decide', { change: { action: 'keep' } });
    expect(counts).toMatchObject({ keep: 1, unsaved: expect.stringContaining('for reading') });
    expect(await client.request('state', {})).toMatchObject({ warnings: [counts.unsaved] });
    expect(await hunksOf(client)).toMatchObject([{ decision: 'keep' }]);
    await end(client);
    expect(stateOf(dirname(options.overlay))).toEqual(before);
  });

  test('leaves a review alone that it cannot use', async () => {
    const options = await droppedBefore('repeated');
    writeFileSync(`${options.overlay}.hexz-review.json`, '{');
    const before = stateOf(dirname(options.overlay));
    const { client } = await all.leased(options);
    expect(await client.request('state', {})).toMatchObject({
      warnings: [expect.stringContaining('cannot be read')],
    });
    await end(client);
    expect(stateOf(dirname(options.overlay))).toEqual(before);
  });

  test('has nothing decided where no other has', async () => {
    const { snapshot } = await builtRecipe('repeated');
    const overlay = join(newDirectory(), 'disk.overlay');
    writeFileSync(overlay, Buffer.alloc(4096, 1));
    // As the Rust hexz leaves it: without a side file.
    writeFileSync(overlay.replace('.overlay', '.meta'), Buffer.alloc(8));
    const { client } = await all.leased({ snapshot, overlay });
    expect(await hunksOf(client)).toMatchObject([{ pageIndex: 0, decision: 'open' }]);
    expect(await client.request('state', {})).toMatchObject({ warnings: [] });
  });
});

describe.runIf(requires('FUSE'))('when the thread that answers watchers meets a bug', () => {
  test.each(['a temporary overlay', 'an overlay that stays'])(
    'the review of %s is there for the next one',
    async (kind) => {
      const { snapshot } = await builtRecipe('repeated');
      const overlay = join(newDirectory(), 'disk.overlay');
      const isTemporary = kind === 'a temporary overlay';
      const trigger = all.hexz.sandbox.path('trigger');
      const { mountpoint } = await all.hexz.daemon(
        snapshot,
        isTemporary ? ['--rw'] : ['--rw', '--overlay', overlay],
        { env: { NODE_OPTIONS: breakControlThread(trigger) } },
      );
      const client = await all.connect(findEngine(mountpoint));
      await dropPage(client, 0);
      const { overlay: state } = await client.request('state', {});
      await until('it is saved', () => existsSync(`${state?.path}.hexz-review.json`));
      writeFileSync(trigger, '');
      await within('the end of the connection', client.closed);
      const next = await connected(mountpoint);
      expect(await hunksOf(next)).toMatchObject([
        { pageIndex: 0, decision: 'drop', hasChangedSince: false },
      ]);

      // What is written from now on is noticed.
      await next.request('write', { offset: 0, bytes: 'eHl6' });
      expect(await hunksOf(next)).toMatchObject([{ hasChangedSince: true }]);
    },
  );

  /** To the thread that comes after. */
  async function connected(mountpoint: string): Promise<ControlClient> {
    let client: ControlClient | undefined;
    await until('another thread', async () => {
      try {
        client = await all.connect(findEngine(mountpoint));
      } catch {
        return false;
      }
      return true;
    });
    return client as ControlClient;
  }
});
