import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { mounts } from '../support/mounts.js';
import { type Serving, startServing } from '../support/nbd/serving.js';
import { requires } from '../support/requires.js';
import { packSnapshot } from '../support/snapshots.js';
import { someBytes } from '../support/streams.js';

/*
 * What clients that others wrote make of our server: each of them checks the protocol in its own way.
 */

const hexz = mounts();
const LIMIT_MILLISECONDS = 60_000;
const execute = promisify(execFile);
const MIB = 1024 * 1024;

/** 5 MiB of data around 3 MiB of zeros, and an end that is no multiple of anything. */
const disk = Buffer.concat([someBytes(2 * MIB), Buffer.alloc(3 * MIB), someBytes(3 * MIB + 700)]);
/** The same for those who think in sectors. */
const evenDisk = disk.subarray(0, 8 * MIB);

async function run(program: string, ...args: readonly string[]): Promise<string> {
  const options = { timeout: LIMIT_MILLISECONDS, maxBuffer: 64 * MIB, encoding: 'latin1' } as const;
  const { stdout } = await execute(program, args, options);
  return stdout;
}

const serve = (bytes: Buffer, args: readonly string[] = []): Promise<Serving> =>
  startServing(hexz, packSnapshot(hexz.sandbox.path('disk.hxz'), { disk: bytes }), args);

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const hashOf = (path: string): string => sha256(readFileSync(path));

async function endCleanly(serving: Serving): Promise<void> {
  expect(await serving.end('SIGTERM')).toBe(0);
  expect(serving.stderr()).toBe('');
}

/** Runs of a map in JSON: nbdinfo and qemu-img name the same things differently. */
const parse = (text: string) => JSON.parse(text) as Record<string, unknown>[];

describe.runIf(requires('libnbd'))('libnbd', () => {
  test('nbdinfo says what there is', async () => {
    const serving = await serve(disk, ['--rw']);
    const { exports } = JSON.parse(await run('nbdinfo', '--json', serving.url)) as {
      exports: Record<string, unknown>[];
    };
    expect(exports).toMatchObject([
      {
        'export-size': disk.length,
        contexts: ['base:allocation', 'qemu:dirty-bitmap:overlay'],
        is_read_only: false,
        can_multi_conn: true,
        can_flush: true,
        can_fua: true,
        can_zero: true,
        can_fast_zero: true,
        can_trim: true,
        can_cache: true,
        can_df: true,
        block_size_minimum: 1,
        block_size_preferred: 65_536,
        block_size_maximum: 32 * MIB,
      },
    ]);
    await endCleanly(serving);
  });

  test('nbdinfo maps holes and dirty pages', async () => {
    const serving = await serve(disk, ['--rw']);
    const map = async (context: string) =>
      parse(await run('nbdinfo', '--json', `--map=${context}`, serving.url)).map(
        ({ offset, length, type }) => [offset, length, type],
      );
    expect(await map('base:allocation')).toEqual([
      [0, 2 * MIB, 0],
      [2 * MIB, 3 * MIB, 3],
      [5 * MIB, 3 * MIB + 700, 0],
    ]);
    const piece = hexz.sandbox.path('piece');
    writeFileSync(piece, someBytes(4096));
    await run('nbdcopy', piece, serving.url);
    expect(await map('qemu:dirty-bitmap:overlay')).toEqual([
      [0, 4096, 1],
      [4096, disk.length - 4096, 0],
    ]);
    await endCleanly(serving);
  });

  test.each([1, 4])('nbdcopy reads and writes with %i connections', async (connections) => {
    const [source, target] = [hexz.sandbox.path('source'), hexz.sandbox.path('target')];
    const wanted = someBytes(disk.length);
    wanted.fill(0, MIB, 2 * MIB);
    writeFileSync(source, wanted);
    const serving = await serve(disk, ['--rw', '--socket', hexz.sandbox.path('nbd.sock')]);
    const option = `--connections=${connections}`;
    await run('nbdcopy', option, serving.url, target);
    expect(hashOf(target)).toBe(sha256(disk));
    await run('nbdcopy', option, '--flush', source, serving.url);
    await run('nbdcopy', option, serving.url, target);
    expect(hashOf(target)).toBe(sha256(wanted));
    await endCleanly(serving);
  });
});

describe.runIf(requires('qemu-utils'))('QEMU', () => {
  test('qemu-img converts, compares and maps', async () => {
    const [raw, copy] = [hexz.sandbox.path('raw'), hexz.sandbox.path('copy')];
    for (const bytes of [evenDisk, disk]) {
      writeFileSync(raw, bytes);
      const serving = await serve(bytes);
      await run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', serving.url, copy);
      // QEMU rounds up to sectors.
      expect(sha256(readFileSync(copy).subarray(0, bytes.length))).toBe(sha256(bytes));
      await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', raw, serving.url);
      await endCleanly(serving);
    }
    const serving = await serve(evenDisk);
    const map = parse(await run('qemu-img', 'map', '-f', 'raw', '--output=json', serving.url));
    expect(map.map(({ start, length, zero, present }) => [start, length, zero, present])).toEqual([
      [0, 2 * MIB, false, true],
      [2 * MIB, 3 * MIB, true, true],
      [5 * MIB, 3 * MIB, false, true],
    ]);
    await endCleanly(serving);
  });

  test('qemu-img converts into the overlay, and qemu-io checks patterns', async () => {
    const raw = hexz.sandbox.path('raw');
    const bytes = someBytes(evenDisk.length);
    bytes.fill(0, 3 * MIB, 5 * MIB);
    writeFileSync(raw, bytes);
    const serving = await serve(evenDisk, ['--rw']);
    await run('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', raw, serving.url);
    await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', raw, serving.url);
    const commands = [
      'write -P 0x55 4k 64k',
      'read -P 0x55 4k 64k',
      'write -z 8k 4k',
      'read -P 0 8k 4k',
      'write -z -u 1M 1M',
      'read -P 0 1M 1M',
      'discard 2M 1M',
      'write -f -P 7 1000 700',
      'read -P 7 1000 700',
      'flush',
      'aio_write -P 9 6M 1M',
      'aio_flush',
      'read -P 9 6M 1M',
    ];
    const args = commands.flatMap((command) => ['-c', command]);
    const said = await run('qemu-io', '-f', 'raw', ...args, serving.url);
    expect(said).not.toContain('failed');
    await endCleanly(serving);
  });
});

describe.runIf(requires('nbdkit with its nbd plugin', 'libnbd'))('nbdkit', () => {
  test('passes our disk on', async () => {
    const target = hexz.sandbox.path('target');
    const socket = hexz.sandbox.path('nbd.sock');
    const serving = await serve(disk, ['--rw', '--socket', socket]);
    await run(
      'nbdkit',
      '--unix=-',
      'nbd',
      `socket=${socket}`,
      '--run',
      `nbdcopy "$uri" ${target} && nbdcopy ${target} "$uri"`,
    );
    expect(hashOf(target)).toBe(sha256(disk));
    await endCleanly(serving);
  });
});

describe.runIf(requires('fio for NBD'))('fio', () => {
  test('finds what it wrote at random', async () => {
    const serving = await serve(Buffer.alloc(16 * MIB), [
      '--rw',
      '--socket',
      hexz.sandbox.path('nbd.sock'),
    ]);
    const args = ['--name=verify', '--ioengine=nbd', `--uri=${serving.url}`, '--rw=randwrite'];
    const sizes = [
      '--size=16m',
      '--bsrange=512-64k',
      '--blockalign=512',
      '--iodepth=16',
      '--norandommap=0',
      '--verify_state_save=0',
    ];
    const check = ['--verify=crc32c', '--verify_fatal=1', '--fsync=64', '--output-format=json'];
    const said = await run('fio', ...args, ...sizes, ...check);
    // It says to whom it connects, first.
    const { jobs } = JSON.parse(said.slice(said.indexOf('{'))) as {
      jobs: { error: number; read: { total_ios: number } }[];
    };
    expect(jobs[0]?.error).toBe(0);
    expect(jobs[0]?.read.total_ios).toBeGreaterThan(0);
    await endCleanly(serving);
  });
});
