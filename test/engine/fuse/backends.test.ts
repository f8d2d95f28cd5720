import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  mkdirSync,
  readFileSync,
  statSync,
} from 'node:fs';
import {
  appendFile,
  chmod,
  chown,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rmdir,
  stat,
  statfs,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { MountServer, type ServerOptions, type Settings } from '../../support/fuse/mountServer.js';
import { patternBytes } from '../../support/fuse/pattern.js';
import { requires } from '../../support/requires.js';
import { temporaryDirectories } from '../../support/temporary.js';

const run = promisify(execFile);
const newDirectory = temporaryDirectories();
const DISK_BYTES = 4 * 1024 * 1024 + 1001;
const MEMORY_BYTES = 65_537;
const modifiedAt = Date.parse('2024-02-03T04:05:06.789Z');
const isRoot = process.geteuid?.() === 0;
/** Which backend the servers take. */
const isKernel = process.env.HEXZ_BACKEND !== 'fuse-native';

function isDeviceUsable(): boolean {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
const isUsable = isDeviceUsable();

const NOBODY = 65_534;
const canBeNobody = isUsable && isRoot && requires('a checkout that everybody can read');
const isForAll = canBeNobody && (statSync('/dev/fuse').mode & 0o006) === 0o006;
const isForRootAlone = canBeNobody && !isForAll;

const servers: MountServer[] = [];
const handles: FileHandle[] = [];

async function serve(
  settings: Partial<Settings> = {},
  options: ServerOptions = {},
): Promise<MountServer> {
  const mountpoint = join(newDirectory(), 'mount');
  mkdirSync(mountpoint);
  const server = await MountServer.start(
    {
      mountpoint,
      diskBytes: DISK_BYTES,
      memoryBytes: MEMORY_BYTES,
      isWritable: false,
      allowOther: false,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      modifiedAt,
      ...settings,
    },
    options,
  );
  servers.push(server);
  return server;
}

async function openFile(path: string, flags: string | number): Promise<FileHandle> {
  const handle = await open(path, flags);
  handles.push(handle);
  return handle;
}

afterEach(async () => {
  // A dead mount lets its files be closed, a living one with open files does not end.
  for (const server of servers.splice(0)) await server.dispose();
  for (const handle of handles.splice(0)) await handle.close().catch(() => {});
});

const errnoOf = async (action: Promise<unknown>): Promise<string | undefined> =>
  action.then(
    () => 'ok',
    (error: NodeJS.ErrnoException) => error.code,
  );

const mountLine = (mountpoint: string): string | undefined =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .find((line) => line.split(' ')[1] === mountpoint);

/** Unmounts as an outsider does. */
const unmount = (mountpoint: string, ...options: string[]) =>
  isRoot
    ? run('umount', [...options, mountpoint])
    : run('fusermount', ['-u', ...options.map((option) => option.replace('-l', '-z')), mountpoint]);

describe.skipIf(!isUsable)('a read-only mount (needs /dev/fuse)', () => {
  test('shows the streams', async () => {
    const { mountpoint } = await serve({ uid: 12, gid: 34 });
    expect(await readdir(mountpoint)).toEqual(['disk', 'memory']);
    const directory = await stat(mountpoint);
    expect(directory).toMatchObject({ ino: 1, mode: 0o040555, nlink: 2, uid: 12, gid: 34 });
    expect(await stat(join(mountpoint, 'disk'))).toMatchObject({
      ino: 2,
      mode: 0o100444,
      nlink: 1,
      uid: 12,
      gid: 34,
      size: DISK_BYTES,
      blksize: 4096,
      blocks: Math.ceil(DISK_BYTES / 512),
      mtimeMs: modifiedAt,
      ctimeMs: modifiedAt,
    });
    expect(await stat(join(mountpoint, 'memory'))).toMatchObject({ ino: 3, size: MEMORY_BYTES });
    expect(await errnoOf(stat(join(mountpoint, 'other')))).toBe('ENOENT');
    expect(await errnoOf(stat(join(mountpoint, 'disk', 'other')))).toBe('ENOTDIR');
  });

  test('is in the table of mounts as hexz', async () => {
    const { mountpoint } = await serve();
    const [source, , type, options] = mountLine(mountpoint)?.split(' ') ?? [];
    expect(source).toBe('hexz');
    expect(type).toBe('fuse.hexz');
    expect(options?.split(',')).toEqual(
      expect.arrayContaining(['ro', 'nosuid', 'nodev', 'default_permissions']),
    );
  });

  test('tells df its size', async () => {
    const { mountpoint } = await serve();
    expect(await statfs(mountpoint)).toMatchObject({
      bsize: 4096,
      blocks: Math.ceil(DISK_BYTES / 4096) + Math.ceil(MEMORY_BYTES / 4096),
      bfree: 0,
      bavail: 0,
      files: 0,
      ffree: 0,
    });
  });

  test('reads everything, and at odd offsets', async () => {
    const { mountpoint } = await serve();
    const expected = patternBytes(DISK_BYTES);
    expect((await readFile(join(mountpoint, 'disk'))).equals(expected)).toBe(true);
    expect((await readFile(join(mountpoint, 'memory'))).equals(patternBytes(MEMORY_BYTES))).toBe(
      true,
    );
    const handle = await openFile(join(mountpoint, 'disk'), 'r');
    for (const [offset, length] of [
      [1, 1],
      [4095, 2],
      [131_071, 131_074],
      [DISK_BYTES - 3, 100],
      [DISK_BYTES, 10],
      [2 ** 40, 10],
    ] as const) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, offset);
      const wanted = expected.subarray(offset, offset + length);
      expect(buffer.subarray(0, bytesRead).equals(wanted), `at ${offset}`).toBe(true);
    }
  });

  test('serves 32 readers at once', async () => {
    const { mountpoint } = await serve();
    const expected = patternBytes(DISK_BYTES);
    const flags = constants.O_RDONLY | constants.O_DIRECT;
    const script = `
      const { openSync, readSync } = require('node:fs');
      const [path, flags, seed] = process.argv.slice(1);
      const descriptor = openSync(path, Number(flags));
      const all = Buffer.alloc(${DISK_BYTES});
      const step = 65536;
      const steps = Math.ceil(all.length / step);
      for (let index = 0; index < steps; index++) {
        const offset = ((index + Number(seed)) % steps) * step;
        readSync(descriptor, all, offset, Math.min(step, all.length - offset), offset);
      }
      process.stdout.write(require('node:crypto').createHash('sha256').update(all).digest('hex'));
    `;
    const hash = createHash('sha256').update(expected).digest('hex');
    const readers = Array.from({ length: 32 }, (_, seed) =>
      run(process.execPath, ['-e', script, join(mountpoint, 'disk'), String(flags), String(seed)]),
    );
    const hashes = (await Promise.all(readers)).map(({ stdout }) => stdout);
    expect(new Set(hashes)).toEqual(new Set([hash]));
  });

  test('keeps the page cache between opens', async () => {
    const server = await serve();
    const path = join(server.mountpoint, 'disk');
    await readFile(path);
    const { reads } = await server.report();
    expect(reads.length).toBeGreaterThan(0);
    expect(Math.max(...reads)).toBe(128 * 1024);
    await readFile(path);
    expect((await server.report()).reads).toEqual(reads);
  });

  test('answers EROFS to every change', async () => {
    const { mountpoint } = await serve();
    const disk = join(mountpoint, 'disk');
    const name = join(mountpoint, 'new');
    const changes: Record<string, () => Promise<unknown>> = {
      write: () => writeFile(disk, 'x'),
      append: () => appendFile(disk, 'x'),
      'open for writing': () => open(disk, 'r+'),
      'write memory': () => open(join(mountpoint, 'memory'), 'r+'),
      truncate: () => truncate(disk, 1),
      create: () => writeFile(name, 'x'),
      mkdir: () => mkdir(name),
      symlink: () => symlink('x', name),
      link: () => link(disk, name),
      rename: () => rename(disk, name),
      unlink: () => unlink(disk),
      chmod: () => chmod(disk, 0o600),
      chown: () => chown(disk, 1, 1),
      utimes: () => utimes(disk, 1, 1),
      'chmod directory': () => chmod(mountpoint, 0o700),
    };
    for (const [change, attempt] of Object.entries(changes)) {
      expect(await errnoOf(attempt()), change).toBe('EROFS');
    }
  });

  test('reports damage once, and reads on around it', async () => {
    const server = await serve({ damage: { offset: 1024 * 1024, length: 4096 } });
    const flags = constants.O_RDONLY | constants.O_DIRECT;
    const handle = await openFile(join(server.mountpoint, 'disk'), flags);
    const read = (offset: number) => handle.read(Buffer.alloc(4096), 0, 4096, offset);
    expect(await errnoOf(read(1024 * 1024))).toBe('EIO');
    expect(await errnoOf(read(1024 * 1024))).toBe('EIO');
    expect(await errnoOf(read(1024 * 1024 - 4096))).toBe('ok');
    expect(await errnoOf(read(1024 * 1024 + 4096))).toBe('ok');
    const { errors } = await server.report();
    expect(errors).toEqual([expect.stringMatching(/^read: .*wrong CRC-32/)]);
  });
});

describe.skipIf(!isUsable)('a writable mount (needs /dev/fuse)', () => {
  test('writes arrive in large pieces', async () => {
    const server = await serve({ isWritable: true });
    const bytes = patternBytes(1024 * 1024);
    await writeFile(join(server.mountpoint, 'disk'), bytes);
    const { writes } = await server.report();
    expect(Math.min(...writes)).toBeGreaterThanOrEqual(64 * 1024);
    expect(writes.reduce((sum, length) => sum + length, 0)).toBe(bytes.length);
    expect((await readFile(join(server.mountpoint, 'disk'))).equals(bytes)).toBe(true);
  });

  test('the disk grows to just behind the last byte', async () => {
    const { mountpoint } = await serve({ isWritable: true });
    const path = join(mountpoint, 'disk');
    const handle = await openFile(path, 'r+');
    await handle.write(Buffer.from('end'), 0, 3, DISK_BYTES + 5000);
    expect((await handle.stat()).size).toBe(DISK_BYTES + 5003);
    expect((await stat(path)).size).toBe(DISK_BYTES + 5003);
    const contents = await readFile(path);
    const hole = contents.subarray(DISK_BYTES, DISK_BYTES + 5000);
    expect(hole.equals(Buffer.alloc(5000))).toBe(true);
    expect(contents.subarray(DISK_BYTES + 5000).toString()).toBe('end');
  });

  test('truncates by descriptor, by path and when opened', async () => {
    const { mountpoint } = await serve({ isWritable: true });
    const path = join(mountpoint, 'disk');
    const expected = patternBytes(DISK_BYTES);
    const handle = await openFile(path, 'r+');
    await handle.truncate(70_001);
    expect((await readFile(path)).equals(expected.subarray(0, 70_001))).toBe(true);
    await truncate(path, 80_000);
    const grown = Buffer.concat([expected.subarray(0, 70_001), Buffer.alloc(9999)]);
    expect((await readFile(path)).equals(grown)).toBe(true);
    await openFile(path, 'w');
    expect((await stat(path)).size).toBe(0);
    expect(await readFile(path, 'utf8')).toBe('');
  });

  test('appends at the end', async () => {
    const { mountpoint } = await serve({ isWritable: true });
    const path = join(mountpoint, 'disk');
    await appendFile(path, 'one');
    await truncate(path, 10);
    await appendFile(path, 'two');
    const start = patternBytes(10);
    expect(await readFile(path)).toEqual(Buffer.concat([start, Buffer.from('two')]));
  });

  test('times follow writes, and touch', async () => {
    const { mountpoint } = await serve({ isWritable: true });
    const path = join(mountpoint, 'disk');
    expect((await stat(path)).mtimeMs).toBe(modifiedAt);
    const before = Date.now();
    const handle = await openFile(path, 'r+');
    await handle.write('x');
    expect((await stat(path)).mtimeMs).toBeGreaterThanOrEqual(before);
    await run('touch', ['-d', '2001-02-03T04:05:06Z', path]);
    expect((await stat(path)).mtimeMs).toBe(Date.parse('2001-02-03T04:05:06Z'));
  });

  test('fsync reaches the volume', async () => {
    const server = await serve({ isWritable: true });
    const handle = await openFile(join(server.mountpoint, 'disk'), 'r+');
    await handle.write('x');
    await handle.sync();
    await handle.datasync();
    expect((await server.report()).syncCount).toBe(2);
  });

  test('a disk that cannot be so large is refused, and stays as it is', async () => {
    const { mountpoint } = await serve({ isWritable: true });
    const path = join(mountpoint, 'disk');
    const handle = await openFile(path, 'r+');
    expect(await errnoOf(handle.write('x', 2 ** 45))).toBe('EFBIG');
    expect(await errnoOf(handle.truncate(2 ** 45))).toBe('EFBIG');
    expect((await stat(path)).size).toBe(DISK_BYTES);
  });

  test('names, permissions and owners stay', async () => {
    const { mountpoint } = await serve({ isWritable: true });
    const disk = join(mountpoint, 'disk');
    const memory = join(mountpoint, 'memory');
    const name = join(mountpoint, 'new');
    expect((await lstat(disk)).mode).toBe(0o100644);
    expect((await lstat(memory)).mode).toBe(0o100444);
    const answers: [string, () => Promise<unknown>, string][] = [
      ['write memory', () => open(memory, 'r+'), isRoot ? 'EROFS' : 'EACCES'],
      ['truncate memory', () => truncate(memory, 1), isRoot ? 'EROFS' : 'EACCES'],
      ['create', () => writeFile(name, 'x'), 'EPERM'],
      ['create the disk', () => open(disk, 'wx'), 'EEXIST'],
      ['mkdir', () => mkdir(name), 'EPERM'],
      ['mkdir disk', () => mkdir(disk), 'EEXIST'],
      ['symlink', () => symlink('x', name), 'EPERM'],
      ['link', () => link(disk, name), 'EPERM'],
      ['link to a name that exists', () => link(disk, memory), 'EEXIST'],
      ['rename', () => rename(disk, name), 'EPERM'],
      ['rename over the memory', () => rename(disk, memory), 'EPERM'],
      ['rename nothing', () => rename(name, disk), 'ENOENT'],
      ['unlink', () => unlink(disk), 'EPERM'],
      ['unlink nothing', () => unlink(name), 'ENOENT'],
      ['rmdir', () => rmdir(disk), 'ENOTDIR'],
      ['chmod', () => chmod(disk, 0o600), 'EPERM'],
      ['chmod to the same', () => chmod(disk, 0o644), 'ok'],
      ['chown to the same', () => chown(disk, process.getuid?.() ?? 0, -1), 'ok'],
    ];
    for (const [request, attempt, answer] of answers) {
      expect(await errnoOf(attempt()), request).toBe(answer);
    }
    if (isRoot) expect(await errnoOf(chown(disk, 1, 1))).toBe('EPERM');
  });

  // The library counts blocks in 32 bits, and 2^47 bytes are more 4 KiB blocks than that.
  test.each([2 ** 30, 2 ** 47])('df shows the %i bytes that the overlay has', async (freeBytes) => {
    const { mountpoint } = await serve({ isWritable: true, freeBytes });
    const { blocks, bavail, bsize } = await statfs(mountpoint);
    expect(bavail * bsize).toBe(freeBytes);
    expect((blocks - bavail) * bsize).toBeGreaterThanOrEqual(DISK_BYTES + MEMORY_BYTES);
  });
});

describe.skipIf(!isUsable)('the end of a mount (needs /dev/fuse)', () => {
  test.each([
    { how: 'umount', program: 'umount', args: [], needsRoot: true },
    { how: 'fusermount -u', program: 'fusermount', args: ['-u'], needsRoot: false },
  ])('is noticed after $how, and the server can end', async ({ program, args, needsRoot }) => {
    if (needsRoot && !isRoot) return;
    const server = await serve();
    await readFile(join(server.mountpoint, 'disk'));
    expect(server.hasEnded).toBe(false);
    await run(program, [...args, server.mountpoint]);
    expect(await server.untilEnded()).toBe(0);
  });

  test('comes after a lazy unmount only when the last file is closed', async () => {
    const server = await serve();
    const handle = await openFile(join(server.mountpoint, 'disk'), 'r');
    await unmount(server.mountpoint, '-l');
    expect(mountLine(server.mountpoint)).toBeUndefined();
    const { buffer } = await handle.read(Buffer.alloc(4096), 0, 4096, 8192);
    expect(buffer.equals(patternBytes(12_288).subarray(8192))).toBe(true);
    // Several looks at the connection later, it still serves.
    await server.report();
    await new Promise((resolve) => setTimeout(resolve, 350));
    await server.report();
    expect(server.hasEnded).toBe(false);
    await handle.close();
    expect(await server.untilEnded()).toBe(0);
  });

  test('is noticed in the midst of reading', async () => {
    const server = await serve();
    const disk = join(server.mountpoint, 'disk');
    const script = 'while dd if="$0" of=/dev/null bs=64k iflag=direct; do :; done';
    const reader = run('sh', ['-c', script, disk]).catch(() => {});
    while ((await server.report()).reads.length < 100);
    await unmount(server.mountpoint, '-l');
    await reader;
    expect(await server.untilEnded()).toBe(0);
  });
});

describe.skipIf(!isUsable)('a mount that cannot be made (needs /dev/fuse)', () => {
  test('has no mountpoint', async () => {
    const { failure } = await serve({ mountpoint: join(newDirectory(), 'absent') });
    expect(failure).toMatchObject({ code: 'MOUNTPOINT_UNUSABLE' });
    expect(failure?.line).toContain('does not exist');
  });

  test('has a file for a mountpoint', async () => {
    const mountpoint = join(newDirectory(), 'file');
    await writeFile(mountpoint, '');
    const { failure } = await serve({ mountpoint });
    expect(failure).toMatchObject({ code: 'MOUNTPOINT_UNUSABLE' });
  });

  // The others look at the mountpoint before they ask for a backend.
  test.skipIf(isKernel)('has a mountpoint in use', async () => {
    const { mountpoint } = await serve();
    const { failure } = await serve({ mountpoint });
    expect(failure).toMatchObject({ code: 'MOUNTPOINT_UNUSABLE' });
    expect(failure?.line).toContain('a mount already');
  });

  test.skipIf(isKernel)('has a directory with files', async () => {
    const mountpoint = newDirectory();
    await writeFile(join(mountpoint, 'file'), '');
    const { failure } = await serve({ mountpoint });
    expect(failure).toMatchObject({ code: 'MOUNT_FAILED' });
  });

  test.skipIf(isKernel)('has a path that the library would cut off', async () => {
    const mountpoint = join(newDirectory(), ...Array.from({ length: 10 }, () => 'x'.repeat(200)));
    await mkdir(mountpoint, { recursive: true });
    const { failure } = await serve({ mountpoint });
    expect(failure).toMatchObject({ code: 'MOUNTPOINT_UNUSABLE' });
    expect(failure?.line).toContain('longer than');
  });
});

/** A directory that an ordinary user may mount on. */
function directoryOfNobody(): string {
  const directory = newDirectory();
  chmodSync(directory, 0o755);
  const mountpoint = join(directory, 'mount');
  mkdirSync(mountpoint);
  chownSync(mountpoint, NOBODY, NOBODY);
  return mountpoint;
}

const mayMountForOthers = (): boolean => {
  try {
    return /^\s*user_allow_other\s*$/m.test(readFileSync('/etc/fuse.conf', 'utf8'));
  } catch {
    return false;
  }
};

describe.skipIf(!isForAll)('an ordinary user (needs root, and /dev/fuse for all)', () => {
  const asNobody = { uid: NOBODY, gid: NOBODY };

  test('mounts, reads, writes and unmounts', async () => {
    const settings = { mountpoint: directoryOfNobody(), isWritable: true, ...asNobody };
    const server = await serve(settings, { userId: NOBODY });
    expect(server.failure).toBeUndefined();
    const disk = join(server.mountpoint, 'disk');
    await run('sh', ['-c', 'printf abc | dd of="$0" conv=notrunc', disk], asNobody);
    const { stdout } = await run('head', ['-c', '3', disk], asNobody);
    expect(stdout).toBe('abc');
    // Not even root may look.
    expect(await errnoOf(stat(disk))).toBe('EACCES');
    await run('fusermount', ['-u', server.mountpoint], asNobody);
    expect(await server.untilEnded()).toBe(0);
  });

  test('is told that fusermount is missing', async () => {
    const settings = { mountpoint: directoryOfNobody(), ...asNobody };
    const { failure } = await serve(settings, { userId: NOBODY, env: { PATH: newDirectory() } });
    expect(failure).toMatchObject({ code: 'FUSE_UNAVAILABLE' });
    expect(failure?.line).toMatch(/fusermount3? .*apt install fuse3/);
  });

  test.skipIf(mayMountForOthers())('is told that it may not mount for others', async () => {
    const settings = { mountpoint: directoryOfNobody(), allowOther: true, ...asNobody };
    const { failure } = await serve(settings, { userId: NOBODY });
    expect(failure).toMatchObject({ code: 'FUSE_UNAVAILABLE' });
    expect(failure?.line).toContain('user_allow_other');
  });
});

test.skipIf(!isForRootAlone)(
  'who may not open /dev/fuse is told so (needs root, and /dev/fuse for root alone)',
  async () => {
    const settings = { mountpoint: directoryOfNobody() };
    const { failure } = await serve(settings, { userId: NOBODY });
    expect(failure).toMatchObject({ code: 'FUSE_UNAVAILABLE' });
    expect(failure?.line).toMatch(/permission denied; .*chmod/);
  },
);

/** An environment where these statements are run in place of loading fuse-native. */
function withLibrary(statements: string): Record<string, string> {
  const code = `
    import Module from 'node:module';
    const load = Module._load;
    Module._load = (name, ...rest) => {
      if (name === 'fuse-native') { ${statements} }
      return load(name, ...rest);
    };
  `;
  const before = `data:text/javascript,${encodeURIComponent(code).replaceAll("'", '%27')}`;
  return { NODE_OPTIONS: `--import=${before}` };
}

test.skipIf(isKernel).each([
  {
    missing: 'the package',
    error: { message: "Cannot find module 'fuse-native'", code: 'MODULE_NOT_FOUND' },
    says: 'fuse-native is not installed; npm install fuse-native',
  },
  {
    missing: 'libfuse 2',
    error: {
      message: 'libfuse.so.2: cannot open shared object file: No such file or directory',
      code: 'ERR_DLOPEN_FAILED',
    },
    says: 'fuse-native needs libfuse 2, which is missing; apt install libfuse2',
  },
  {
    missing: 'a binary for this machine',
    error: { message: 'No native build was found', code: undefined },
    says: 'cannot be loaded: No native build was found',
  },
])('a machine without $missing is told so', async ({ error, says }) => {
  const library = `throw Object.assign(new Error(), ${JSON.stringify(error)})`;
  const { failure } = await serve({}, { env: withLibrary(library) });
  expect(failure).toMatchObject({ code: 'FUSE_UNAVAILABLE' });
  expect(failure?.line).toContain(says);
});

test.skipIf(!isUsable || isKernel)(
  'a connection that ends as soon as it is made is an error (needs /dev/fuse)',
  async () => {
    const library = `return class {
      static unmount(mountpoint, done) { done(new Error('it is not ours to unmount')); }
      mount(done) { setImmediate(done, null); }
      unmount(done) { this.constructor.unmount('', done); }
    }`;
    const { failure, mountpoint } = await serve({}, { env: withLibrary(library) });
    expect(failure).toMatchObject({ code: 'MOUNT_FAILED' });
    expect(failure?.line).toContain(`hexz unmount ${mountpoint}`);
  },
);
