import { once } from 'node:events';
import { existsSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import type { Overlay } from '../../../src/engine/overlay/overlay.js';
import { OverlayView } from '../../../src/engine/overlay/overlayView.js';
import { SharedDirtySet } from '../../../src/engine/overlay/sharedOverlay.js';
import { errorOf } from '../../support/errors.js';
import { MemoryBase, markedBytes, randomFrom } from '../../support/overlay/memoryBase.js';
import { overlayOpener } from '../../support/overlay/openOverlays.js';
import { stamped, whileRead } from '../../support/overlay/stampedPages.js';
import { contentsOf } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const PAGE = 4096;
const newDirectory = temporaryDirectories();
/** Where a read sees halves of writes: other file systems rarely let it. */
const newTornDirectory = temporaryDirectories(existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
const openOverlay = overlayOpener();

describe('another thread that reads while pages are written', () => {
  const pageCount = 400;
  const base = new MemoryBase(stamped(pageCount, 1));
  const random = randomFrom(1);
  const numberBelow = (end: number) => Math.floor(random() * end);

  test('sees whole pages, and all that was answered', async () => {
    const overlay = openOverlay(join(newTornDirectory(), 'disk.overlay'), base);
    const found = await whileRead(
      { shared: overlay.share(), pageCount, reads: 1000 },
      (answered, round) => {
        const first = numberBelow(pageCount);
        const count = Math.min(1 + numberBelow(8), pageCount - first);
        overlay.write(first * PAGE, stamped(count, round + 2));
        for (let page = first; page < first + count; page++) {
          Atomics.store(answered, page, round + 2);
        }
      },
    );
    expect(found).toEqual([]);
  });

  test('sees whole pages also where the disk is cut, grows, and pages are dropped', async () => {
    const overlay = openOverlay(join(newTornDirectory(), 'disk.overlay'), base);
    const found = await whileRead(
      { shared: overlay.share(), pageCount, reads: 500 },
      async (_answered, round) => {
        const kind = round % 40;
        if (kind === 20) overlay.truncate((200 + numberBelow(200)) * PAGE);
        else if (kind === 30) overlay.truncate((400 + numberBelow(200)) * PAGE);
        else if (kind === 35) await overlay.drop([{ pageIndex: numberBelow(400), pageCount: 100 }]);
        else overlay.write(numberBelow(600) * PAGE, stamped(1 + numberBelow(8), round + 2));
      },
    );
    expect(found).toEqual([]);
  });
});

describe('a view', () => {
  const base = new MemoryBase(markedBytes(30_000, 0));

  const opened = () => {
    const path = join(newDirectory(), 'disk.overlay');
    const overlay = openOverlay(path, base);
    const shared = structuredClone(overlay.share());
    return { path, overlay, shared, view: new OverlayView(shared, base) };
  };

  const expectSame = (overlay: Overlay, view: OverlayView): void => {
    expectSameBytes(contentsOf(view), contentsOf(overlay));
    expect([...view.extents()]).toEqual([...overlay.extents()]);
    expect(view.dirtyPageCount).toBe(overlay.dirtyPageCount);
    expect(view.listedPageCount).toBe(overlay.listedPageCount);
    expect(view.shownBaseLength).toBe(overlay.shownBaseLength);
    expect(view.firstDirtyPage(3, 9)).toBe(overlay.firstDirtyPage(3, 9));
    expect(view.isDirty(5)).toBe(overlay.isDirty(5));
  };

  test('is what its overlay is after every change', async () => {
    const { overlay, view } = opened();
    expectSame(overlay, view);
    overlay.write(20_000, Buffer.from('five'));
    expectSame(overlay, view);
    overlay.write(100_000, Buffer.from('behind the end'));
    expectSame(overlay, view);
    overlay.truncate(22_000);
    expectSame(overlay, view);
    overlay.truncate(50_001);
    expectSame(overlay, view);
    overlay.write(49_000, Buffer.from('behind the cut'));
    await overlay.drop([{ pageIndex: 0, pageCount: 10 }]);
    expectSame(overlay, view);
    // So far away that the bits have to grow.
    overlay.truncate(2 ** 40);
    overlay.write(2 ** 40 - 4, Buffer.from('far.'));
    expect([...view.extents()]).toEqual([...overlay.extents()]);
    view.close();
  });

  test('in another thread sees the dirty pages grow', async () => {
    const { overlay, shared } = opened();
    const program = new URL('../../support/overlay/extentsReader.mjs', import.meta.url);
    const worker = new Worker(program, { workerData: shared });
    const found = async () => {
      const answer = once(worker, 'message');
      worker.postMessage('tell');
      return (await answer)[0] as unknown;
    };
    try {
      expect(await found()).toEqual({ length: 30_000, extents: [] });
      for (const length of [2 ** 28, 2 ** 36, 2 ** 42]) {
        overlay.write(length - 4, Buffer.from('far.'));
        expect(await found()).toEqual({ length, extents: [...overlay.extents()] });
      }
    } finally {
      await worker.terminate();
    }
  });

  test('of the dirty pages alone counts what makes earlier answers worthless', async () => {
    const { overlay, shared } = opened();
    const dirty = new SharedDirtySet(shared);
    const { version } = dirty;
    overlay.write(20_000, Buffer.from('five'));
    expect([...dirty.extents()]).toEqual([{ pageIndex: 4, pageCount: 1 }]);
    expect(dirty.version).toBe(version);
    await overlay.drop([{ pageIndex: 4, pageCount: 1 }]);
    expect(dirty.version).not.toBe(version);
    expect(dirty.dirtyPageCount).toBe(0);
    overlay.truncate(5);
    expect(dirty.length).toBe(5);
  });

  test('refuses a data file that is another one by now', () => {
    const { path, shared } = opened();
    renameSync(path, `${path}.away`);
    expect(errorOf(() => new OverlayView(shared, base)).code).toBe('OVERLAY_UNUSABLE');
  });
});
