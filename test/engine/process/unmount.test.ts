import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { mountAt, readMountTable } from '../../../src/engine/process/mountTable.js';
import { listMounts, register } from '../../../src/engine/process/registry.js';
import { detachMount, unmount } from '../../../src/engine/process/unmount.js';
import { MountServer } from '../../support/fuse/mountServer.js';
import { entryOf, ownRegistry } from '../../support/registry.js';
import { canMountFuse, silentMounts } from '../../support/silentMount.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const newSilentMount = silentMounts();
ownRegistry();

const isMounted = (path: string) => mountAt(path, readMountTable()) !== undefined;

describe('where nothing of hexz is mounted', () => {
  test('a directory', async () => {
    const path = newDirectory();
    await expect(unmount(path)).rejects.toMatchObject({
      code: 'NOT_MOUNTED',
      exitStatus: 6,
      message: 'nothing is mounted there',
      location: { file: path },
    });
  });

  test('a path that does not exist', async () => {
    await expect(unmount(join(newDirectory(), 'absent'))).rejects.toMatchObject({
      code: 'NOT_MOUNTED',
      message: 'nothing is mounted there: no such file or directory',
    });
  });

  test('a mount of something else stays as it is', async () => {
    await expect(unmount('/proc')).rejects.toMatchObject({
      code: 'NOT_MOUNTED',
      message: 'proc from proc is mounted there, not by hexz',
    });
    expect(isMounted('/proc')).toBe(true);
  });

  test('a directory whose engine has not ended yet', async () => {
    const mountpoint = realpathSync(newDirectory());
    register(entryOf(process.pid, { mountpoint }));
    await expect(unmount(mountpoint)).rejects.toMatchObject({
      code: 'NOT_MOUNTED',
      hint: expect.stringContaining(`process ${process.pid}`) as unknown,
    });
  });

  test.skipIf(!canMountFuse)('a FUSE mount of something else', async () => {
    const { mountpoint } = await newSilentMount(newDirectory(), { source: 'sshfs' });
    await expect(unmount(mountpoint)).rejects.toMatchObject({
      code: 'NOT_MOUNTED',
      message: 'fuse from sshfs is mounted there, not by hexz',
    });
    await detachMount(mountpoint, { isLazy: true });
    expect(isMounted(mountpoint)).toBe(true);
  });
});

describe.skipIf(!canMountFuse)('a mount that answers nothing', () => {
  test('is unmounted, by whatever path, and its engine has ended', async () => {
    const { mountpoint, pid } = await newSilentMount(newDirectory());
    register(entryOf(pid, { mountpoint }));
    const link = join(newDirectory(), 'link');
    symlinkSync(mountpoint, link);
    expect(await unmount(`${link}/`)).toEqual({ mountpoint, servingPid: null });
    expect(isMounted(mountpoint)).toBe(false);
    expect(listMounts()).toEqual([]);
  });

  test('is unmounted when the registry does not know it', async () => {
    const { mountpoint } = await newSilentMount(newDirectory());
    expect(await unmount(mountpoint)).toEqual({ mountpoint, servingPid: null });
    expect(isMounted(mountpoint)).toBe(false);
  });

  test('is unmounted when its engine was killed, and the entry is swept', async () => {
    const server = await newSilentMount(newDirectory());
    const { mountpoint, pid } = server;
    register(entryOf(pid, { mountpoint }));
    await server.kill();
    expect(listMounts()).toMatchObject([{ state: 'dead' }]);
    expect(await unmount(mountpoint)).toEqual({ mountpoint, servingPid: null });
    expect(listMounts()).toEqual([]);
  });

  test('whose engine does not end is an error that names it', async () => {
    const { mountpoint, pid } = await newSilentMount(newDirectory(), { endsWithMount: false });
    register(entryOf(pid, { mountpoint }));
    await expect(unmount(mountpoint, { timeoutMilliseconds: 300 })).rejects.toMatchObject({
      code: 'UNMOUNT_FAILED',
      message: expect.stringMatching(
        new RegExp(`process ${pid}, has not ended within 0.3 seconds`),
      ) as unknown,
    });
    expect(isMounted(mountpoint)).toBe(false);
    expect(listMounts()).toMatchObject([{ pid, state: 'ending' }]);
  });

  test('whose engine does not end is detached all the same', async () => {
    const { mountpoint, pid } = await newSilentMount(newDirectory(), { endsWithMount: false });
    register(entryOf(pid, { mountpoint }));
    expect(await unmount(mountpoint, { isLazy: true })).toEqual({ mountpoint, servingPid: pid });
    expect(isMounted(mountpoint)).toBe(false);
  });

  test('that is gone needs no detaching', async () => {
    const { mountpoint } = await newSilentMount(newDirectory());
    await detachMount(mountpoint, { isLazy: false });
    expect(isMounted(mountpoint)).toBe(false);
    await detachMount(mountpoint, { isLazy: false });
  });

  test('lies on another one: only the upper one ends', async () => {
    const { mountpoint } = await newSilentMount(newDirectory());
    await newSilentMount(mountpoint);
    await unmount(mountpoint);
    expect(isMounted(mountpoint)).toBe(true);
    await unmount(mountpoint);
    expect(isMounted(mountpoint)).toBe(false);
  });
});

describe.skipIf(!canMountFuse)('a mount in use', () => {
  const swept: (() => unknown)[] = [];
  afterEach(async () => {
    for (const sweep of swept.splice(0).reverse()) await sweep();
  });

  async function newMount(): Promise<MountServer> {
    const server = await MountServer.start({
      mountpoint: newDirectory(),
      diskBytes: 4096,
      isWritable: false,
      allowOther: false,
      uid: 0,
      gid: 0,
      modifiedAt: 0,
    });
    swept.push(() => server.dispose());
    return server;
  }

  async function startReader(path: string) {
    const reader = spawn('sh', ['-c', 'exec tail -f "$1"', 'sh', path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    swept.push(() => reader.kill('SIGKILL'));
    await once(reader.stdout, 'data');
    return reader;
  }

  test('stays, and whoever uses it is named', async () => {
    const { mountpoint } = await newMount();
    const reader = await startReader(join(mountpoint, 'disk'));
    await expect(unmount(mountpoint)).rejects.toMatchObject({
      code: 'MOUNT_BUSY',
      message: expect.stringContaining(`disk (process ${reader.pid})`) as unknown,
      hint: expect.stringContaining('--lazy') as unknown,
    });
    expect(isMounted(mountpoint)).toBe(true);
  });

  test('is unmounted if whoever uses it stops a moment later', async () => {
    const server = await newMount();
    const reader = await startReader(join(server.mountpoint, 'disk'));
    setTimeout(() => reader.kill(), 200);
    await unmount(server.mountpoint);
    await server.untilEnded();
  });

  test('is detached with --lazy, and served until it is closed', async () => {
    const server = await newMount();
    const reader = await startReader(join(server.mountpoint, 'disk'));
    await unmount(server.mountpoint, { isLazy: true });
    expect(isMounted(server.mountpoint)).toBe(false);
    expect(server.hasEnded).toBe(false);
    reader.kill();
    await server.untilEnded();
  });
});
