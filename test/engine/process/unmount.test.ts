import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { mountAt, readMountTable } from '../../../src/engine/process/mountTable.js';
import { listMounts, register, registryPath } from '../../../src/engine/process/registry.js';
import { detachMount, unmount } from '../../../src/engine/process/unmount.js';
import { MountServer } from '../../support/fuse/mountServer.js';
import { entryOf, ownRegistry } from '../../support/registry.js';
import { canMountFuse, silentMounts } from '../../support/silentMount.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { runTool } from '../../support/tools.js';

const newDirectory = temporaryDirectories();
const newSilentMount = silentMounts();
/** Not among Node's constants. */
const O_PATH = 0o10000000;
ownRegistry();

const isMounted = (path: string) => mountAt(path, readMountTable()) !== undefined;

const identityOf = (mountpoint: string) => ({
  mountpoint,
  mountId: mountAt(mountpoint, readMountTable())?.mountId ?? -1,
});

/** Whether the kernel tells of a descriptor of /dev/fuse which mount it serves: since Linux 6.16. */
const namesConnection = (pid: number): boolean =>
  runTool('grep', '-q', 'fuse_connection', '-r', `/proc/${pid}/fdinfo`);

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
    await detachMount(identityOf(mountpoint), { isLazy: true });
    expect(isMounted(mountpoint)).toBe(true);
  });
});

describe.skipIf(!canMountFuse)('a mount that answers nothing', () => {
  test('is unmounted, by whatever path, and its engine has ended', async () => {
    const { mountpoint, pid } = await newSilentMount(newDirectory());
    register(entryOf(pid, { mountpoint }));
    const link = join(newDirectory(), 'link');
    symlinkSync(mountpoint, link);
    expect(await unmount(`${link}/`)).toEqual({ mountpoint, engine: 'ended', servingPid: null });
    expect(isMounted(mountpoint)).toBe(false);
    expect(listMounts()).toEqual([]);
  });

  test('is unmounted when the registry does not know it', async () => {
    const { mountpoint, pid } = await newSilentMount(newDirectory());
    const engine = namesConnection(pid) ? 'ended' : 'unknown';
    expect(await unmount(mountpoint)).toEqual({ mountpoint, engine, servingPid: null });
    expect(isMounted(mountpoint)).toBe(false);
  });

  test('is waited for when the registry does not know it', async (context) => {
    const { mountpoint, pid } = await newSilentMount(newDirectory(), { endsWithMount: false });
    context.skip(!namesConnection(pid), 'the kernel does not tell who serves a mount');
    await expect(unmount(mountpoint, { timeoutMilliseconds: 300 })).rejects.toMatchObject({
      code: 'UNMOUNT_FAILED',
      message: expect.stringContaining(`process ${pid}, has not ended`) as unknown,
    });
  });

  test('is waited for when the registry knows only its predecessor', async (context) => {
    const { mountpoint, pid } = await newSilentMount(newDirectory());
    context.skip(!namesConnection(pid), 'the kernel does not tell who serves a mount');
    register(entryOf(process.pid, { mountpoint }));
    expect(await unmount(mountpoint)).toEqual({ mountpoint, engine: 'ended', servingPid: null });
  });

  test('says so when its engine cannot be found', async () => {
    const server = await newSilentMount(newDirectory());
    const { mountpoint } = server;
    await server.kill();
    expect(await unmount(mountpoint)).toEqual({ mountpoint, engine: 'unknown', servingPid: null });
    expect(isMounted(mountpoint)).toBe(false);
  });

  test('is unmounted when its engine was killed, and the entry is swept', async () => {
    const server = await newSilentMount(newDirectory());
    const { mountpoint, pid } = server;
    register(entryOf(pid, { mountpoint }));
    await server.kill();
    expect(listMounts()).toMatchObject([{ state: 'dead' }]);
    expect(await unmount(mountpoint)).toEqual({ mountpoint, engine: 'ended', servingPid: null });
    expect(readdirSync(registryPath())).toEqual([]);
  });

  test('is unmounted when its engine was killed, and its temporary overlay is removed', async () => {
    const server = await newSilentMount(newDirectory());
    const { mountpoint, pid } = server;
    const directory = join(newDirectory(), 'hexz-overlay-x');
    const overlay = join(directory, 'disk.overlay');
    mkdirSync(directory);
    writeFileSync(overlay, '');
    register(entryOf(pid, { mountpoint, mode: 'rw', overlay, isTemporaryOverlay: true }));
    await server.kill();
    listMounts();
    expect(existsSync(overlay)).toBe(true);
    await unmount(mountpoint);
    expect(existsSync(directory)).toBe(false);
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
    expect(await unmount(mountpoint, { isLazy: true })).toEqual({
      mountpoint,
      engine: 'serving',
      servingPid: pid,
    });
    expect(isMounted(mountpoint)).toBe(false);
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

describe.skipIf(!canMountFuse)('an engine that detaches its mount', () => {
  const swept: (() => unknown)[] = [];
  afterEach(() => {
    for (const sweep of swept.splice(0).reverse()) sweep();
  });

  /** A mount that this process serves, and never answers. */
  function mountHere(mountpoint: string) {
    const descriptor = openSync('/dev/fuse', 'r+');
    swept.push(() => closeSync(descriptor));
    const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
    const parameters = ['-i', '-t', 'fuse', '-o', options, 'hexz', mountpoint];
    const stdio = ['ignore', 'ignore', 'ignore', descriptor] as const;
    const script = 'exec mount "$@"';
    const { status } = spawnSync('sh', ['-c', script, 'sh', ...parameters], { stdio: [...stdio] });
    expect(status).toBe(0);
    swept.push(() => runTool('umount', '-i', '-c', '-l', mountpoint));
    return identityOf(mountpoint);
  }

  test('takes it out of the table, once', async () => {
    const mount = mountHere(newDirectory());
    await detachMount(mount, { isLazy: false });
    expect(isMounted(mount.mountpoint)).toBe(false);
    await detachMount(mount, { isLazy: false });
  });

  test('takes it out though its connection has ended', async () => {
    const server = await newSilentMount(newDirectory());
    await server.kill();
    await detachMount(identityOf(server.mountpoint), { isLazy: true });
    expect(isMounted(server.mountpoint)).toBe(false);
  });

  test('leaves a mount with another number alone', async () => {
    const { mountpoint, mountId } = mountHere(newDirectory());
    await detachMount({ mountpoint, mountId: mountId + 100_000 }, { isLazy: true });
    expect(isMounted(mountpoint)).toBe(true);
  });

  test('leaves a successor alone that the kernel gave the same number', async (context) => {
    const { mountpoint, pid } = await newSilentMount(newDirectory());
    context.skip(!namesConnection(pid), 'the kernel does not tell who serves a mount');
    await detachMount(identityOf(mountpoint), { isLazy: true });
    expect(isMounted(mountpoint)).toBe(true);
  });

  test('leaves a successor alone that the registry knows', async () => {
    const successor = await newSilentMount(newDirectory());
    const { mountpoint } = successor;
    register(entryOf(process.pid, { mountpoint, startedAt: '2026-01-01T00:00:00Z' }));
    register(entryOf(successor.pid, { mountpoint, startedAt: '2026-01-02T00:00:00Z' }));
    await successor.kill();
    await detachMount(identityOf(mountpoint), { isLazy: true });
    expect(isMounted(mountpoint)).toBe(true);
  });

  test('leaves what is mounted over it alone, and says so', async () => {
    const mount = mountHere(newDirectory());
    const { mountpoint } = mount;
    await newSilentMount(mountpoint, { source: 'other' });
    await expect(detachMount(mount, { isLazy: true })).rejects.toMatchObject({
      code: 'UNMOUNT_FAILED',
      message: 'something else is mounted over it: fuse from other',
    });
    expect(mountAt(mountpoint, readMountTable())).toMatchObject({ source: 'other' });
  });

  test('says who uses it, and gives no advice for another command', async () => {
    const mount = mountHere(newDirectory());
    // What is opened as a place only needs no answer from the mount.
    const descriptor = openSync(mount.mountpoint, O_PATH);
    swept.push(() => closeSync(descriptor));
    await expect(detachMount(mount, { isLazy: false })).rejects.toMatchObject({
      code: 'MOUNT_BUSY',
      message: expect.stringContaining(`(process ${process.pid})`) as unknown,
      hint: undefined,
    });
    expect(isMounted(mount.mountpoint)).toBe(true);
    await detachMount(mount, { isLazy: true });
    expect(isMounted(mount.mountpoint)).toBe(false);
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
