import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ControlClient } from '../../../src/engine/control/client.js';
import { engines } from '../../support/engines.js';
import { type BuiltRecipe, builtRecipe } from '../../support/recipes.js';
import { requires } from '../../support/requires.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { until } from '../../support/until.js';

const all = engines();
const newDirectory = temporaryDirectories();
const handles: FileHandle[] = [];
let repeated: BuiltRecipe;

const PAGE = 4096;
const pageOf = (byte: number): Buffer => Buffer.alloc(PAGE, byte);
const hunksOf = async (client: ControlClient) => (await client.request('review', {})).hunks;
const warningsOf = async (client: ControlClient) => (await client.request('state', {})).warnings;

beforeAll(async () => {
  repeated = await builtRecipe('repeated');
});

afterEach(async () => {
  for (const handle of handles.splice(0)) await handle.close();
});

const writePage = (client: ControlClient, pageIndex: number, byte: number) =>
  client.request('write', {
    offset: pageIndex * PAGE,
    bytes: pageOf(byte).toString('base64'),
  });

describe('the review of an engine', () => {
  test('is one for all its watchers', async () => {
    const { engine, client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    const other = await all.connect(engine);
    await writePage(client, 3, 1);
    await writePage(client, 9, 1);
    const { counts } = await other.request('review', {});
    expect(counts).toMatchObject({ hunks: 2, open: 2, openPages: 2, openBytes: 2 * PAGE });

    const { revision } = await client.request('decide', {
      change: { action: 'drop', pages: { pageIndex: 3, pageCount: 1 } },
      revision: counts.revision,
    });
    const late = { revision: counts.revision };
    for (const refused of [
      () => other.request('decide', { change: { action: 'keep' }, ...late }),
      () => other.request('select', { selection: '9\n', ...late }),
    ]) {
      await expect(refused()).rejects.toMatchObject({ code: 'REVIEW_CHANGED' });
    }
    expect(await other.request('state', {})).toMatchObject({ reviewRevision: revision });
    expect(await hunksOf(other)).toMatchObject([{ decision: 'drop' }, { decision: 'open' }]);

    await writePage(other, 3, 2);
    expect((await client.request('review', {})).counts).toMatchObject({ drop: 1, changed: 1 });
    await other.request('select', { selection: '9\n' });
    expect(await hunksOf(client)).toMatchObject([
      { decision: 'drop', hasChangedSince: false },
      { decision: 'keep' },
    ]);
    const lines: string[] = [];
    for await (const line of client.stream('selection', {})) lines.push(line);
    expect(lines).toEqual(['9']);
    expect(await client.request('drop', {})).toEqual({ droppedPages: 1 });
    expect(await hunksOf(other)).toMatchObject([{ pageIndex: 9, decision: 'keep' }]);
  });

  test('lies beside a persistent overlay, and is there for the next one', async () => {
    const overlay = join(newDirectory(), 'changes.overlay');
    const options = { snapshot: repeated.snapshot, overlay, rw: true };
    const { client } = await all.leased(options);
    await writePage(client, 3, 1);
    await client.request('decide', { change: { action: 'keep' } });
    await client.request('shutdown', {});

    const { client: next } = await all.leased(options);
    expect(await hunksOf(next)).toMatchObject([
      { pageIndex: 3, decision: 'keep', hasChangedSince: false },
    ]);
    expect(await warningsOf(next)).toEqual([]);
  });

  test('that cannot be used is set aside, and that is told', async () => {
    const overlay = join(newDirectory(), 'changes.overlay');
    const options = { snapshot: repeated.snapshot, overlay, rw: true };
    const { client: first } = await all.leased(options);
    await writePage(first, 3, 1);
    await first.request('shutdown', {});
    writeFileSync(`${overlay}.hexz-review.json`, '{');
    const { client } = await all.leased(options);
    expect(await warningsOf(client)).toEqual([
      expect.stringMatching(/^the review of the overlay cannot be read .*\.aside-\d+$/),
    ]);
    expect(existsSync(`${overlay}.hexz-review.json`)).toBe(false);
  });

  test('that cannot be saved says so, until it can', async () => {
    const overlay = join(newDirectory(), 'changes.overlay');
    const obstacle = `${overlay}.hexz-review.json.tmp`;
    const { client } = await all.leased({ snapshot: repeated.snapshot, overlay, rw: true });
    await writePage(client, 3, 1);
    mkdirSync(obstacle);
    await client.request('decide', { change: { action: 'keep' } });
    await until('a warning', async () => (await warningsOf(client)).length === 1);
    expect(await warningsOf(client)).toEqual([expect.stringMatching(/^the review is not saved: /)]);

    rmdirSync(obstacle);
    await client.request('decide', { change: { action: 'drop' } });
    await until('no warning', async () => (await warningsOf(client)).length === 0);
    expect(readFileSync(`${overlay}.hexz-review.json`, 'utf8')).toContain('"drop": "3"');
  });
});

describe.runIf(requires('FUSE'))('the review of a mount', () => {
  async function mounted() {
    const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    const mountpoint = all.hexz.newMountpoint();
    await client.request('mount', { mountpoint });
    const disk = join(mountpoint, 'disk');
    const file = await open(disk, 'r+');
    handles.push(file);
    return { client, disk, file, endPage: (await file.stat()).size / PAGE };
  }

  test('knows that what was cut off comes back as something else', async () => {
    const { client, file } = await mounted();
    await file.write(Buffer.alloc(3 * PAGE, 7), 0, 3 * PAGE, 600 * PAGE);
    await client.request('decide', { change: { action: 'drop' } });
    await file.truncate(601 * PAGE + 100);
    // Somebody has seen that.
    await client.request('decide', { change: { action: 'viewed', isViewed: true } });
    expect(await hunksOf(client)).toMatchObject([{ decision: 'drop', hasChangedSince: false }]);

    await file.truncate(604 * PAGE);
    // The last page was out of sight when the others were viewed.
    expect(await hunksOf(client)).toMatchObject([
      { pageIndex: 600, pageCount: 2, decision: 'drop', isViewed: true, hasChangedSince: true },
      { pageIndex: 602, pageCount: 1, decision: 'drop', isViewed: false, hasChangedSince: true },
    ]);
    expect(await client.request('drop', { force: true })).toEqual({ droppedPages: 0 });
  });

  test('drops nothing that is written meanwhile', async () => {
    const { client, disk, file, endPage } = await mounted();
    // Scattered, so that it takes the review a while to say what is dropped.
    const COUNT = 8000;
    const offsets = Array.from({ length: COUNT }, (_, index) => (endPage + 2 * index) * PAGE);
    for (const offset of offsets) await file.write(pageOf(1), 0, PAGE, offset);
    await client.request('decide', { change: { action: 'drop' } });

    let isDone = false;
    const dropping = client.request('drop', { force: true }).finally(() => {
      isDone = true;
    });
    const written: number[] = [];
    for (const offset of offsets) {
      if (isDone) break;
      await file.write(pageOf(2), 0, PAGE, offset);
      written.push(offset);
    }
    const { droppedPages } = await dropping;
    expect(droppedPages).toBeGreaterThan(0);
    expect(written.length).toBeGreaterThan(0);
    const bytes = readFileSync(disk);
    expect(written.filter((offset) => bytes[offset] !== 2)).toEqual([]);
  });
});
