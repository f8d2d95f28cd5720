import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ControlClient } from '../../../src/engine/control/client.js';
import { identifyProcess } from '../../../src/engine/process/processes.js';
import { openSnapshot } from '../../../src/index.js';
import { engines } from '../../support/engines.js';
import { type BuiltRecipe, builtRecipe } from '../../support/recipes.js';
import { expectSameBytes, readStream } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { until, within } from '../../support/until.js';

const all = engines();
const newDirectory = temporaryDirectories();
const PAGE = 4096;
let repeated: BuiltRecipe;
/** The disk of the base. */
let disk: Buffer;

beforeAll(async () => {
  repeated = await builtRecipe('repeated');
  disk = diskOf(repeated.snapshot);
});

function diskOf(path: string): Buffer {
  const snapshot = openSnapshot(path);
  try {
    return readStream(snapshot, 'disk');
  } finally {
    snapshot.close();
  }
}

/** Fills pages with a byte. */
async function fill(
  client: ControlClient,
  byte: number,
  ...pages: readonly number[]
): Promise<void> {
  const bytes = Buffer.alloc(PAGE, byte).toString('base64');
  for (const page of pages) await client.request('write', { offset: page * PAGE, bytes });
}

/** The base, with pages filled with a byte. */
function filled(byte: number, ...pages: readonly number[]): Buffer {
  const expected = Buffer.from(disk);
  for (const page of pages) expected.fill(byte, page * PAGE, (page + 1) * PAGE);
  return expected;
}

async function readPage(client: ControlClient, page: number): Promise<Buffer> {
  const { pieces } = await client.request('read', {
    stream: 'disk',
    offset: page * PAGE,
    length: PAGE,
  });
  return Buffer.concat(pieces.map(({ bytes }) => Buffer.from(bytes, 'base64')));
}

const dirtyPagesOf = async (client: ControlClient): Promise<number> =>
  (await client.request('dirty', {})).dirtyPages;

describe('commit', () => {
  test('makes a snapshot of the disk as it is shown, and leaves the overlay as it was', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    await fill(client, 7, 3, 4, 90);
    const output = join(newDirectory(), 'out.hxz');
    const plan = await client.request('planCommit', { output });
    expect(existsSync(output)).toBe(false);
    const report = await client.request('commit', { output, message: 'three pages' });
    expect(report).toMatchObject({
      output,
      base: repeated.snapshot,
      committedPages: 3,
      remainingPages: 3,
      overlay: 'kept',
      warnings: [],
    });
    const { encodedBlocks, copiedBlocks, zeroBlocks } = report.streams.disk ?? {};
    expect(plan).toMatchObject({
      committedPages: 3,
      committedBytes: 3 * PAGE,
      streams: { disk: { length: disk.length, copiedBlocks, zeroBlocks } },
    });
    expect(encodedBlocks).toBeLessThanOrEqual(plan.streams.disk?.encodedBlocks ?? 0);
    expectSameBytes(diskOf(output), filled(7, 3, 4, 90));
    expect(await dirtyPagesOf(client)).toBe(3);
    // It goes on, and what comes now is not in it.
    await fill(client, 8, 3);
    expectSameBytes(diskOf(output), filled(7, 3, 4, 90));
  });

  test('leaves out what the review drops, unless it is told to take all', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    await fill(client, 7, 3, 4, 90);
    const pages = { pageIndex: 4, pageCount: 1 };
    await client.request('decide', { change: { action: 'drop', pages } });
    const directory = newDirectory();
    const [reviewed, whole] = [join(directory, 'reviewed.hxz'), join(directory, 'whole.hxz')];
    expect(await client.request('commit', { output: reviewed })).toMatchObject({
      committedPages: 2,
    });
    expectSameBytes(diskOf(reviewed), filled(7, 3, 90));
    await client.request('commit', { output: whole, usesReview: false });
    expectSameBytes(diskOf(whole), filled(7, 3, 4, 90));
  });

  test('replaces a file only when it is told to', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    await fill(client, 7, 3);
    const directory = newDirectory();
    const output = join(directory, 'out.hxz');
    writeFileSync(output, 'mine');
    await expect(client.request('commit', { output })).rejects.toMatchObject({
      code: 'OUTPUT_EXISTS',
    });
    expect(readFileSync(output, 'utf8')).toBe('mine');
    await client.request('commit', { output, force: true });
    expectSameBytes(diskOf(output), filled(7, 3));
    expect(readdirSync(directory)).toEqual(['out.hxz']);
  });

  test('that is cancelled leaves nothing, and the next one is made', async () => {
    const engine = await all.start({ snapshot: repeated.snapshot, rw: true });
    const client = await all.connect(engine);
    await fill(client, 7, 3);
    const directory = newDirectory();
    const output = join(directory, 'out.hxz');
    const watcher = await all.raw(engine);
    watcher.send({ id: 1, method: 'commit', params: { output } }, { cancel: 1 });
    expect(await watcher.answer(1)).toMatchObject({ error: { code: 'CANCELLED' } });
    expect(readdirSync(directory)).toEqual([]);
    watcher.send({ id: 2, method: 'commit', params: { output } });
    expect(await watcher.answer(2)).toMatchObject({ result: { committedPages: 1 } });
  });

  test('needs an overlay', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    const output = join(newDirectory(), 'out.hxz');
    for (const method of ['commit', 'planCommit'] as const) {
      await expect(client.request(method, { output })).rejects.toMatchObject({
        code: 'NO_OVERLAY',
      });
    }
  });
});

test('write takes megabytes at once', async () => {
  const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
  const bytes = Buffer.from(Array.from({ length: 1024 ** 2 + 5 }, (_, index) => index * 7 + 1));
  const params = { offset: 3, bytes: bytes.toString('base64') };
  expect(await client.request('write', params)).toEqual({ written: bytes.length });
  const { sha256 } = await client.request('hash', { stream: 'disk' });
  const expected = Buffer.from(disk);
  bytes.copy(expected, 3);
  expect(sha256).toBe(createHash('sha256').update(expected).digest('hex'));
});

describe('drop', () => {
  test('lets the base show in the place of pages, and answers how many were dirty', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    await fill(client, 7, 3, 4, 90);
    const pages = [{ pageIndex: 4, pageCount: 50 }];
    expect(await client.request('drop', { pages })).toEqual({ droppedPages: 1 });
    expect(await client.request('drop', { pages })).toEqual({ droppedPages: 0 });
    expectSameBytes(await readPage(client, 4), disk.subarray(4 * PAGE, 5 * PAGE));
    expectSameBytes(await readPage(client, 3), Buffer.alloc(PAGE, 7));
    const { extents } = await client.request('dirty', {});
    expect(extents).toEqual([
      { pageIndex: 3, pageCount: 1 },
      { pageIndex: 90, pageCount: 1 },
    ]);
  });

  test('takes what the review drops, but for what was written since', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    await fill(client, 7, 3, 90);
    await client.request('decide', { change: { action: 'drop' } });
    await fill(client, 8, 90);
    expect(await client.request('drop', {})).toEqual({ droppedPages: 1 });
    expectSameBytes(await readPage(client, 90), Buffer.alloc(PAGE, 8));
    // What is gone cannot be decided about any more, nor can it be undone.
    const { hunks, counts } = await client.request('review', {});
    expect(hunks).toMatchObject([{ pageIndex: 90, decision: 'drop', hasChangedSince: true }]);
    expect(counts).toMatchObject({ hunks: 1, canUndo: false });
  });

  test('is for overlays that are open for writing', async () => {
    const overlay = join(newDirectory(), 'disk.overlay');
    const { client: writer } = await all.leased({
      snapshot: repeated.snapshot,
      rw: true,
      overlay,
    });
    await fill(writer, 7, 3);
    await writer.request('shutdown', {});
    await until('its end', () => identifyProcess(writer.pid) === undefined);
    const pages = [{ pageIndex: 3, pageCount: 1 }];
    const { client: reader } = await all.leased({ snapshot: repeated.snapshot, overlay });
    await expect(reader.request('drop', { pages })).rejects.toMatchObject({ code: 'READ_ONLY' });
    expect(await dirtyPagesOf(reader)).toBe(1);
    const { client: bare } = await all.leased({ snapshot: repeated.snapshot });
    await expect(bare.request('drop', { pages })).rejects.toMatchObject({ code: 'NO_OVERLAY' });
  });
});

describe('quiesce', () => {
  test('is seen by all watchers, renewed by its holder, and ends with resume or his connection', async () => {
    const engine = await all.start({ snapshot: repeated.snapshot, rw: true });
    const [holder, other] = [await all.connect(engine), await all.connect(engine)];
    const isQuiesced = async () => (await other.request('state', {})).isQuiesced;
    await holder.request('quiesce', { milliseconds: 9000 });
    await holder.request('quiesce', {});
    expect(await isQuiesced()).toBe(true);
    for (const method of ['quiesce', 'resume'] as const) {
      await expect(other.request(method, {})).rejects.toMatchObject({ code: 'MOUNT_BUSY' });
    }
    await holder.request('resume', {});
    expect(await isQuiesced()).toBe(false);
    await holder.request('quiesce', {});
    await holder.close();
    await until('writes go on', async () => !(await isQuiesced()));
    await other.request('quiesce', { milliseconds: 1 });
    await until('its time is over', async () => !(await isQuiesced()));
  });

  test('brings everything that was written onto the disk', async () => {
    const overlay = join(newDirectory(), 'disk.overlay');
    const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true, overlay });
    await fill(client, 7, 3);
    await client.request('quiesce', {});
    const { dataLength, listLength } = JSON.parse(readFileSync(`${overlay}.hexz.json`, 'utf8'));
    expect({ dataLength, listLength }).toEqual({ dataLength: 4 * PAGE, listLength: 8 });
  });
});

describe('shutdown', () => {
  test('is answered, ends what others asked for, and closes the overlay', async () => {
    const overlay = join(newDirectory(), 'disk.overlay');
    const engine = await all.start({ snapshot: repeated.snapshot, rw: true, overlay });
    const [client, other] = [await all.connect(engine), await all.connect(engine)];
    await fill(client, 7, 3);
    const watch = other.stream('watch', {});
    const watched = expect(watch.result).rejects.toMatchObject({
      code: expect.stringMatching(/^(CANCELLED|ENGINE_GONE)$/),
    });
    expect(await client.request('shutdown', {})).toEqual({ keptOverlay: null });
    await within('the end of both', Promise.all([client.closed, other.closed, watched]));
    await until('its end', () => identifyProcess(engine.pid) === undefined);
    expect(existsSync(engine.socketPath)).toBe(false);
    const { openedBy } = JSON.parse(readFileSync(`${overlay}.hexz.json`, 'utf8'));
    expect(openedBy).toBe(null);
    await expect(client.request('state', {})).rejects.toMatchObject({ code: 'ENGINE_GONE' });
  });

  test('takes place once, however many ask for it', async () => {
    const engine = await all.start({ snapshot: repeated.snapshot });
    const clients = [await all.connect(engine), await all.connect(engine)];
    const answers = await within(
      'all answers',
      Promise.allSettled(clients.map((each) => each.request('shutdown', {}))),
    );
    expect(answers.map(({ status }) => status)).toContain('fulfilled');
    for (const answer of answers) {
      if (answer.status === 'rejected')
        expect(answer.reason).toMatchObject({ code: 'ENGINE_GONE' });
    }
  });
});
