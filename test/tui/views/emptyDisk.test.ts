import { expect, test } from 'vitest';
import { fakeEngine, readingMethods } from '../../support/repl/fakeEngine.js';
import { engineStateOf } from '../../support/tui/engineState.js';
import { testScreens, WatchItems } from '../../support/tui/openScreen.js';

const open = testScreens();

/** A disk that was cut to nothing by a program. */
async function openedCut() {
  const state = engineStateOf({ disk: 65_536 });
  const overlay = {
    path: '/served/web.overlay',
    isTemporary: false,
    isWritable: true,
    dirtyPages: 0,
    dirtyBytes: 0,
    diskLength: 0,
  };
  const watch = new WatchItems();
  return open(
    fakeEngine({
      ...readingMethods(),
      state: () => ({ ...state, overlay }),
      watch: () => ({ batches: watch.batches(), result: {} }),
      read: ({ offset }) => ({ offset, length: 0, endOffset: 0, pieces: [] }),
    }),
  );
}

test('a disk of zero bytes is said to be empty in every view', async () => {
  const shown = await openedCut();
  await shown.shows(/The disk is empty: it has 0 bytes\. It was cut/);
  shown.press('2');
  await shown.shows('The disk is empty, and so no page is dirty. But the disk is 0 B');
  shown.press('3');
  await shown.shows(/disk, as the mount[\s\S]*The disk is empty: it has 0 bytes/);
  shown.press('5');
  await shown.shows('The disk is empty, and so no page is dirty');
  shown.press('6');
  expect(shown.text).toContain('Nothing was said yet');
});

test('what is not mounted is not called live', async () => {
  const shown = await openedCut();
  expect(shown.rows()[0]).toMatch(/○ not mounted ?$/);
  expect(shown.text).not.toContain('live');
});
