import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Result } from '../../../src/engine/control/protocol/methods.js';
import { openSnapshot } from '../../../src/index.js';
import { engines } from '../../support/engines.js';
import { bootParams, Guest, markedPage } from '../../support/memory/guest.js';
import { migrationOf } from '../../support/memory/migration.js';
import { type BuiltRecipe, builtRecipe } from '../../support/recipes.js';
import { packSnapshot } from '../../support/snapshots.js';
import { readStream } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const all = engines();
let repeated: BuiltRecipe;
let memoryOnly: BuiltRecipe;

beforeAll(async () => {
  repeated = await builtRecipe('repeated');
  memoryOnly = await builtRecipe('memory-only');
});

const bytesOf = (stream: 'disk' | 'memory', { snapshot: path }: BuiltRecipe): Buffer => {
  const snapshot = openSnapshot(path);
  try {
    return readStream(snapshot, stream);
  } finally {
    snapshot.close();
  }
};

describe('what can be asked of an engine', () => {
  test('state', async () => {
    const { engine, client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    expect(client.pid).toBe(engine.pid);
    const state = await client.request('state', {});
    expect(state).toMatchObject({
      pid: engine.pid,
      mount: null,
      lease: 'bound',
      watchers: 1,
      isQuiesced: false,
      snapshot: { path: repeated.snapshot, blockBytes: 4096, isEncrypted: false, parents: [] },
      overlay: { isTemporary: true, isWritable: true, dirtyPages: 0, diskLength: 200 * 16384 },
    });
    expect(state.snapshot.streams).toEqual({
      disk: { length: 200 * 16384 },
      memory: { length: 50 * 8192 },
    });
  });

  test('info is the document of the command', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    for (const countsBlocks of [false, true]) {
      const flags = countsBlocks ? ['--blocks'] : [];
      const { stdout } = await all.hexz.run(['info', repeated.snapshot, '--json', ...flags]);
      expect(await client.request('info', { countsBlocks })).toEqual(JSON.parse(stdout.toString()));
    }
  });

  test('read and hash, up to the end and behind it', async () => {
    const disk = bytesOf('disk', repeated);
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    for (const [offset, length] of [
      [0, 5000],
      [4095, 2],
      [disk.length - 3, 100],
      [disk.length, 10],
      [Number.MAX_SAFE_INTEGER, 10],
    ] as const) {
      const read = await client.request('read', { stream: 'disk', offset, length });
      const bytes = Buffer.concat(read.pieces.map((piece) => Buffer.from(piece.bytes, 'base64')));
      expect(bytes).toEqual(disk.subarray(offset, offset + length));
      expect(read.endOffset).toBe(disk.length);
      const hash = client.request('hash', { stream: 'disk', offset, length });
      if (offset + length > disk.length) {
        // Of less than was asked for it would be another one.
        await expect(hash).rejects.toMatchObject({
          code: 'NOT_PRESENT',
          message: expect.stringContaining(`0x${disk.length.toString(16)}`),
        });
        continue;
      }
      const { sha256 } = await hash;
      expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    }
  });

  test('read says of each byte of a container where it lies', async () => {
    const guest = new Guest(5, 0);
    guest.pages.set(0, bootParams(guest));
    for (const page of [1, 2, 3]) guest.pages.set(page * 4096, markedPage(page * 4096));
    const memory = migrationOf(guest).bytes;
    const snapshot = packSnapshot(join(newDirectory(), 'guest.hxz'), { memory });
    const { client } = await all.leased({ snapshot });
    const { pieces } = await client.request('read', {
      stream: 'memory',
      offset: 100,
      length: 20_000,
    });
    expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(4 * 4096 - 100);
    for (const { length, streamOffset, bytes } of pieces) {
      const at = streamOffset ?? Number.NaN;
      expect(memory.subarray(at, at + length).equals(Buffer.from(bytes, 'base64'))).toBe(true);
    }
  });

  test('locate says which addresses the bytes of a container have', async () => {
    const guest = new Guest(5, 0);
    guest.pages.set(0, bootParams(guest));
    for (const page of [1, 2, 3]) guest.pages.set(page * 4096, markedPage(page * 4096));
    const memory = migrationOf(guest).bytes;
    const snapshot = packSnapshot(join(newDirectory(), 'guest.hxz'), { memory });
    const { client } = await all.leased({ snapshot });
    const { isContainer, runs } = await client.request('locate', {
      stretches: [{ offset: 0, length: memory.length }],
    });
    expect(isContainer).toBe(true);
    expect(runs.reduce((sum, { length }) => sum + length, 0)).toBe(memory.length);
    const stored = runs.filter(({ guestOffset }) => guestOffset !== null);
    expect(stored.length).toBeGreaterThan(0);
    for (const { offset, length, guestOffset } of stored) {
      const { pieces } = await client.request('read', {
        stream: 'memory',
        offset: guestOffset ?? 0,
        length,
      });
      const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece.bytes, 'base64')));
      expect(bytes.equals(memory.subarray(offset, offset + length))).toBe(true);
    }
    const flat = await all.leased({ snapshot: repeated.snapshot });
    expect(await flat.client.request('locate', { stretches: [{ offset: 0, length: 1 }] })).toEqual({
      isContainer: false,
      runs: [],
    });
  });

  test('inspect, block', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    const disk = bytesOf('disk', repeated);
    const { readings } = await client.request('inspect', { stream: 'disk', offset: 7 });
    expect(readings.map(({ value }) => value)).toContain(String(disk.readUInt8(7)));
    expect(await client.request('block', { stream: 'disk', offset: 4096 })).toMatchObject({
      blockIndex: 1,
      offset: 4096,
      length: 4096,
      file: repeated.snapshot,
    });
    await expect(
      client.request('block', { stream: 'disk', offset: disk.length }),
    ).rejects.toMatchObject({ code: 'NOT_PRESENT' });
  });

  test('block tells where else its bytes are, what is cached, and who read it', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    const params = { stream: 'disk', offset: 4096 } as const;
    expect(await client.request('block', params)).toMatchObject({
      sharedBy: null,
      sharedAt: [],
      isCached: false,
      lastReads: [],
    });
    const { sharedBy, sharedAt } = await client.request('block', { ...params, findsShared: true });
    // Every repetition of the disk, and of the memory.
    expect(sharedBy).toBe(250);
    expect(sharedAt.slice(0, 2)).toEqual([
      { stream: 'disk', blockIndex: 1, offset: 4096 },
      { stream: 'disk', blockIndex: 5, offset: 16384 + 4096 },
    ]);
  });

  test('blocks, page by page', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    const offsets: number[] = [];
    let next: number | null = 0;
    while (next !== null) {
      const page: Result<'blocks'> = await client.request('blocks', {
        stream: 'disk',
        offset: next,
        limit: 300,
      });
      offsets.push(...page.blocks.map(({ offset }) => offset));
      next = page.nextOffset;
    }
    expect(offsets).toEqual(Array.from({ length: 800 }, (_, index) => index * 4096));
    const behind = { stream: 'disk', offset: 800 * 4096 } as const;
    expect(await client.request('blocks', behind)).toEqual({ blocks: [], nextOffset: null });
  });

  test('map and occupancy, in cells that are a power of two', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    const disk = { stream: 'disk', cellBytes: 1024 * 1024 } as const;
    const map = client.stream('map', disk);
    const runs = [];
    for await (const run of map) runs.push(run);
    expect(await map.result).toEqual({ cells: 4, damage: [] });
    // One page of four is zeros.
    const cell = (length: number) => ({
      dataBytes: (length / 4) * 3,
      zeroBytes: length / 4,
      parentBytes: 0,
    });
    expect(runs).toEqual([
      { firstCell: 0, cellCount: 3, ...cell(disk.cellBytes) },
      { firstCell: 3, cellCount: 1, ...cell(200 * 16384 - 3 * disk.cellBytes) },
    ]);
    const bytes = Buffer.alloc(8192, 1).toString('base64');
    await client.request('write', { offset: disk.cellBytes - 4096, bytes });
    expect(await client.request('occupancy', disk)).toMatchObject({
      dirty: [0, 1, 1, 1],
      cached: [],
      dirtyPages: 2,
    });
    const part = { ...disk, offset: disk.cellBytes, length: 1 };
    expect(await client.request('occupancy', part)).toMatchObject({ dirty: [1, 1] });
    const odd = client.request('map', { ...disk, cellBytes: 5000 });
    await expect(odd).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('search yields matches in order, forward and backward, up to a maximum', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    const disk = bytesOf('disk', repeated);
    const needle = disk.subarray(100, 108);
    const expected = Array.from({ length: 200 }, (_, index) => index * 16384 + 100);
    const pattern = `x:${needle.toString('hex')}`;
    for (const isBackward of [false, true]) {
      const stream = client.stream('search', { stream: 'disk', pattern, isBackward });
      const found: number[] = [];
      for await (const match of stream) {
        found.push(match.offset);
        const preview = Buffer.from(match.preview, 'base64');
        expect(preview.subarray(match.offset - match.previewOffset).subarray(0, 8)).toEqual(needle);
      }
      expect(found).toEqual(isBackward ? expected.toReversed() : expected);
      expect((await stream.result).found).toBe(200);
    }
    const three = await client.request('search', { stream: 'disk', pattern, maximum: 3 });
    expect(three).toEqual({ found: 3, searchedBytes: 2 * 16384 + 108 });
    const last = { stream: 'disk', pattern, maximum: 1, isBackward: true } as const;
    expect(await client.request('search', last)).toEqual({ found: 1, searchedBytes: 16384 - 100 });
    const { found, searchedBytes } = await client.request('strings', {
      stream: 'disk',
      maximum: 2,
    });
    expect(found).toBe(2);
    expect(searchedBytes).toBeGreaterThan(0);
    expect(searchedBytes).toBeLessThan(1024 ** 2);
  });

  test('a request for only the result of a search with many matches gets it', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    const { found } = await client.request('search', { stream: 'disk', pattern: 'x:00' });
    expect(found).toBe(bytesOf('disk', repeated).filter((byte) => byte === 0).length);
  });

  test('strings, memory, classify', async () => {
    const { client } = await all.leased({ snapshot: memoryOnly.snapshot });
    const texts: string[] = [];
    for await (const { text } of client.stream('strings', { stream: 'memory', minimumLength: 20 }))
      texts.push(text);
    expect(texts).toContain('Linux version 6.1.0-demo (build@demo) #1 SMP');
    expect(await client.request('memory', {})).toMatchObject({
      container: 'raw',
      banner: { offset: 0, text: 'Linux version 6.1.0-demo (build@demo) #1 SMP' },
    });
    const { pages } = await client.request('classify', { stream: 'memory' });
    const memory = bytesOf('memory', memoryOnly);
    const sum = Object.values(pages).reduce((total, number) => total + number, 0);
    expect(sum).toBe(Math.ceil(memory.length / 4096));
  });

  test('a stream that is not there', async () => {
    const { client } = await all.leased({ snapshot: memoryOnly.snapshot });
    for (const asked of [
      client.request('read', { stream: 'disk', offset: 0, length: 1 }),
      client.request('hash', { stream: 'disk' }),
      client.request('search', { stream: 'disk', pattern: 'a' }),
      client.request('strings', { stream: 'disk' }),
    ]) {
      await expect(asked).rejects.toMatchObject({ code: 'NO_STREAM' });
    }
  });

  test('a pattern that is none, with the column of its error', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    await expect(
      client.request('search', { stream: 'disk', pattern: 'x:0g' }),
    ).rejects.toMatchObject({ code: 'USAGE', location: { column: 4 } });
  });

  test('dirty knows the length of a disk without an overlay', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    expect(await client.request('dirty', {})).toEqual({
      extents: [],
      nextPage: null,
      dirtyPages: 0,
      diskLength: 200 * 16_384,
    });
  });

  test('sync and resume with nothing to do', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    expect(await client.request('sync', {})).toEqual({});
    expect(await client.request('resume', {})).toEqual({});
  });
});
