import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ControlClient } from '../../../../src/engine/control/client.js';
import type { EngineState } from '../../../../src/engine/control/protocol/engineState.js';
import { HexzError } from '../../../../src/engine/errors.js';
import { openSnapshot } from '../../../../src/index.js';
import { engines } from '../../../support/engines.js';
import { type BuiltRecipe, builtRecipe } from '../../../support/recipes.js';
import { type FakeMethods, fakeEngine, readingMethods } from '../../../support/repl/fakeEngine.js';
import { temporaryDirectories } from '../../../support/temporary.js';
import {
  type ChangesScreen,
  changesScreens,
  expectRowsForAnySize,
  noCounts,
  noTally,
  writeAt,
  writePages,
} from '../../../support/tui/changesScreen.js';
import { WatchItems } from '../../../support/tui/openScreen.js';

const all = engines();
const open = changesScreens();
const newDirectory = temporaryDirectories();
let repeated: BuiltRecipe;

beforeAll(async () => {
  repeated = await builtRecipe('repeated');
});

/** A review of some hunks of one page, and another watcher. */
async function reviewScreen(
  pages: readonly number[],
): Promise<{ client: ControlClient; other: ControlClient; screen: ChangesScreen }> {
  const { engine, client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
  await writePages(client, pages);
  const screen = await open(client, 'review');
  await screen.shows(`0 of ${pages.length} hunk`);
  // The sums are known before the rows.
  await screen.shows('▸[ ]');
  return { client, other: await all.connect(engine), screen };
}

/** Methods of an engine with one hunk, in which nothing happens. */
function quietMethods() {
  const watch = new WatchItems();
  const hunk = { pageIndex: 4, pageCount: 3, decision: 'open', isViewed: false } as const;
  return {
    ...readingMethods(),
    watch: () => ({ batches: watch.batches(), result: {} }),
    planCommit: () => ({ streams: {}, committedPages: 1, committedBytes: 1, remainingPages: 0 }),
    diff: () => noTally,
    review: () => ({
      hunks: [{ ...hunk, hasChangedSince: false }],
      nextPage: null,
      counts: { ...noCounts, hunks: 1, open: 1 },
    }),
  } satisfies FakeMethods;
}

const decisionsOf = async (client: ControlClient) =>
  (await client.request('review', {})).hunks.map(({ pageIndex, decision }) => [
    pageIndex,
    decision,
  ]);

describe('the review', () => {
  test('lists hunks, what differs in them, and what is decided', async () => {
    const { client, screen } = await reviewScreen([4, 20, 40]);
    await screen.shows(/▸\[ \] 0x0000_4000 +1 page +\d B differ/);
    screen.press('k', 'down', 'd', 'down', 'v');
    await screen.shows('2 of 3 hunks decided:  keep 1   drop 1   open 1   viewed 1');
    await screen.shows(/\[k\] 0x0000_4000/);
    await screen.shows(/\[d\] 0x0001_4000/);
    await screen.shows(/▸\[ \] 0x0002_8000 .* viewed/);
    expect(screen.text).toContain('Review 2/3');
    await writePages(client, [4], 'again');
    await screen.shows(/\[k\] 0x0000_4000 .* changed since/);
    screen.press('home', 'x');
    await screen.shows('1 of 3 hunks decided:  keep 0   drop 1   open 2');
    screen.press('u', 'u', 'u', 'u');
    await screen.shows('0 of 3 hunks decided');
    screen.press('U');
    await screen.shows('1 of 3 hunks decided');
  });

  test('tells in its title what was decided, before anybody has opened it', async () => {
    const { engine, client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    await writePages(client, [4, 20, 40]);
    const change = { action: 'drop', pages: { pageIndex: 20, pageCount: 1 } } as const;
    await client.request('decide', { change });
    const screen = await open(client, 'log');
    await screen.shows(' 5 Review 1/3 ');
    const other = await all.connect(engine);
    await other.request('decide', { change: { action: 'keepOpen' } });
    await screen.shows(' 5 Review 3/3 ');
  });

  test('follows what others decide', async () => {
    const { other, screen } = await reviewScreen([4, 20, 40]);
    await other.request('decide', {
      change: { action: 'drop', pages: { pageIndex: 20, pageCount: 1 } },
    });
    await screen.shows(/\[d\] 0x0001_4000/);
    await screen.shows('1 of 3 hunks decided:  keep 0   drop 1   open 2');
    screen.press('k');
    await screen.shows('2 of 3 hunks decided:  keep 1   drop 1   open 1');
  });

  test('reads again when somebody else was faster, and says that nothing was decided', async () => {
    const asked: unknown[] = [];
    let revision = 5;
    const client = fakeEngine({
      ...quietMethods(),
      review: () => ({
        hunks: [
          {
            pageIndex: 4,
            pageCount: 3,
            decision: revision === 5 ? 'open' : 'drop',
            isViewed: false,
            hasChangedSince: false,
          },
        ],
        nextPage: null,
        counts: { ...noCounts, hunks: 1, revision },
      }),
      decide: (params) => {
        asked.push(params);
        revision = 8;
        throw new HexzError('REVIEW_CHANGED', 'the review was changed since you looked at it');
      },
    });
    const screen = await open(client, 'review');
    await screen.shows(/▸\[ \] 0x0000_4000/);
    screen.press('k');
    await screen.shows('Nothing was decided: somebody else has changed the review.');
    await screen.shows(/▸\[d\] 0x0000_4000/);
    expect(asked).toEqual([
      { change: { action: 'keep', pages: { pageIndex: 4, pageCount: 3 } }, revision: 5 },
    ]);
  });

  test('splits at a page, and joins again', async () => {
    const { screen } = await reviewScreen([4]);
    const { client } = screen.screen.session;
    await writePages(client as ControlClient, [5, 6, 7]);
    await screen.shows(/▸\[ \] 0x0000_4000 +4 pages/);
    screen.press('s');
    await screen.shows('0x0000_6000');
    screen.press('enter');
    await screen.shows('0 of 2 hunks decided');
    await screen.shows(/▸\[ \] 0x0000_4000 +2 pages/);
    screen.press('s');
    screen.answer('100');
    await screen.shows('no hunk reaches over the beginning of page 100');
    screen.press('j');
    await screen.shows(/▸\[ \] 0x0000_4000 +4 pages/);
    screen.press('j');
    await screen.shows('nothing to join it with');
  });

  test('goes to what is open, and keeps all of it', async () => {
    const { client, screen } = await reviewScreen([4, 20, 40, 60]);
    screen.press('down', 'k', 'down', 'd');
    await screen.shows('2 of 4');
    screen.press('home');
    screen.press('n');
    await screen.shows(/▸\[ \] 0x0003_c000/);
    screen.press('n');
    await screen.shows('no open hunk behind this one');
    screen.press('N');
    await screen.shows(/▸\[ \] 0x0000_4000/);
    screen.press('a');
    await screen.shows('Keep all that is open: 2 hunks with 2 pages?');
    screen.press('escape', 'a', 'y');
    await screen.shows('4 of 4 hunks decided:  keep 3   drop 1   open 0');
    expect(await decisionsOf(client)).toEqual([
      [4, 'keep'],
      [20, 'keep'],
      [40, 'drop'],
      [60, 'keep'],
    ]);
    screen.press('/');
    screen.answer('drop');
    await screen.shows(/only drop[^▸]*▸\[d\] 0x0002_8000/);
    expect(screen.text).not.toContain('0x0000_4000');
    screen.press('escape');
    await screen.shows('0x0000_4000');
  });

  test('opens a hunk beside its base', async () => {
    const { client, screen } = await reviewScreen([4]);
    await writeAt(client, 6 * 4096, 'in zeros');
    await screen.shows('of 2 hunks');
    screen.press('down', 'enter');
    await screen.shows('in zeros');
    screen.press('k');
    await screen.shows(/0x0000_6000 {2}base │ overlay ─+ \[k\] 1 p/);
    screen.press('left');
    await screen.shows('0x0000_4000  base │ overlay');
  });

  test('commits what is not dropped, after it has said what that would be', async () => {
    const { client, screen } = await reviewScreen([4, 20, 40]);
    const output = join(newDirectory(), 'patched.hxz');
    screen.press('down', 'd');
    await screen.shows(/2 dirty pages in it \(2 hunks still open are kept, too\); 1 page stays/);
    screen.press('t', 'z', 'V', 'm');
    screen.answer('fix resolv.conf');
    await screen.shows(
      '→ (o: output)   thin on repeated.hxz   zstd   "fix resolv.conf"   every byte is read back',
    );
    await screen.shows(/would store about .*, share 3\.\d+ MiB/);
    expect(existsSync(output)).toBe(false);
    screen.press('c');
    screen.answer(output);
    await screen.shows('2 pages committed');
    expect(screen.words).toMatch(/verified: every byte \(.*, \d+ blocks?\) read back and compared/);
    const snapshot = openSnapshot(output);
    const bytes = Buffer.alloc(7);
    try {
      const [kept, dropped] = [4, 20].map((page) => {
        snapshot.readInto('disk', page * 4096, bytes);
        return bytes.toString('latin1');
      });
      expect(kept).toBe('written');
      expect(dropped).not.toBe('written');
    } finally {
      snapshot.close();
    }
    // What is there already is replaced only if somebody agrees.
    screen.press('c');
    await screen.shows('patched.hxz exists.');
    screen.press('escape');
    expect((await client.request('dirty', {})).dirtyPages).toBe(3);
  });

  test('shows what a commit would make, however long its message is', async () => {
    const { screen } = await reviewScreen([4]);
    screen.size = { rows: 24, columns: 80 };
    screen.press('m');
    screen.answer('why it was made '.repeat(60));
    await screen.shows('would store about');
    expect(screen.text).toMatch(/"why it was made .*…"/);
    screen.size = { rows: 24, columns: 60 };
    await screen.shows('would store about');
  });

  test('cancels a commit that runs, and says that an encrypted base makes no encrypted one', async () => {
    const state = readingMethods().state({}, undefined) as EngineState;
    const commits: unknown[] = [];
    let end = (): void => {};
    const client = fakeEngine({
      ...quietMethods(),
      state: () => ({ ...state, snapshot: { ...state.snapshot, isEncrypted: true } }),
      commit: (params, signal) => {
        commits.push(params);
        return new Promise((_, reject) => {
          signal?.addEventListener('abort', () => {
            end = () => reject(new HexzError('CANCELLED', 'it was cancelled before it was done'));
          });
        });
      },
    });
    const screen = await open(client, 'review');
    await screen.shows('The base is encrypted, this will not be: :commit FILE --new-password-file');
    await screen.shows('would store 0 B');
    screen.press('c');
    screen.answer('/tmp/out.hxz');
    await screen.shows('writing …   Esc cancels');
    screen.press('escape');
    await screen.shows('cancelling …   what was written so far is removed');
    expect(screen.text).not.toContain('nothing was made');
    end();
    await screen.shows('the commit was cancelled; nothing was made');
    expect(commits).toEqual([
      { output: '/tmp/out.hxz', thin: false, compression: 'lz4', verifiesAll: false, force: false },
    ]);
  });

  test('says what is wrong with a commit', async () => {
    const { screen } = await reviewScreen([4]);
    screen.press('o');
    screen.answer(join(newDirectory(), 'missing', 'out.hxz'));
    await screen.shows('missing/out.hxz');
    await screen.shows('would store');
    screen.press('c');
    await screen.shows('Log 1!');
  });

  test('shows what is typed: decisions, plans and commits', async () => {
    const { screen } = await reviewScreen([4, 20, 40]);
    screen.press('6');
    screen.command('keep 0x14000');
    await screen.shows(/▸\[k\] 0x0001_4000/);
    screen.press('6');
    screen.command('split 500');
    await screen.shows('no hunk reaches over the beginning of page 500');
    screen.press('escape');
    screen.command('review');
    await screen.shows(/▸.*0x0001_4000/);
    const output = join(newDirectory(), 'typed.hxz');
    screen.press('6');
    screen.command(`commit ${output} --thin --message typed`);
    await screen.shows('3 pages committed');
    expect(screen.text).toContain('"typed"');
    screen.press('6');
    screen.command('undo > /dev/null');
    await screen.shows('done');
    expect(screen.screen.name).toBe('log');
  });

  test('has rows for any size', async () => {
    const { screen } = await reviewScreen([4, 20, 40]);
    expectRowsForAnySize(screen);
  });
});

test('hunks are no longer awaited when the engine has ended before it listed them', async () => {
  const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
  await writePages(client, [1]);
  const screen = await open(client, 'log');
  client.close();
  await screen.shows('has ended');
  for (const view of ['review', 'overlay'] as const) {
    screen.screen.open(view);
    await screen.shows('this was not listed before the engine ended');
    expect(screen.text).not.toContain('listing');
  }
});
