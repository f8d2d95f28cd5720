import { describe, expect, test } from 'vitest';
import { COMMAND, ERROR, FLAG } from '../../support/nbd/client.js';
import { expectBytes } from '../../support/nbd/expectBytes.js';
import { servedVolumes } from '../../support/nbd/servers.js';
import { damageBlock } from '../../support/snapshots.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const BLOCK = 16_384;
const serve = servedVolumes(temporaryDirectories());

/** Data, zeros, data: eight blocks, and a little. */
const disk = Buffer.concat([
  someBytes(2 * BLOCK),
  Buffer.alloc(4 * BLOCK),
  someBytes(2 * BLOCK + 1000),
]);
const HOLE_START = 2 * BLOCK;
const HOLE_END = 6 * BLOCK;

describe('READ with structured replies', () => {
  test('tells of zeros as holes', async () => {
    const client = await (await serve({ disk })).open();
    const { data, holeBytes, chunks } = await client.read(0, disk.length);
    expectBytes(data, disk);
    expect(holeBytes).toBe(4 * BLOCK);
    expect(chunks.map(({ type, isLast }) => [type, isLast])).toEqual([
      [1, false],
      [2, false],
      [1, true],
    ]);
  });

  test.each([
    [HOLE_START - 100, 200],
    [HOLE_START + 5, BLOCK],
    [HOLE_END - 4095, 8000],
    [disk.length - 1, 1],
    [1, disk.length - 2],
    [disk.length, 0],
  ])('reads %i + %i', async (offset, length) => {
    const client = await (await serve({ disk })).open();
    expectBytes((await client.read(offset, length)).data, disk.subarray(offset, offset + length));
  });

  test('sends one chunk to who wants it', async () => {
    const client = await (await serve({ disk })).open();
    const { data, chunks, holeBytes } = await client.read(0, disk.length, FLAG.dontFragment);
    expectBytes(data, disk);
    expect(holeBytes).toBe(0);
    expect(chunks).toHaveLength(1);
  });

  test('sends one chunk that is longer than a piece', async () => {
    const large = Buffer.concat([someBytes(700_000), Buffer.alloc(100_000), someBytes(11)]);
    const client = await (await serve({ disk: large })).open();
    const { data, chunks } = await client.read(3, 800_000, FLAG.dontFragment);
    expectBytes(data, large.subarray(3, 800_003));
    expect(chunks.map(({ type }) => type)).toEqual([1, 0]);
  });

  test('says where it met an error, and goes on', async () => {
    const { open, errors } = await serve({ disk, prepare: (path) => damageBlock(path, 1) });
    const client = await open();
    const { error, chunks } = await client.read(0, disk.length);
    expect(error).toBe(ERROR.io);
    const last = chunks.at(-1);
    expect(last?.type).toBe(0x8002);
    expect(last?.payload.toString('latin1')).not.toContain('/');
    expectBytes((await client.read(HOLE_END, 1000)).data, disk.subarray(HOLE_END, HOLE_END + 1000));
    expect(errors).toHaveLength(1);
  });

  test('fills a long chunk up before it tells of an error', async () => {
    const large = someBytes(800_000);
    const { open } = await serve({ disk: large, prepare: (path) => damageBlock(path, 20) });
    const client = await open();
    client.sendRequest(COMMAND.read, { length: 800_000, flags: FLAG.dontFragment });
    const { answer } = await client.answer();
    expect(answer.error).toBe(ERROR.io);
    const [data, failure] = answer.chunks;
    expect(data?.payload.length).toBe(8 + 800_000);
    expectBytes(data?.payload.subarray(8, 8 + 262_144), large.subarray(0, 262_144));
    expect(failure?.payload.readBigUInt64BE((failure?.payload.length ?? 0) - 8)).toBe(262_144n);
    expectBytes((await client.read(0, 100)).data, large.subarray(0, 100));
  });
});

describe('READ with simple replies', () => {
  test.each([
    [0, disk.length],
    [HOLE_START - 10, 20],
    [disk.length - 1, 1],
    [0, 0],
  ])('reads %i + %i', async (offset, length) => {
    const client = await (await serve({ disk })).open({ isStructured: false });
    expectBytes((await client.read(offset, length)).data, disk.subarray(offset, offset + length));
  });

  test('reads more than a piece', async () => {
    const large = someBytes(1_000_000);
    const client = await (await serve({ disk: large })).open({ isStructured: false });
    expectBytes((await client.read(7, 999_000)).data, large.subarray(7, 999_007));
  });

  test.each([1000, 700_000])('sends nothing behind an error of %i bytes', async (length) => {
    const large = someBytes(1_000_000);
    const { open } = await serve({ disk: large, prepare: (path) => damageBlock(path, 0) });
    const client = await open({ isStructured: false });
    expect((await client.read(0, length)).error).toBe(ERROR.io);
    expectBytes((await client.read(BLOCK, 50)).data, large.subarray(BLOCK, BLOCK + 50));
  });

  test('has no flag for one chunk', async () => {
    const client = await (await serve({ disk })).open({ isStructured: false });
    expect((await client.read(0, 10, FLAG.dontFragment)).error).toBe(ERROR.invalid);
  });
});

describe.each([true, false])('requests that are refused (structured: %s)', (isStructured) => {
  test.each([2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n])(
    'WRITE at %i: no byte of it is taken for a request',
    async (offset) => {
      const client = await (await serve({ disk, isWritable: true })).open({ isStructured });
      const payload = Buffer.from('hello');
      expect((await client.do(COMMAND.write, { offset, payload })).error).toBe(ERROR.noSpace);
      expectBytes((await client.read(100, 50)).data, disk.subarray(100, 150));
    },
  );

  const beyond = { offset: disk.length - 5, length: 10 };
  test.each([
    ['READ beyond the end', COMMAND.read, beyond, ERROR.invalid],
    ['READ far beyond', COMMAND.read, { offset: 2n ** 64n - 1n, length: 1 }, ERROR.invalid],
    ['READ of too much', COMMAND.read, { length: 2 ** 25 + 1 }, ERROR.invalid],
    ['READ with an unknown flag', COMMAND.read, { length: 1, flags: 64 }, ERROR.invalid],
    [
      'WRITE beyond the end',
      COMMAND.write,
      { offset: disk.length - 5, payload: someBytes(10) },
      ERROR.noSpace,
    ],
    ['WRITE of too much', COMMAND.write, { payload: Buffer.alloc(2 ** 25 + 1) }, ERROR.invalid],
    [
      'WRITE with a flag of others',
      COMMAND.write,
      { payload: someBytes(9), flags: FLAG.noHole },
      ERROR.invalid,
    ],
    ['WRITE_ZEROES beyond the end', COMMAND.writeZeroes, beyond, ERROR.noSpace],
    ['TRIM beyond the end', COMMAND.trim, beyond, ERROR.noSpace],
    ['CACHE beyond the end', COMMAND.cache, beyond, ERROR.invalid],
    ['BLOCK_STATUS without a context', COMMAND.blockStatus, { length: 10 }, ERROR.invalid],
    ['a command that nobody knows', 99, {}, ERROR.invalid],
  ])('%s; the next one is found behind it', async (_, command, fields, error) => {
    const client = await (await serve({ disk, isWritable: true })).open({ isStructured });
    expect((await client.do(command, fields)).error).toBe(error);
    expectBytes((await client.read(100, 50)).data, disk.subarray(100, 150));
  });

  test.each([
    ['WRITE', COMMAND.write, { payload: someBytes(300_000 % disk.length) }],
    ['WRITE_ZEROES', COMMAND.writeZeroes, { length: 10 }],
    ['TRIM', COMMAND.trim, { length: 10 }],
  ])('%s of an export that is read-only', async (_, command, fields) => {
    const client = await (await serve({ disk })).open({ isStructured });
    expect((await client.do(command, fields)).error).toBe(ERROR.permission);
    expect((await client.do(COMMAND.flush)).error).toBe(0);
    expectBytes((await client.read(100, 50)).data, disk.subarray(100, 150));
  });

  test('what is no request ends the connection', async () => {
    const client = await (await serve({ disk })).open({ isStructured });
    client.sendRequest(COMMAND.read, { magic: 0x25609514, length: 10 });
    expect(await client.end()).toHaveLength(0);
  });
});

describe('changes', () => {
  test('WRITE is seen by all clients, also in pieces that fit nowhere', async () => {
    const { open } = await serve({ disk: Buffer.alloc(1_000_000), isWritable: true });
    const [one, other] = [await open(), await open({ isStructured: false })];
    const bytes = someBytes(700_001);
    expect((await one.write(12_345, bytes)).error).toBe(0);
    expectBytes((await other.read(12_345, bytes.length)).data, bytes);
    expectBytes((await other.read(0, 12_345)).data, Buffer.alloc(12_345));
  });

  test('WRITE_ZEROES writes only where there is something', async () => {
    const { open, volume } = await serve({ disk, isWritable: true });
    const client = await open();
    expect((await client.do(COMMAND.writeZeroes, { length: disk.length })).error).toBe(0);
    expectBytes((await client.read(0, disk.length)).data, Buffer.alloc(disk.length));
    expect(volume.dirtyBytes).toBeLessThan(disk.length - 3 * BLOCK);
  });

  test('WRITE_ZEROES takes room where the client wants it', async () => {
    const { open, volume } = await serve({ disk, isWritable: true });
    const client = await open();
    const fields = { offset: HOLE_START, length: BLOCK, flags: FLAG.noHole };
    expect((await client.do(COMMAND.writeZeroes, fields)).error).toBe(0);
    expect(volume.dirtyBytes).toBe(BLOCK);
  });

  test('WRITE_ZEROES is fast only where nothing is to be done', async () => {
    const { open, volume } = await serve({ disk, isWritable: true });
    const client = await open();
    const zero = (offset: number, flags: number) =>
      client.do(COMMAND.writeZeroes, { offset, length: BLOCK, flags });
    expect((await zero(HOLE_START, FLAG.fastZero)).error).toBe(0);
    expect((await zero(HOLE_START - 1, FLAG.fastZero)).error).toBe(ERROR.unsupported);
    expect((await zero(HOLE_START, FLAG.fastZero | FLAG.noHole)).error).toBe(ERROR.unsupported);
    expect(volume.dirtyBytes).toBe(0);
  });

  test('TRIM and CACHE leave everything as it is', async () => {
    const { open, volume } = await serve({ disk, isWritable: true });
    const client = await open();
    for (const command of [COMMAND.trim, COMMAND.cache]) {
      expect((await client.do(command, { length: disk.length })).error).toBe(0);
    }
    expect(volume.dirtyBytes).toBe(0);
    expectBytes((await client.read(0, disk.length)).data, disk);
  });

  test('an error of the overlay is answered, and the rest of the payload is no request', async () => {
    const { open } = await serve({
      disk,
      isWritable: true,
      prepare: (path) => damageBlock(path, 1),
    });
    const client = await open();
    // A page is written in part, and the rest of it cannot be read.
    expect((await client.write(BLOCK + 10, someBytes(60_000))).error).toBe(ERROR.io);
    expectBytes((await client.read(0, 50)).data, disk.subarray(0, 50));
  });
});

describe('what is to be on the disk', () => {
  /** Syncs that are over when the test says so. */
  function syncs() {
    const ends: (() => void)[] = [];
    const sync = () => new Promise<void>((resolve) => ends.push(resolve));
    return { ends, sync };
  }

  test('FLUSH and FUA are answered when it is, and hold nobody up', async () => {
    const { ends, sync } = syncs();
    const { open } = await serve({ disk, isWritable: true, exported: { sync } });
    const client = await open();
    const flush = client.sendRequest(COMMAND.flush);
    const forced = client.sendRequest(COMMAND.write, {
      payload: Buffer.from('forced'),
      flags: FLAG.fua,
    });
    const read = client.sendRequest(COMMAND.read, { length: 6 });
    const first = await client.answer();
    expect(first.name).toBe(read);
    expect(first.answer.chunks[0]?.payload.toString('latin1', 8)).toBe('forced');
    expect(ends).toHaveLength(2);
    ends[1]?.();
    expect((await client.answer()).name).toBe(forced);
    ends[0]?.();
    expect((await client.answer()).name).toBe(flush);
  });

  test('an error of it is answered', async () => {
    const sync = () => Promise.reject(Object.assign(new Error('broken')));
    const client = await (await serve({ disk, isWritable: true, exported: { sync } })).open();
    expect((await client.do(COMMAND.flush)).error).toBe(ERROR.io);
    expect((await client.write(0, Buffer.from('x'), FLAG.fua)).error).toBe(ERROR.io);
  });

  test('DISC waits for what was begun, and ends without an answer', async () => {
    const { ends, sync } = syncs();
    const { open } = await serve({ disk, isWritable: true, exported: { sync } });
    const client = await open();
    const flush = client.sendRequest(COMMAND.flush);
    client.sendRequest(COMMAND.disconnect);
    client.sendRequest(COMMAND.read, { length: 10 });
    expect((await (await open()).read(0, 10)).error).toBe(0);
    ends[0]?.();
    expect((await client.answer()).name).toBe(flush);
    expect(await client.end()).toHaveLength(0);
  });

  test('a flood of flushes is answered', async () => {
    const { open } = await serve({ disk, isWritable: true });
    const client = await open();
    const names = new Set(
      Array.from({ length: 500 }, () => client.sendRequest(COMMAND.flush, { length: 0 })),
    );
    while (names.size > 0) expect(names.delete((await client.answer()).name)).toBe(true);
  });
});

describe('changes that are held', () => {
  test('wait, while reads of other clients are answered', async () => {
    let open = () => {};
    let held: Promise<void> | undefined = new Promise((resolve) => {
      open = () => {
        held = undefined;
        resolve();
      };
    });
    const served = await serve({ disk, isWritable: true, exported: { held: () => held } });
    const [writer, reader] = [await served.open(), await served.open()];
    const name = writer.sendRequest(COMMAND.write, { payload: Buffer.from('later') });
    for (let count = 0; count < 5; count++) {
      expectBytes((await reader.read(0, 5)).data, disk.subarray(0, 5));
    }
    open();
    expect((await writer.answer()).name).toBe(name);
    expect((await reader.read(0, 5)).data.toString()).toBe('later');
  });
});

describe('BLOCK_STATUS', () => {
  const contexts = ['base:allocation', 'qemu:dirty-bitmap:overlay'];

  test('tells holes by the index, and dirty pages as data', async () => {
    const { open } = await serve({ disk, isWritable: true });
    const client = await open({ contexts });
    expect(await client.status(0, disk.length)).toEqual([
      [2 * BLOCK, 0],
      [4 * BLOCK, 3],
      [2 * BLOCK + 1000, 0],
    ]);
    expect(await client.status(0, disk.length, { contextIndex: 1 })).toEqual([[disk.length, 0]]);
    await client.write(HOLE_START + 4096, Buffer.alloc(10));
    expect(await client.status(HOLE_START, 4 * BLOCK)).toEqual([
      [4096, 3],
      [4096, 0],
      [4 * BLOCK - 8192, 3],
    ]);
    expect(await client.status(HOLE_START + 5000, 5000, { contextIndex: 1 })).toEqual([
      [3192, 1],
      [1808, 0],
    ]);
  });

  test('tells of one run to who wants one', async () => {
    const client = await (await serve({ disk, isWritable: true })).open({ contexts });
    for (const contextIndex of [0, 1]) {
      const options = { flags: FLAG.requestOne, contextIndex };
      expect(await client.status(10, disk.length - 10, options)).toHaveLength(1);
    }
  });

  test('says data of what the index cannot tell', async () => {
    const client = await (await serve({ disk })).open({ contexts });
    expect(await client.status(disk.length - 10, 10)).toEqual([[10, 0]]);
    expect((await client.do(COMMAND.blockStatus, { offset: disk.length, length: 1 })).error).toBe(
      ERROR.invalid,
    );
    expect((await client.do(COMMAND.blockStatus, { length: 0 })).error).toBe(ERROR.invalid);
  });
});
