import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { jsonOf } from '../support/cli.js';
import { type ForegroundMount, isMounted, mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { packNoise } from '../support/snapshots.js';
import { expectSameBytes, someBytes } from '../support/streams.js';
import { runTool } from '../support/tools.js';
import { until, within } from '../support/until.js';

const hexz = mounts();
const DISK_BYTES = 2_000_001;

/** A mount with changes in a persistent overlay. */
async function mountWithChanges(): Promise<{
  mount: ForegroundMount;
  bytes: Buffer;
  remount: () => Promise<ForegroundMount>;
  sideFile: () => { openedBy: unknown; diskLength: number };
}> {
  const snapshot = hexz.sandbox.path('disk.hxz');
  const bytes = packNoise(snapshot, DISK_BYTES);
  const overlay = hexz.sandbox.path('overlay');
  const remount = () => hexz.mount(snapshot, ['--rw', '--overlay', overlay]);
  const mount = await remount();
  const change = someBytes(500_000);
  const file = await open(mount.disk, 'r+');
  await file.write(change, 0, change.length, 1_800_001);
  await file.close();
  return {
    mount,
    bytes: Buffer.concat([bytes.subarray(0, 1_800_001), change]),
    remount,
    sideFile: () => JSON.parse(readFileSync(`${overlay}.hexz.json`, 'utf8')),
  };
}

/** A program that has a file of a mount open until it is killed. */
async function hold(path: string): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', 'exec 3<"$1"; echo open; exec sleep 1000', 'sh', path], {
    env: { ...process.env, ...hexz.sandbox.environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  return child;
}

async function release(holder: ChildProcess): Promise<void> {
  holder.kill('SIGKILL');
  await once(holder, 'exit');
}

const CLEAN_END = { status: 0, signal: null };

describe.runIf(requires('FUSE'))('hexz unmount', () => {
  test('returns when everything is flushed and the engine has ended', async () => {
    const { mount, bytes, remount, sideFile } = await mountWithChanges();
    const result = await hexz.run(['unmount', mount.mountpoint]);
    expect(sideFile()).toMatchObject({ openedBy: null, diskLength: bytes.length });
    expect(hexz.sandbox.processes()).toEqual([]);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(result.stdout.toString()).toBe(`Unmounted ${mount.mountpoint}\n`);
    expect(await mount.ended).toEqual(CLEAN_END);
    expect(mount.stderr).toBe('');
    hexz.expectNothingLeft();
    expectSameBytes(await readFile((await remount()).disk), bytes);
  });

  test('answers one JSON document', async () => {
    const { mount } = await mountWithChanges();
    const result = await hexz.run(['unmount', '--json', mount.mountpoint]);
    expect(jsonOf(result)).toEqual({
      mountpoint: mount.mountpoint,
      engine: 'ended',
      servingPid: null,
    });
  });

  test('takes a relative path, and one through a link', async () => {
    const { mount } = await mountWithChanges();
    const cwd = hexz.sandbox.directory;
    expect(runTool('ln', '-s', mount.mountpoint, hexz.sandbox.path('link'))).toBe(true);
    expect(await hexz.run(['unmount', 'link'], { cwd })).toMatchObject({ status: 0 });
    expect(await mount.ended).toEqual(CLEAN_END);
  });

  test('refuses while it is in use, and names who uses it', async () => {
    const { mount, bytes } = await mountWithChanges();
    const holder = await hold(mount.disk);
    const result = await hexz.run(['unmount', '--json', mount.mountpoint]);
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toContain(`sleep 1000 (process ${holder.pid})`);
    expect(result.stderr).toContain('--lazy');
    expect(jsonOf(result)).toMatchObject({ error: { code: 'MOUNT_BUSY', exitStatus: 6 } });
    expectSameBytes(await readFile(mount.disk), bytes);
    await release(holder);
    await hexz.unmount(mount);
  });

  test('refuses while it is the current directory of somebody', async () => {
    const { mount } = await mountWithChanges();
    const holder = spawn('sleep', ['1000'], {
      cwd: mount.mountpoint,
      env: { ...process.env, ...hexz.sandbox.environment },
    });
    await once(holder, 'spawn');
    const result = await hexz.run(['unmount', mount.mountpoint]);
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toContain(`sleep 1000 (process ${holder.pid})`);
    await release(holder);
  });

  test('with --lazy detaches it, and the engine ends with the last user', async () => {
    const { mount, bytes, remount, sideFile } = await mountWithChanges();
    const file = await open(mount.disk, 'r+');
    try {
      const result = await hexz.run(['unmount', '--lazy', '--json', mount.mountpoint]);
      expect(jsonOf(result)).toEqual({
        mountpoint: mount.mountpoint,
        engine: 'serving',
        servingPid: mount.pid,
      });
      expect(isMounted(mount.mountpoint)).toBe(false);
      expect(await hexz.status()).toMatchObject([{ pid: mount.pid, state: 'ending' }]);
      const again = await hexz.run(['unmount', mount.mountpoint]);
      expect(again).toMatchObject({ status: 6 });
      expect(again.stderr).toContain(`process ${mount.pid}`);
      await file.write(Buffer.alloc(1, 7), 0, 1, 1_999_999);
    } finally {
      await file.close();
    }
    bytes.fill(7, 1_999_999, 2_000_000);
    expect(await within('the end of the engine', mount.ended)).toEqual(CLEAN_END);
    expect(sideFile()).toMatchObject({ openedBy: null });
    expectSameBytes(await readFile((await remount()).disk), bytes);
  });

  test('clears a mount whose engine was killed, which status shows as dead', async () => {
    const { mount, bytes, remount } = await mountWithChanges();
    await mount.end('SIGKILL');
    await expect(readFile(mount.disk)).rejects.toMatchObject({ code: 'ENOTCONN' });
    expect(await hexz.status()).toMatchObject([{ pid: mount.pid, state: 'dead' }]);
    const text = await hexz.run(['status']);
    expect(text.stdout.toString()).toContain(`hexz unmount ${mount.mountpoint}`);
    const refused = await hexz.run(['mount', hexz.sandbox.path('disk.hxz'), mount.mountpoint]);
    expect(refused).toMatchObject({ status: 6 });
    expect(refused.stderr).toContain('dead mount');
    await hexz.unmount(mount);
    expect(await hexz.status()).toEqual([]);
    hexz.expectNothingLeft();
    expectSameBytes(await readFile((await remount()).disk), bytes);
  });

  test('removes the temporary overlay that a killed engine left', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, DISK_BYTES);
    const mount = await hexz.mount(snapshot, ['--rw']);
    await mount.end('SIGKILL');
    await hexz.unmount(mount);
    hexz.expectNothingLeft();
  });

  test('says that the overlay was deleted meanwhile', async () => {
    const { mount } = await mountWithChanges();
    rmSync(hexz.sandbox.path('overlay'));
    const file = await open(mount.disk, 'r+');
    await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' });
    await file.close();
    const result = await hexz.run(['unmount', mount.mountpoint]);
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toContain('could not be closed');
    expect((await mount.ended).status).toBe(8);
    expect(mount.stderr).toContain('deleted, renamed or replaced');
  });

  test('of a mount that is served on for open files leaves its successor alone', async () => {
    const { mount, bytes } = await mountWithChanges();
    const holder = await hold(mount.disk);
    await hexz.run(['unmount', '--lazy', mount.mountpoint]);
    const snapshot = hexz.sandbox.path('disk.hxz');
    const successor = await hexz.run(['mount', snapshot, mount.mountpoint, '--daemon']);
    expect(successor).toMatchObject({ status: 0 });
    process.kill(mount.pid, 'SIGTERM');
    await release(holder);
    await mount.ended;
    expect(isMounted(mount.mountpoint)).toBe(true);
    const head = bytes.subarray(0, 1_800_001);
    expectSameBytes((await readFile(mount.disk)).subarray(0, head.length), head);
    expect(await hexz.run(['unmount', mount.mountpoint])).toMatchObject({ status: 0 });
    hexz.expectNothingLeft();
  });

  test('of nothing is exit 6', async () => {
    const directory = hexz.sandbox.newDirectory();
    for (const path of [directory, `${directory}/absent`]) {
      const result = await hexz.run(['unmount', '--json', path]);
      expect(result).toMatchObject({ status: 6 });
      expect(jsonOf(result)).toMatchObject({ error: { code: 'NOT_MOUNTED' } });
    }
  });

  test.runIf(requires('root', 'tmpfs'))('leaves what others have mounted', async () => {
    const directory = hexz.sandbox.newDirectory();
    expect(runTool('mount', '-t', 'tmpfs', 'tmpfs', directory)).toBe(true);
    const result = await hexz.run(['unmount', '--json', directory]);
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toContain('tmpfs');
    expect(jsonOf(result)).toMatchObject({ error: { code: 'NOT_MOUNTED' } });
    expect(isMounted(directory)).toBe(true);
  });

  test('of one mount leaves the others', async () => {
    const { mount } = await mountWithChanges();
    const other = await hexz.mount(hexz.sandbox.path('disk.hxz'));
    await hexz.unmount(mount);
    expect(await hexz.status()).toMatchObject([{ pid: other.pid, state: 'serving' }]);
  });
});

describe.runIf(requires('FUSE'))('hexz unmount of a mount whose engine is stopped', () => {
  /** A program that waits for an answer of the engine, and reads all of the disk when it gets one. */
  async function waitForAnswer(mount: ForegroundMount): Promise<ChildProcess> {
    const script = 'exec 3<"$1"; echo open; read go; exec dd bs=64k iflag=direct of=/dev/null <&3';
    const reader = spawn('sh', ['-c', script, 'sh', mount.disk], {
      env: { ...process.env, ...hexz.sandbox.environment },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    await once(reader.stdout, 'data');
    process.kill(mount.pid, 'SIGSTOP');
    reader.stdin.end('go\n');
    const command = () => readFileSync(`/proc/${reader.pid}/comm`, 'utf8');
    await until('a reader', () => command() === 'dd\n');
    return reader;
  }

  test('says so, and how it goes on', async () => {
    const { mount, bytes, remount, sideFile } = await mountWithChanges();
    process.kill(mount.pid, 'SIGSTOP');
    const result = await hexz.run(['unmount', mount.mountpoint]);
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toContain(`process ${mount.pid}, is stopped`);
    expect(result.stderr).toContain(`kill -CONT ${mount.pid}`);
    expect(isMounted(mount.mountpoint)).toBe(false);
    process.kill(mount.pid, 'SIGCONT');
    expect(await within('the end of the engine', mount.ended)).toEqual(CLEAN_END);
    expect(sideFile()).toMatchObject({ openedBy: null });
    expectSameBytes(await readFile((await remount()).disk), bytes);
  });

  test('refuses while somebody waits for it; with --lazy the reader gets its answer later', async () => {
    const { mount } = await mountWithChanges();
    const reader = await waitForAnswer(mount);
    const readerEnd = once(reader, 'exit');
    const refused = await hexz.run(['unmount', mount.mountpoint]);
    expect(refused).toMatchObject({ status: 6 });
    expect(refused.stderr).toContain(`(process ${reader.pid})`);
    expect(refused.stderr).toContain(`kill -CONT ${mount.pid}`);
    const detached = await hexz.run(['unmount', '--lazy', '--json', mount.mountpoint]);
    expect(jsonOf(detached)).toMatchObject({ engine: 'serving', servingPid: mount.pid });
    expect(isMounted(mount.mountpoint)).toBe(false);
    process.kill(mount.pid, 'SIGCONT');
    expect(await within('the end of the reader', readerEnd)).toEqual([0, null]);
    expect(await within('the end of the engine', mount.ended)).toEqual(CLEAN_END);
    hexz.expectNothingLeft();
  });

  test('can be cleared once it was killed, which fails who waits for it', async () => {
    const { mount, bytes, remount } = await mountWithChanges();
    const reader = await waitForAnswer(mount);
    const readerEnd = once(reader, 'exit');
    await mount.end('SIGKILL');
    expect(await within('the end of the reader', readerEnd)).toEqual([1, null]);
    await hexz.unmount(mount);
    hexz.expectNothingLeft();
    expectSameBytes(await readFile((await remount()).disk), bytes);
  });
});

describe.runIf(requires('FUSE'))('a mount ends cleanly', () => {
  test.each([['fusermount', '-u'], ['umount'], ['fusermount', '-u', '-z']])(
    'when others run %s',
    async (program, ...options) => {
      if (program === 'umount' && !requires('root')) return;
      const { mount, bytes, remount, sideFile } = await mountWithChanges();
      expect(runTool(program, ...options, mount.mountpoint)).toBe(true);
      expect(await within('the end of the engine', mount.ended)).toEqual(CLEAN_END);
      expect(sideFile()).toMatchObject({ openedBy: null, diskLength: bytes.length });
      expect(await hexz.status()).toEqual([]);
      hexz.expectNothingLeft();
      expectSameBytes(await readFile((await remount()).disk), bytes);
    },
  );

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('on %s', async (signal) => {
    const { mount, bytes, remount, sideFile } = await mountWithChanges();
    expect(await mount.end(signal)).toEqual(CLEAN_END);
    expect(sideFile()).toMatchObject({ openedBy: null });
    hexz.expectNothingLeft();
    expectSameBytes(await readFile((await remount()).disk), bytes);
  });

  test('under heavy reading', async () => {
    const { mount } = await mountWithChanges();
    const script = 'while dd if="$1" of=/dev/null iflag=direct bs=64k; do :; done';
    const reader = spawn('sh', ['-c', script, 'sh', mount.disk], {
      env: { ...process.env, ...hexz.sandbox.environment },
      stdio: 'ignore',
    });
    const readerEnd = once(reader, 'exit');
    const systemCalls = () =>
      Number(/^syscr: (\d+)$/m.exec(readFileSync(`/proc/${mount.pid}/io`, 'utf8'))?.[1]);
    const before = systemCalls();
    await until('a thousand reads', () => systemCalls() > before + 1000);
    expect(await hexz.run(['unmount', '--lazy', mount.mountpoint])).toMatchObject({ status: 0 });
    expect(await within('the end of the engine', mount.ended)).toEqual(CLEAN_END);
    await readerEnd;
    hexz.expectNothingLeft();
  });
});

describe.runIf(requires('FUSE'))('a mount in use', () => {
  test('goes on after a signal and says who uses it; a second one ends it', async () => {
    const { mount, bytes, remount, sideFile } = await mountWithChanges();
    const holder = await hold(mount.disk);
    process.kill(mount.pid, 'SIGTERM');
    await until('a message', () => mount.stderr.includes('another SIGTERM ends it'));
    expect(mount.stderr).toContain(`sleep 1000 (process ${holder.pid})`);
    expectSameBytes(await readFile(mount.disk), bytes);
    expect(await hexz.status()).toMatchObject([{ pid: mount.pid, state: 'serving' }]);
    expect(await mount.end('SIGTERM')).toEqual(CLEAN_END);
    expect(sideFile()).toMatchObject({ openedBy: null });
    expect(isMounted(mount.mountpoint)).toBe(false);
    await release(holder);
    hexz.expectNothingLeft();
    expectSameBytes(await readFile((await remount()).disk), bytes);
  });
});

describe.runIf(requires('FUSE'))('a signal leaves nothing', () => {
  const moments: Record<string, (mountpoint: string) => string> = {
    'at once': () => 'true',
    'when there is a temporary overlay': () =>
      'fs.readdirSync(process.env.TMPDIR).some((name) => name.startsWith("hexz-overlay"))',
    'when the kernel has the mount': (mountpoint) =>
      `fs.readFileSync("/proc/self/mountinfo", "utf8").includes(${JSON.stringify(mountpoint)})`,
  };

  test.each(Object.keys(moments))('of a mount that is being made: %s', async (name) => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, DISK_BYTES);
    const mountpoint = hexz.newMountpoint();
    const running = hexz.run(['mount', snapshot, mountpoint, '--rw'], {
      before: `import fs from 'node:fs';
        const timer = setInterval(() => {
          if (!(${moments[name]?.(mountpoint)})) return;
          clearInterval(timer);
          process.kill(process.pid, 'SIGTERM');
        }, 0);`,
    });
    await within('the end', running);
    hexz.expectNothingLeft();
    expect(await hexz.status()).toEqual([]);
  });
});
