import { existsSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { AttachedOverlay } from '../../../src/engine/overlay/attachedOverlay.js';
import { DiskNumbers } from '../../../src/engine/overlay/diskNumbers.js';
import { FrozenOverlay } from '../../../src/engine/overlay/frozenOverlay.js';
import type { Overlay } from '../../../src/engine/overlay/overlay.js';
import { overlayPaths } from '../../../src/engine/overlay/paths.js';
import { codeOf } from '../../support/errors.js';
import { MemoryBase, markedBytes, randomFrom } from '../../support/overlay/memoryBase.js';
import { overlayOpener } from '../../support/overlay/openOverlays.js';
import { SegmentWriters } from '../../support/overlay/segmentWriters.js';
import { stamped, whileRead } from '../../support/overlay/stampedPages.js';
import { contentsOf } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const PAGE = 4096;
const PAGE_COUNT = 300;
const newDirectory = temporaryDirectories();
/** Where a read sees halves of writes: other file systems rarely let it. */
const newTornDirectory = temporaryDirectories(existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
const openOverlay = overlayOpener();
const started: SegmentWriters[] = [];
afterEach(async () => {
  for (const writers of started.splice(0)) await writers.terminate();
});

const base = new MemoryBase(stamped(PAGE_COUNT, 1));
const clean = { failures: [], handedOver: 0 };

async function written(
  segments: 1 | 4,
  isKept = true,
): Promise<{ overlay: Overlay; path: string; writers: SegmentWriters }> {
  const path = join(newTornDirectory(), 'disk.overlay');
  const overlay = openOverlay(path, base);
  const pages = { pageCount: PAGE_COUNT, segments, base: base.bytes, isKept };
  const writers = await SegmentWriters.start(overlay, pages);
  started.push(writers);
  return { overlay, path, writers };
}

/** What a new process finds is what there was, and the list names every page once. */
async function expectKept(overlay: Overlay, path: string): Promise<void> {
  const contents = contentsOf(overlay);
  await overlay.close();
  const again = openOverlay(path, base);
  expectSameBytes(contentsOf(again), contents);
  expect(again.findings).toEqual([]);
}

describe('threads that write one overlay beside its owner', () => {
  const random = randomFrom(7);
  const somePage = () => Math.floor(random() * PAGE_COUNT);

  test('lose nothing of each other, in pages that turn dirty under them', async () => {
    const { overlay, path, writers } = await written(4);
    let round = 0;
    await writers.pass(3000, () => writers.write(somePage(), ++round));
    expect(await writers.stop()).toEqual(clean);
    const segmentBytes = PAGE / 4;
    const contents = contentsOf(overlay);
    writers.answered.forEach((stamp, at) => {
      const [segment, page] = [Math.floor(at / PAGE_COUNT), at % PAGE_COUNT];
      const offset = page * PAGE + segment * segmentBytes;
      // What nobody has written is the base's.
      expect([at, contents.readUInt32LE(offset)]).toEqual([at, stamp || 1]);
    });
    await expectKept(overlay, path);
  });

  test('write whole pages, for readers in any thread', async () => {
    const { overlay, path, writers } = await written(1);
    const reading = { shared: overlay.share(), pageCount: PAGE_COUNT, reads: 200 };
    const found = await whileRead(reading, (_answered, round) =>
      writers.write(somePage(), round * 8 + 7),
    );
    expect(found).toEqual([]);
    expect(await writers.stop()).toEqual(clean);
    await expectKept(overlay, path);
  });

  test('go on while it is flushed, and what was answered before that is recorded', async () => {
    const { overlay, path, writers } = await written(4);
    for (let time = 0; time < 10; time++) {
      await writers.pass(50);
      await overlay.sync();
    }
    expect(await writers.stop()).toEqual(clean);
    await expectKept(overlay, path);
  });

  test('leave a frozen instant as it is, and their writes to the owner meanwhile', async () => {
    const { overlay, path, writers } = await written(4);
    for (let time = 0; time < 5; time++) {
      await writers.pass(100);
      const instant = await overlay.freeze();
      const contents = contentsOf(overlay);
      const frozen = new FrozenOverlay(structuredClone(instant.shared), base);
      expectSameBytes(contentsOf(frozen), contents);
      await writers.pass(100);
      expectSameBytes(contentsOf(frozen), contents);
      frozen.close();
      instant.release();
    }
    const { failures, handedOver } = await writers.stop();
    expect(failures).toEqual([]);
    expect(handedOver).toBeGreaterThan(0);
    await expectKept(overlay, path);
  });

  test('change nothing while it is reserved, and go on afterwards', async () => {
    const { overlay, writers } = await written(4);
    await writers.pass(100);
    const letGo = writers.hold();
    const release = overlay.reserve();
    const contents = contentsOf(overlay);
    await writers.allWait();
    expectSameBytes(contentsOf(overlay), contents);
    release();
    letGo();
    await writers.pass(100);
    const { failures, handedOver } = await writers.stop();
    expect(failures).toEqual([]);
    // Each of them once: from then on they wrote by themselves again.
    expect(handedOver).toBe(3);
  });

  test('go on while pages are dropped, and the disk is cut and grows', async () => {
    const { overlay, path, writers } = await written(4, false);
    for (let time = 0; time < 10; time++) {
      await writers.pass(30);
      await overlay.drop([{ pageIndex: somePage(), pageCount: 50 }]);
      await writers.pass(30);
      overlay.truncate(somePage() * PAGE);
      await writers.pass(30);
      overlay.truncate((PAGE_COUNT + somePage()) * PAGE);
    }
    const { failures } = await writers.stop();
    expect(failures).toEqual([]);
    await expectKept(overlay, path);
  });
});

describe('an attached overlay', () => {
  const smallBase = new MemoryBase(markedBytes(30_000, 0));

  const opened = (disk = smallBase) => {
    const path = join(newDirectory(), 'disk.overlay');
    const overlay = openOverlay(path, disk);
    return { path, overlay, attached: new AttachedOverlay(overlay.share(), disk) };
  };

  test('writes as its owner does', async () => {
    const { path, overlay, attached } = opened();
    const model = Buffer.alloc(60_000);
    smallBase.bytes.copy(model);
    let end = smallBase.length;
    const random = randomFrom(3);
    for (let round = 0; round < 200; round++) {
      const offset = Math.floor(random() * 45_000);
      const bytes = markedBytes(1 + Math.floor(random() * 12_000), round);
      const writer = round % 2 === 0 ? overlay : undefined;
      const dirtyBefore = overlay.dirtyPageCount;
      const turned = writer?.write(offset, bytes) ?? attached.tryWrite(offset, bytes);
      expect(turned).toBe(overlay.dirtyPageCount - dirtyBefore);
      bytes.copy(model, offset);
      end = Math.max(end, offset + bytes.length);
      expectSameBytes(contentsOf(overlay), model.subarray(0, end));
      expectSameBytes(contentsOf(attached), model.subarray(0, end));
    }
    attached.close();
    await overlay.close();
    const again = openOverlay(path, smallBase);
    expectSameBytes(contentsOf(again), model.subarray(0, end));
  });

  test('leaves its writes to the owner when that has closed it', async () => {
    const { overlay, attached } = opened();
    await overlay.close();
    expect(attached.tryWrite(0, Buffer.from('late'))).toBeUndefined();
  });

  test('leaves its writes to the owner of one that cannot be written', async () => {
    const { path, overlay } = opened();
    await overlay.close();
    const reading = openOverlay(path, smallBase, { access: 'read' });
    const attached = new AttachedOverlay(reading.share(), smallBase);
    expect(attached.tryWrite(0, Buffer.from('never'))).toBeUndefined();
  });

  test('changes nothing where the base cannot be read, and holds up nobody', () => {
    const damaged = new MemoryBase(markedBytes(30_000, 0));
    const { overlay, attached } = opened(damaged);
    damaged.damagedFrom = 8192;
    expect(codeOf(() => attached.tryWrite(10_000, Buffer.from('in a page')))).toBe('CRC');
    expect(overlay.dirtyPageCount).toBe(0);
    expect(attached.tryWrite(100, Buffer.from('before it'))).toBe(1);
    expect(overlay.write(8192, Buffer.alloc(PAGE, 1))).toBe(1);
  });

  test('refuses a disk that is too large', () => {
    const { attached } = opened();
    expect(codeOf(() => attached.tryWrite(2 ** 44 - 1, Buffer.from('ab')))).toBe('DISK_TOO_LARGE');
  });

  test('undoes a write that failed', () => {
    const { path, overlay, attached } = opened();
    const before = contentsOf(overlay);
    const numbers = new DiskNumbers(overlay.share().numbers);
    const { listDescriptor } = numbers;
    // Of a list that cannot be written.
    numbers.listDescriptor = openSync(overlayPaths(path).list, 'r');
    expect(codeOf(() => attached.tryWrite(50_000, Buffer.from('lost')))).toBe('OVERLAY_UNUSABLE');
    numbers.listDescriptor = listDescriptor;
    expectSameBytes(contentsOf(overlay), before);
    expect(overlay.write(60_000, Buffer.from('kept'))).toBe(1);
    expect(attached.tryWrite(0, Buffer.from('kept, too'))).toBe(1);
    expect(contentsOf(overlay).subarray(50_000, 50_004)).toEqual(Buffer.alloc(4));
  });

  test('lets nobody change what it could not undo', async () => {
    const { overlay } = opened();
    const attached = new AttachedOverlay({ ...overlay.share(), dataDescriptor: -1 }, smallBase);
    expect(codeOf(() => attached.tryWrite(0, Buffer.from('lost')))).toBe('OVERLAY_UNUSABLE');
    expect(attached.tryWrite(0, Buffer.from('lost'))).toBeUndefined();
    expect(codeOf(() => overlay.write(0, Buffer.from('lost')))).toBe('OVERLAY_UNUSABLE');
    await expect(overlay.sync()).rejects.toThrow('could not be undone');
  });
});
