import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { findEngine } from '../../../src/engine/process/start.js';
import { engines } from '../../support/engines.js';
import { isMounted } from '../../support/mounts.js';
import { type BuiltRecipe, builtRecipe } from '../../support/recipes.js';
import { requires } from '../../support/requires.js';
import { runTool } from '../../support/tools.js';
import { until, within } from '../../support/until.js';

const all = engines();
let repeated: BuiltRecipe;

beforeAll(async () => {
  repeated = await builtRecipe('repeated');
});

/** Writes a byte in a process of its own, because a held write holds its process. */
function writeElsewhere(disk: string): Promise<unknown> {
  return once(
    spawn('sh', [
      '-c',
      'printf x | dd of="$1" bs=1 seek=5 conv=notrunc,fsync status=none',
      'sh',
      disk,
    ]),
    'exit',
  );
}

/** Of all of its threads. */
const childrenOf = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' ').filter(Boolean),
  );

describe.runIf(requires('FUSE'))('a mount', () => {
  test('is made, taken away and made again, elsewhere and at the same place', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    const places = [all.hexz.newMountpoint(), all.hexz.newMountpoint()];
    for (const [round, mountpoint] of [...places, ...places].entries()) {
      const { mount } = await client.request('mount', { mountpoint });
      expect(mount).toMatchObject({ mountpoint, mode: 'rw' });
      const disk = join(mountpoint, 'disk');
      // What was written stays from mount to mount.
      if (round > 0) expect(readFileSync(disk)[round - 1]).toBe(0x78);
      const file = await open(disk, 'r+');
      await file.write('x', round);
      await file.close();
      await client.request('unmount', {});
      expect(isMounted(mountpoint)).toBe(false);
      expect(await client.request('state', {})).toMatchObject({
        mount: null,
        overlay: { dirtyPages: 1 },
      });
    }
  });

  test('tells what it has in memory, and who has read it', async () => {
    // In blocks that are larger than what is read of them: one that is taken as a whole is not kept.
    const { snapshot } = await builtRecipe('demo');
    const { client } = await all.leased({ snapshot });
    const mountpoint = all.hexz.newMountpoint();
    await client.request('mount', { mountpoint });
    const place = { stream: 'disk', offset: 65_536 } as const;
    expect(await client.request('block', place)).toMatchObject({ isCached: false, lastReads: [] });
    const file = await open(join(mountpoint, 'disk'), 'r');
    await file.read(Buffer.alloc(10), 0, 10, place.offset + 100);
    await file.close();
    const block = await client.request('block', place);
    expect(block).toMatchObject({
      isCached: true,
      lastReads: [{ kind: 'read', stream: 'disk', offset: place.offset, decodedBlocks: 1 }],
    });
    const cells = { stream: 'disk', cellBytes: 65_536 } as const;
    const { cached } = await client.request('occupancy', cells);
    expect(cached.slice(-2)).toEqual([1, 1]);
    await client.request('unmount', {});
  });

  test('is one at a time', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    const places = Array.from({ length: 4 }, () => all.hexz.newMountpoint());
    const attempts = await Promise.allSettled(
      places.map((mountpoint) => client.request('mount', { mountpoint })),
    );
    expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(places.filter(isMounted)).toHaveLength(1);
    await client.request('unmount', {});
    expect(places.filter(isMounted)).toHaveLength(0);
  });

  test('whose place cannot be used is refused, and the engine goes on', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    for (const mountpoint of ['/nowhere/at/all', repeated.snapshot, '/dev/null', '/']) {
      await expect(client.request('mount', { mountpoint })).rejects.toMatchObject({
        code: 'MOUNTPOINT_UNUSABLE',
      });
    }
    expect(await client.request('state', {})).toMatchObject({ mount: null });
  });

  test('that others take away leaves an engine whose lease is held', async () => {
    const mountpoint = all.hexz.newMountpoint();
    const { client } = await all.leased({ snapshot: repeated.snapshot, mountpoint });
    expect(runTool('umount', mountpoint) || runTool('fusermount', '-u', mountpoint)).toBe(true);
    await until('the end of the mount', async () => {
      return (await client.request('state', {})).mount === null;
    });
    await client.request('mount', { mountpoint });
    expect(isMounted(mountpoint)).toBe(true);
  });

  test('that is in use is kept, with its lease, and goes when it is used no more', async () => {
    const mountpoint = all.hexz.newMountpoint();
    const { client } = await all.leased({ snapshot: repeated.snapshot, mountpoint });
    const file = await open(join(mountpoint, 'disk'));
    for (const method of ['unmount', 'shutdown'] as const) {
      await expect(client.request(method, {})).rejects.toMatchObject({ code: 'MOUNT_BUSY' });
      expect(await client.request('state', {})).toMatchObject({ lease: 'bound' });
    }
    await file.close();
    await client.request('shutdown', {});
    await within('the end', client.closed);
    await until('nothing is left', () => all.hexz.sandbox.processes().length === 0);
    all.hexz.expectNothingLeft();
  });

  test('has one program for all changes of its disk, which does not keep it when the engine is killed', async () => {
    const mountpoint = all.hexz.newMountpoint();
    const { engine, client } = await all.leased({
      snapshot: repeated.snapshot,
      mountpoint,
      rw: true,
    });
    const started = new Set<string>();
    for (const text of ['a', 'b', 'c']) {
      await client.request('write', { offset: 0, bytes: Buffer.from(text).toString('base64') });
      expect(readFileSync(join(mountpoint, 'disk')).toString('latin1', 0, 1)).toBe(text);
      for (const pid of childrenOf(engine.pid)) started.add(pid);
    }
    expect(started.size).toBe(1);
    const open = [...started].flatMap((pid) =>
      readdirSync(`/proc/${pid}/fd`).map((name) => readlinkSync(`/proc/${pid}/fd/${name}`)),
    );
    expect(open).not.toContain('/dev/fuse');
    process.kill(engine.pid, 'SIGKILL');
    await until('all have ended', () => all.hexz.sandbox.processes().length === 0);
  });

  test('that was detached and is still open keeps its disk from being changed', async () => {
    const mountpoint = all.hexz.newMountpoint();
    const { client } = await all.leased({ snapshot: repeated.snapshot, mountpoint, rw: true });
    const bytes = Buffer.from('x').toString('base64');
    await client.request('write', { offset: 0, bytes });
    const file = await open(join(mountpoint, 'disk'));
    await client.request('unmount', { isLazy: true });
    const drop = () => client.request('drop', { pages: [{ pageIndex: 0, pageCount: 1 }] });
    await expect(drop()).rejects.toMatchObject({ code: 'DISK_IN_USE' });
    expect(await client.request('state', {})).toMatchObject({ overlay: { dirtyPages: 1 } });
    await file.close();
    await until('the end of the mount', async () => {
      return (await client.request('state', {})).mount === null;
    });
    expect(await drop()).toEqual({ droppedPages: 1 });
  });

  test('of a daemon is found by its mountpoint and by its process, and ended', async () => {
    const daemon = await all.hexz.daemon(repeated.snapshot);
    for (const name of [daemon.mountpoint, String(daemon.pid)]) {
      const engine = findEngine(name);
      expect(engine).toMatchObject({ pid: daemon.pid, mountpoint: daemon.mountpoint });
      const client = await all.connect(engine);
      expect(await client.request('state', {})).toMatchObject({ lease: 'mount' });
      // Whoever only looks does not end it.
      await client.close();
    }
    const client = await all.connect(findEngine(daemon.mountpoint));
    expect(await client.request('shutdown', {})).toEqual({ keptOverlay: null });
    await until('its end', () => all.hexz.sandbox.processes().length === 0);
    expect(() => findEngine(daemon.mountpoint)).toThrow(
      expect.objectContaining({ code: 'NOT_MOUNTED' }),
    );
  });

  test('without a lease ends with unmount, which is answered', async () => {
    const daemon = await all.hexz.daemon(repeated.snapshot);
    const client = await all.connect(findEngine(daemon.mountpoint));
    expect(await client.request('unmount', {})).toEqual({});
    await within('the end', client.closed);
  });
});

describe.runIf(requires('FUSE'))('held writes', () => {
  test('wait for resume while reads go on, and then happen', async () => {
    const mountpoint = all.hexz.newMountpoint();
    const { client } = await all.leased({ snapshot: repeated.snapshot, mountpoint, rw: true });
    await client.request('quiesce', {});
    const disk = join(mountpoint, 'disk');
    let isWritten = false;
    const written = writeElsewhere(disk).then(() => {
      isWritten = true;
    });
    for (let offset = 0; offset < 100; offset++) {
      await client.request('read', { stream: 'disk', offset, length: 1 });
    }
    expect(await client.request('state', {})).toMatchObject({
      isQuiesced: true,
      overlay: { dirtyPages: 0 },
    });
    expect(isWritten).toBe(false);
    await client.request('resume', {});
    await within('the write', written);
    expect(await client.request('state', {})).toMatchObject({
      isQuiesced: false,
      overlay: { dirtyPages: 1 },
    });
  });

  test('go on when their time is over, and when the connection ends', async () => {
    const mountpoint = all.hexz.newMountpoint();
    const { engine, client } = await all.leased({
      snapshot: repeated.snapshot,
      mountpoint,
      rw: true,
    });
    await client.request('quiesce', { milliseconds: 50 });
    await within('the write', writeElsewhere(join(mountpoint, 'disk')));
    const other = await all.connect(engine);
    await other.request('quiesce', {});
    const written = writeElsewhere(join(mountpoint, 'disk'));
    await other.close();
    await within('the write', written, 5000);
  });

  test('are let go by whoever holds them, and by nobody else', async () => {
    const { engine, client } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    const other = await all.connect(engine);
    await client.request('quiesce', {});
    for (const method of ['quiesce', 'resume'] as const) {
      await expect(other.request(method, {})).rejects.toMatchObject({ code: 'MOUNT_BUSY' });
    }
    expect(await client.request('state', {})).toMatchObject({ isQuiesced: true });
    await client.request('resume', {});
    await other.request('quiesce', {});
    await other.request('resume', {});
  });
});

describe('where an engine listens', () => {
  test('is refused where the path would be too long, and nothing is left', async () => {
    const directory = all.hexz.sandbox.newDirectory('r'.repeat(120));
    chmodSync(directory, 0o700);
    const mountpoint = all.hexz.newMountpoint();
    const result = await all.hexz.run(['mount', repeated.snapshot, mountpoint, '--rw'], {
      env: { XDG_RUNTIME_DIR: directory },
    });
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toContain('too long a path');
    all.hexz.expectNothingLeft();
  });

  test('is swept when the engine was killed, also before it was listed', async () => {
    const { engine } = await all.leased({ snapshot: repeated.snapshot, rw: true });
    const [number] = /\d+-\d+/.exec(engine.socketPath) ?? [];
    const early = engine.socketPath.replace(`${number}.sock`, '4194304-77.sock');
    writeFileSync(early, '');
    process.kill(engine.pid, 'SIGKILL');
    await until('its end', () => all.hexz.sandbox.processes().length === 0);
    expect(await all.hexz.status()).toEqual([]);
    expect([engine.socketPath, early].filter(existsSync)).toEqual([]);
    all.hexz.expectNothingLeft();
  });
});
