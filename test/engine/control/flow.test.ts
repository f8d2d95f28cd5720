import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BATCHES_AHEAD } from '../../../src/engine/control/protocol/messages.js';
import { engines, type RawWatcher, residentBytesOf } from '../../support/engines.js';
import { goldenPath } from '../../support/fixtures.js';
import { requires } from '../../support/requires.js';
import { packNoise } from '../../support/snapshots.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { until, within } from '../../support/until.js';

const all = engines();
const MEBIBYTE = 1024 * 1024;

/** Every byte of it is a match of `x:00`. */
function packZeros(mebibytes: number): string {
  const path = all.hexz.sandbox.path('zeros.hxz');
  const writer = new SnapshotWriter(path);
  for (let block = 0; block < mebibytes * 16; block++) writer.addZero(65_536);
  writer.finish();
  return path;
}

const everything = { method: 'search', params: { stream: 'disk', pattern: 'x:00' } } as const;

/** Batches of items until a request says nothing more for now: until others were answered again and again. */
async function batchesOf(watcher: RawWatcher, id: number): Promise<number> {
  let batches = 0;
  for (let probe = 1000; probe < 1020; probe++) {
    watcher.send({
      id: probe,
      method: 'read',
      params: { stream: 'disk', offset: 0, length: MEBIBYTE },
    });
    for (;;) {
      const message = await watcher.next();
      if (message === undefined) throw new Error('the connection has ended');
      if (message.id === probe && 'result' in message) break;
      if (message.id === id && 'items' in message) batches++;
    }
  }
  return batches;
}

describe('a stream that nobody takes', () => {
  test('stops after a few batches, and goes on with each that is taken', async () => {
    const watcher = await all.raw(await all.start({ snapshot: packZeros(64) }));
    watcher.send({ id: 1, ...everything });
    expect(await batchesOf(watcher, 1)).toBe(BATCHES_AHEAD);
    watcher.send({ taken: 1 }, { taken: 1 });
    expect(await batchesOf(watcher, 1)).toBe(2);
  });

  test('is not sent ahead of by saying that everything will be taken', async () => {
    const watcher = await all.raw(await all.start({ snapshot: packZeros(64) }));
    watcher.send({ id: 1, ...everything }, ...Array.from({ length: 10_000 }, () => ({ taken: 1 })));
    expect(await batchesOf(watcher, 1)).toBeLessThan(10 * BATCHES_AHEAD);
  });

  test('holds up no job of other watchers, however many they are', {
    timeout: 60_000,
  }, async () => {
    const engine = await all.start({ snapshot: packZeros(64) });
    const silent = await all.raw(engine);
    silent.socket.pause();
    for (let id = 1; id <= 32; id++) silent.send({ id, ...everything });
    const client = await all.connect(engine);
    const search = client.request('search', { stream: 'disk', pattern: 'nothing' });
    expect(await within('a search beside them', search)).toMatchObject({ found: 0 });
    const memory = residentBytesOf(engine.pid);
    expect(memory).toBeLessThan(600 * MEBIBYTE);
  });

  test('of which thousands of batches are taken slowly costs no memory', async () => {
    const { client } = await all.leased({ snapshot: packZeros(64) });
    await client.request('search', { ...everything.params, maximum: 100_000 });
    const before = residentBytesOf(client.pid);
    const stream = client.stream('search', everything.params);
    let found = 0;
    for await (const batch of stream.batches()) {
      found += batch.length;
      if (found > 1_000_000) break;
    }
    expect(residentBytesOf(client.pid) - before).toBeLessThan(64 * MEBIBYTE);
    await expect(stream.result).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('cancelling', () => {
  test.each([
    ['that finds nothing', 'nothing'],
    ['that finds everything', 'x:00'],
    ['with an expression', 'r:(a|b|c)*d{3,9}x'],
  ])('ends a search %s at once', async (_name, pattern) => {
    const path = all.hexz.sandbox.path('noise.hxz');
    packNoise(path, 64 * MEBIBYTE);
    const { client } = await all.leased({ snapshot: path });
    const abort = new AbortController();
    let progress = 0;
    const stream = client.stream(
      'search',
      { stream: 'disk', pattern },
      {
        signal: abort.signal,
        onProgress: () => {
          progress++;
          abort.abort();
        },
      },
    );
    // Some is found before progress is told.
    const taken = (async () => {
      for await (const _ of stream.batches()) abort.abort();
    })();
    taken.catch(() => {});
    await expect(within('the end', stream.result, 1000)).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(progress).toBeLessThan(20);
    // Its thread does the next one.
    expect(await client.request('hash', { stream: 'disk', length: 1 })).toHaveProperty('sha256');
  });

  test('ends one that sleeps because nobody takes, and those that wait for a thread', async () => {
    const watcher = await all.raw(await all.start({ snapshot: packZeros(64) }));
    for (let id = 1; id <= 8; id++) watcher.send({ id, ...everything });
    await batchesOf(watcher, 1);
    for (let id = 8; id >= 1; id--) {
      watcher.send({ cancel: id });
      expect(await watcher.answer(id)).toMatchObject({ error: { code: 'CANCELLED' } });
    }
  });

  test.each(['selection', 'search', 'watch'])(
    'ends what %s yields: nothing comes behind its last word',
    async (method) => {
      const path = all.hexz.sandbox.path('noise.hxz');
      packNoise(path, MEBIBYTE);
      const engine = await all.start({ snapshot: path, rw: true });
      const client = await all.connect(engine);
      const bytes = Buffer.alloc(4096, 1).toString('base64');
      for (let page = 0; page < 200; page += 2) {
        await client.request('write', { offset: page * 4096, bytes });
      }
      const watcher = await all.raw(engine);
      const params = {
        selection: {},
        search: everything.params,
        watch: { rateHz: 30, sendsIdle: true },
      }[method];
      for (let id = 1; id <= 20; id++) watcher.send({ id, method, params }, { cancel: id });
      const ended = new Set<unknown>();
      while (ended.size < 20) {
        const message = await watcher.next();
        expect(ended).not.toContain(message?.id);
        expect(message).not.toHaveProperty('items');
        if (message !== undefined && 'error' in message) ended.add(message.id);
      }
      watcher.send({ id: 1000, method: 'block', params: { stream: 'disk', offset: 0 } });
      expect(await watcher.next()).toMatchObject({ id: 1000, result: {} });
    },
  );

  test('again and again never loses a request', async () => {
    const watcher = await all.raw(await all.start({ snapshot: packZeros(4) }));
    for (let id = 1; id <= 300; id++) {
      watcher.send({ id, ...everything });
      if (id % 3 === 0) await watcher.next();
      watcher.send({ cancel: id }, { cancel: id });
      expect(await watcher.answer(id)).toMatchObject({ error: { code: 'CANCELLED' } });
    }
  });
});

describe.runIf(requires('FUSE'))('watchers of a mount', () => {
  test('see what is read, each for himself, and what they ask for', async () => {
    const path = all.hexz.sandbox.path('noise.hxz');
    const bytes = packNoise(path, MEBIBYTE);
    const mountpoint = all.hexz.newMountpoint();
    const { engine, client } = await all.leased({ snapshot: path, mountpoint });
    const other = await all.connect(engine);
    const watches = [client, other].map((each, index) =>
      each.stream('watch', { rateHz: 30, sendsIdle: index === 1 }),
    );
    const seen = watches.map(async (watch) => {
      let readBytes = 0;
      const kinds = new Set<string>();
      for await (const item of watch) {
        for (const kind of Object.keys(item)) kinds.add(kind);
        if (!('activity' in item)) continue;
        for (const event of item.activity.events) {
          if (event.stream === 'disk' && event.kind === 'read') readBytes += event.length;
        }
        // What was read when it was mounted, the kernel need not ask for again.
        if (readBytes >= bytes.length / 2 && kinds.has('state')) return kinds;
      }
      return kinds;
    });
    // When the first item is there, nothing is missed.
    await Promise.all([client.request('state', {}), other.request('state', {})]);
    const file = await open(join(mountpoint, 'disk'));
    expect((await file.readFile()).equals(bytes)).toBe(true);
    await file.close();
    for (const kinds of await within('what was read', Promise.all(seen))) {
      expect([...kinds].toSorted()).toEqual(['activity', 'state']);
    }
  });

  test('that stall, stop or die hold up neither others nor reads', {
    timeout: 60_000,
  }, async () => {
    const path = all.hexz.sandbox.path('noise.hxz');
    const bytes = packNoise(path, 8 * MEBIBYTE);
    const mountpoint = all.hexz.newMountpoint();
    const { engine, client } = await all.leased({ snapshot: path, mountpoint });
    const watch = { method: 'watch', params: { rateHz: 30, sendsIdle: true } };
    for (let each = 0; each < 10; each++) {
      const silent = await all.raw(engine);
      silent.socket.pause();
      silent.send({ id: 1, ...watch }, { id: 2, ...everything });
    }
    for (let each = 0; each < 10; each++) {
      const dying = await all.raw(engine);
      dying.send({ id: 1, ...watch }, { id: 2, ...everything });
      dying.cut();
    }
    const file = await open(join(mountpoint, 'disk'));
    expect((await file.readFile()).equals(bytes)).toBe(true);
    await file.close();
    await until('the end of the dead', async () => {
      const { watchers } = await client.request('state', {});
      return watchers === 11;
    });
    expect(await client.request('hash', { stream: 'disk' })).toHaveProperty('sha256');
  });
});

test('a container of memory that is understood first holds up nobody who reads something else', async () => {
  const { client } = await all.leased({ snapshot: goldenPath('a-lz4-4k-both.hxz') });
  const read = (stream: 'disk' | 'memory') =>
    client.request('read', { stream, offset: 0, length: 16 });
  await read('disk');
  const order: string[] = [];
  await Promise.all(
    (['memory', 'disk'] as const).map(async (stream) => {
      await read(stream);
      order.push(stream);
    }),
  );
  // The thread of the disk is there already; that of the memory begins, and has a container to look at.
  expect(order).toEqual(['disk', 'memory']);
});
