import { describe, expect, test } from 'vitest';
import type { PageRange } from '../../../../src/repl/language/pages.js';
import { Differences } from '../../../../src/tui/views/changes/differences.js';
import { fakeEngine } from '../../../support/repl/fakeEngine.js';
import { noTally } from '../../../support/tui/changesScreen.js';
import { until } from '../../../support/until.js';

const PAGE = 4096;
const run = (pageIndex: number, pageCount = 1): PageRange => ({ pageIndex, pageCount });

/** Compares what it is asked for, when it is told to. */
function comparing() {
  const asked: number[] = [];
  const held: (() => void)[] = [];
  let isHeld = false;
  const client = fakeEngine({
    diff: async ({ offset = 0 }) => {
      asked.push(offset / PAGE);
      if (isHeld) await new Promise<void>((resolve) => held.push(resolve));
      return { ...noTally, differentBytes: offset / PAGE };
    },
  });
  const differences = new Differences(client, {
    changedIn: () => {},
    changedNow: () => {},
    fail: (error) => {
      throw error;
    },
  });
  return {
    asked,
    differences,
    hold: () => {
      isHeld = true;
    },
    release: () => {
      isHeld = false;
      for (const resolve of held.splice(0)) resolve();
    },
  };
}

async function known(differences: Differences, runs: readonly PageRange[]): Promise<void> {
  await until('what differs', () => {
    differences.look(runs);
    return runs.every((each) => differences.of(each)?.isStale === false);
  });
}

describe('what differs in runs', () => {
  test('is asked for those that are seen, once, until they are written', async () => {
    const { asked, differences } = comparing();
    const seen = [run(1), run(5, 3), run(9)];
    await known(differences, seen);
    expect(asked).toEqual([1, 5, 9]);
    expect(differences.of(run(5, 3))).toMatchObject({ bytes: 5, isStale: false });
    differences.look(seen);
    expect(asked).toHaveLength(3);

    differences.written([
      { start: 7, end: 8 },
      { start: 20, end: 30 },
    ]);
    expect(differences.of(run(5, 3))).toMatchObject({ bytes: 5, isStale: true });
    await known(differences, seen);
    expect(asked).toEqual([1, 5, 9, 5]);
    await known(differences, [run(1, 2)]);
    expect(asked).toEqual([1, 5, 9, 5, 1]);
  });

  test('is of earlier bytes when they were written meanwhile', async () => {
    const { differences, hold, release } = comparing();
    hold();
    differences.look([run(4)]);
    differences.written([{ start: 4, end: 5 }]);
    release();
    await until('an answer', () => differences.of(run(4)) !== undefined);
    expect(differences.of(run(4))).toMatchObject({ bytes: 4, isStale: true });
  });

  test('is not waited for when nobody sees it any more', async () => {
    const { asked, differences, hold, release } = comparing();
    hold();
    differences.look([run(1), run(2)]);
    differences.look([run(100)]);
    release();
    await known(differences, [run(100)]);
    expect(asked).toEqual([1, 100]);
    expect(differences.of(run(1))).toBeUndefined();
  });
});
