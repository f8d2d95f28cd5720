import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { checkDiskUnused, findDiskUsers } from '../../../src/engine/process/diskUsers.js';
import { evictPages } from '../../../src/engine/process/evictPages.js';
import { findMountHolders } from '../../../src/engine/process/holders.js';
import { type Mount, mountAt, readMountTable } from '../../../src/engine/process/mountTable.js';
import { codeOfAsync } from '../../support/errors.js';
import { MountServer } from '../../support/fuse/mountServer.js';
import { requires } from '../../support/requires.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { runTool } from '../../support/tools.js';
import { within } from '../../support/until.js';

const newDirectory = temporaryDirectories();
const DISK_BYTES = 4 * 1024 * 1024;
const servers: MountServer[] = [];
const handles: FileHandle[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const handle of handles.splice(0)) await handle.close();
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  for (const server of servers.splice(0)) await server.dispose();
});

async function serve(): Promise<{ server: MountServer; mount: Mount; disk: string }> {
  const mountpoint = join(newDirectory(), 'mount');
  mkdirSync(mountpoint);
  const server = await MountServer.start({
    mountpoint,
    diskBytes: DISK_BYTES,
    isWritable: true,
    allowOther: false,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    modifiedAt: 0,
  });
  servers.push(server);
  expect(server.failure).toBeUndefined();
  const mount = mountAt(mountpoint, readMountTable());
  if (mount === undefined) throw new Error('it is not in the table of mounts');
  return { server, mount, disk: join(mountpoint, 'disk') };
}

/** Starts a program that says so when it is ready, and answers each line with a line. */
async function start(program: string, ...parameters: string[]): Promise<ChildProcess> {
  const child = spawn(program, parameters, { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
  children.push(child);
  if (child.stdout !== null) await within(program, once(child.stdout, 'data'));
  return child;
}

const outputOf = (program: string, ...parameters: string[]): string =>
  execFileSync(program, parameters, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();

const startShell = (script: string, disk: string): Promise<ChildProcess> =>
  start('sh', '-c', `${script}; echo ready; read line`, 'sh', disk);

describe.runIf(requires('FUSE'))('the disk of a mount', () => {
  test('is used by nobody, and not by readers', async () => {
    const { mount, disk } = await serve();
    await startShell('exec 3<"$1"; cd "$(dirname "$1")"', disk);
    expect(await findDiskUsers(mount)).toEqual([]);
    await checkDiskUnused(mount);
  });

  test('is used by who has it open for writing', async () => {
    const { mount, disk } = await serve();
    const { pid } = await startShell('exec 3<>"$1"', disk);
    const user = { kind: 'writer', pid, program: expect.stringMatching(/^sh -c/) as unknown };
    expect(await findDiskUsers(mount)).toEqual([expect.objectContaining(user)]);
    const refused = checkDiskUnused(mount);
    await expect(refused).rejects.toMatchObject({
      code: 'DISK_IN_USE',
      exitStatus: 7,
      message: expect.stringContaining(`(process ${pid}) has the disk open for writing`) as unknown,
      hint: expect.stringContaining('--force') as unknown,
      location: { file: disk },
    });
  });

  test.runIf(requires('Python'))('is used by who has it mapped', async () => {
    const { mount, disk } = await serve();
    const script = [
      'import mmap, os, sys',
      'file = os.open(sys.argv[1], os.O_RDONLY)',
      'pages = mmap.mmap(file, 8192, mmap.MAP_PRIVATE, mmap.PROT_READ)',
      'os.close(file)',
      'print(pages[0], flush=True)',
      'sys.stdin.readline()',
    ];
    const { pid } = await start('python3', '-c', script.join('\n'), disk);
    expect(await findDiskUsers(mount)).toMatchObject([{ kind: 'mapping', pid }]);
  });

  test.runIf(requires('root'))('is used by a writer in a bind mount, or out of sight', async () => {
    const { mount, disk } = await serve();
    const other = newDirectory();
    const child = await start(
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount --bind "$1" "$2"; exec 3<>"$2/disk"; umount -l "$1"; echo ready; read line',
      'sh',
      mount.mountpoint,
      other,
    );
    expect(await findDiskUsers(mount)).toMatchObject([{ kind: 'writer', pid: child.pid }]);
    expect(readFileSync(disk)).toHaveLength(DISK_BYTES);
  });

  test.runIf(requires('root', 'loop devices'))('is used by a loop device', async () => {
    const { mount, disk } = await serve();
    expect(runTool('losetup', '--find', '--read-only', disk)).toBe(true);
    try {
      expect(await findDiskUsers(mount)).toEqual([
        {
          kind: 'loop',
          program: expect.stringMatching(/^\/dev\/loop\d+$/) as unknown,
          detail: 'lies on the disk',
        },
      ]);
    } finally {
      runTool('sh', '-c', 'losetup -n -O NAME -j "$1" | xargs losetup -d', 'sh', disk);
    }
  });

  test.runIf(requires('root', 'loop devices'))(
    'is used by a loop device that was set up in another mount namespace',
    async () => {
      const { mount } = await serve();
      const elsewhere = newDirectory();
      const device = outputOf(
        'unshare',
        '--mount',
        'sh',
        '-c',
        'mount --bind "$1" "$2"; losetup --find --show --read-only "$2/disk"; umount -l "$2"',
        'sh',
        mount.mountpoint,
        elsewhere,
      );
      try {
        await expect(checkDiskUnused(mount)).rejects.toThrow(`${device} lies on the disk`);
        const holder = { kind: 'loop device', device };
        expect(await findMountHolders(mount.mountpoint)).toContainEqual(holder);
      } finally {
        runTool('losetup', '--detach', device);
      }
    },
  );

  test.runIf(requires('root', 'loop devices'))(
    'is not used by a loop device on the disk of another mount',
    async () => {
      const { mount } = await serve();
      const other = await serve();
      const device = outputOf('losetup', '--find', '--show', '--read-only', other.disk);
      try {
        expect(await findDiskUsers(mount)).toEqual([]);
        expect(await findDiskUsers(other.mount)).toHaveLength(1);
      } finally {
        runTool('losetup', '--detach', device);
      }
    },
  );
});

const read = (path: string, offset: number): number => {
  const descriptor = openSync(path, 'r');
  try {
    const byte = Buffer.alloc(1);
    readSync(descriptor, byte, 0, 1, offset);
    return byte.readUInt8();
  } finally {
    closeSync(descriptor);
  }
};

async function byteAt(handle: FileHandle, offset: number): Promise<number> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, offset);
  return buffer.readUInt8();
}

describe.runIf(requires('FUSE'))('pages of a disk that was changed beneath its mount', () => {
  test('are dropped for those who have it open, and for those who open it', async () => {
    const { server, disk } = await serve();
    await server.fillDisk(1);
    expect(new Set(readFileSync(disk))).toEqual(new Set([1]));
    const handle = await open(disk);
    handles.push(handle);
    expect(await byteAt(handle, 5000)).toBe(1);

    await server.fillDisk(2);
    // Without this the test would prove nothing: the kernel keeps its pages, also for who opens the file anew.
    expect([await byteAt(handle, 5000), read(disk, 5000)]).toEqual([1, 1]);

    await evictPages(disk);
    expect([await byteAt(handle, 5000), read(disk, 5000)]).toEqual([2, 2]);
    expect(new Set(readFileSync(disk))).toEqual(new Set([2]));
  });

  test('are dropped for a program that is reading from front to back', async () => {
    const { server, disk } = await serve();
    await server.fillDisk(1);
    const reader = await startShell(
      'exec 3<"$1"; head -c 1048576 <&3 | tail -c 1 | od -An -tu1; read go; cat <&3 | od -An -v -w1 -tu1 | sort -u',
      disk,
    );
    // The kernel has read ahead by now, and knows where the program is.
    expect(new Set(readFileSync(disk))).toEqual(new Set([1]));
    await server.fillDisk(2);
    await evictPages(disk);
    const said = once(reader.stdout ?? reader, 'data') as Promise<[Buffer]>;
    reader.stdin?.write('go\n');
    const [text] = await within('what it reads', said);
    expect(text.toString().trim().split('\n')[0]?.trim()).toBe('2');
  });

  test('are said to stay where that cannot be done', async () => {
    const { disk } = await serve();
    expect(await codeOfAsync(() => evictPages(`${disk}2`))).toBe('EVICTION_FAILED');
    await expect(evictPages(`${disk}2`)).rejects.toThrow(/No such file/);
  });
});
