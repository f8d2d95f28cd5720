import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { HexzError, Mounted, MountOptions } from '../../src/index.js';
import { goldenFixture, goldenPath, projectDirectory, sha256 } from '../support/fixtures.js';
import { isMounted, mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { damageBlock, packNoise, packSnapshot } from '../support/snapshots.js';
import { expectSameBytes, someBytes } from '../support/streams.js';
import { runTool } from '../support/tools.js';
import { until, within } from '../support/until.js';

const DISK_BYTES = 300_001;
const hexz = mounts();

/** The library as it is published: the engine is a program beside it. */
const library = pathToFileURL(join(projectDirectory, 'dist', 'index.js')).href;
const { mount } = (await import(library)) as typeof import('../../src/index.js');

beforeEach(() => {
  for (const [name, value] of Object.entries(hexz.sandbox.environment)) vi.stubEnv(name, value);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** What a test has open. */
let file: FileHandle | undefined;
afterEach(async () => {
  await file?.close();
  file = undefined;
});

async function mountNoise(
  options: Partial<MountOptions> = {},
): Promise<{ mounted: Mounted; bytes: Buffer; snapshot: string; disk: string }> {
  const snapshot = hexz.sandbox.path('disk.hxz');
  const bytes = packNoise(snapshot, DISK_BYTES);
  const mountpoint = hexz.newMountpoint();
  const mounted = await mount({ snapshot, mountpoint, ...options });
  return { mounted, bytes, snapshot, disk: join(mounted.mountpoint, 'disk') };
}

/** A program that mounts by the library, and then goes on until it is killed. */
function startProgram(options: MountOptions): ReturnType<typeof spawn> {
  const script = `
    import { mount } from ${JSON.stringify(library)};
    await mount(${JSON.stringify(options)});
    console.log('ready');
    setInterval(() => {}, 1000);`;
  return spawn(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...process.env, ...hexz.sandbox.environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

// On a machine that is busy otherwise, a mount was seen once that was not ready, and one that was busy, in time.
describe.runIf(requires('FUSE'))('mount()', { retry: 1 }, () => {
  test('resolves when the mount is ready, to what is known of it', async () => {
    const { mounted, bytes, snapshot, disk } = await mountNoise({ uid: 12, gid: 34 });
    expectSameBytes(await readFile(disk), bytes);
    expect(mounted).toMatchObject({
      snapshot,
      mode: 'ro',
      overlay: null,
      backend: process.env.HEXZ_BACKEND ?? 'kernel',
      warnings: [],
    });
    expect(mounted.pid).not.toBe(process.pid);
    expect(Date.now() - Date.parse(mounted.startedAt)).toBeLessThan(60_000);
    expect(await hexz.status()).toMatchObject([{ pid: mounted.pid, state: 'serving' }]);
    await mounted.unmount();
    await mounted.closed;
    hexz.expectNothingLeft();
  });

  test('takes a path relative to the current directory, and passwords', async () => {
    const fixture = goldenFixture('a-lz4-encrypted');
    const mountpoint = hexz.newMountpoint();
    const passwords = ['wrong', fixture.password ?? ''];
    const snapshot = join('fixtures', 'golden', fixture.file);
    const mounted = await mount({ snapshot, mountpoint, passwords });
    expect(sha256(await readFile(join(mountpoint, 'disk')))).toBe(fixture.disk.sha256);
    expect(mounted.snapshot).toBe(goldenPath(fixture.file));
    await mounted.unmount();
  });

  test('makes an overlay that outlives it', async () => {
    const overlay = hexz.sandbox.path('overlay');
    const { mounted, bytes, snapshot, disk } = await mountNoise({ rw: true, overlay });
    expect(mounted).toMatchObject({ mode: 'rw', overlay });
    const file = await open(disk, 'r+');
    await file.write(Buffer.alloc(10, 5), 0, 10, 100);
    await file.close();
    await mounted.unmount();
    bytes.fill(5, 100, 110);
    const again = await mount({ snapshot, mountpoint: mounted.mountpoint, overlay });
    expectSameBytes(await readFile(disk), bytes);
    await again.unmount();
  });

  test('makes a temporary overlay that does not', async () => {
    const { mounted, disk } = await mountNoise({ rw: true });
    expect(mounted.overlay).toContain(hexz.sandbox.environment.TMPDIR);
    const file = await open(disk, 'r+');
    await file.write(Buffer.alloc(10, 5), 0, 10, 100);
    await file.close();
    await mounted.unmount();
    hexz.expectNothingLeft();
  });

  test.each([
    ['UNREADABLE', { snapshot: '/absent.hxz' }],
    ['PASSWORD_REQUIRED', { snapshot: goldenPath('a-lz4-encrypted.hxz') }],
    ['AUTH', { snapshot: goldenPath('a-lz4-encrypted.hxz'), passwords: 'wrong' }],
    ['MOUNTPOINT_UNUSABLE', { mountpoint: '/absent' }],
    ['OVERLAY_UNUSABLE', { rw: true, overlay: '/absent/overlay' }],
    ['NO_STREAM', { snapshot: goldenPath('a-lz4-memory-only.hxz'), rw: true }],
  ])('rejects with %s', async (code, options) => {
    await expect(mountNoise(options)).rejects.toMatchObject({ name: 'HexzError', code });
    await until('the end of the engine', () => hexz.sandbox.processes().length === 0);
    hexz.expectNothingLeft();
  });

  // Of the first block the mount itself has read a byte before it is ready.
  test.each([0, 3])('tells of errors that its users meet, in block %i', async (blockIndex) => {
    const snapshot = hexz.sandbox.path('damaged.hxz');
    packSnapshot(snapshot, { disk: someBytes(DISK_BYTES) });
    damageBlock(snapshot, blockIndex);
    const errors: HexzError[] = [];
    const onError = (error: HexzError) => errors.push(error);
    const { mounted, disk } = await mountNoise({ snapshot, onError });
    file = await open(disk);
    const reading = file.read(Buffer.alloc(1), 0, 1, blockIndex * 65_536);
    await expect(reading).rejects.toMatchObject({ code: 'EIO' });
    await file.close();
    file = undefined;
    await until('an error', () => errors.length > 0);
    expect(errors).toMatchObject([{ name: 'HexzError', code: 'CRC', location: { blockIndex } }]);
    await mounted.unmount();
    await mounted.closed;
  });

  test('serves several mounts at once', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const bytes = packNoise(snapshot, DISK_BYTES);
    const several = await Promise.all(
      [1, 2, 3].map(() => mount({ snapshot, mountpoint: hexz.newMountpoint() })),
    );
    for (const { mountpoint } of several) {
      expectSameBytes(await readFile(join(mountpoint, 'disk')), bytes);
    }
    await Promise.all(several.map((mounted) => mounted.unmount()));
    hexz.expectNothingLeft();
  });
});

test.each([
  [{}, 'snapshot'],
  [{ snapshot: '/x' }, 'mountpoint'],
  [{ snapshot: '/x', mountpoint: '/y', overlay: '' }, 'overlay'],
  [{ snapshot: '/x', mountpoint: '/y', uid: -4 }, 'uid'],
])('mount(%j) is refused', async (options, name) => {
  await expect(mount(options as MountOptions)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(name),
  });
});

describe.runIf(requires('FUSE'))('unmount() and closed', () => {
  test('a mount in use is kept, unless it is told to be lazy', async () => {
    const { mounted, bytes, disk } = await mountNoise();
    file = await open(disk);
    await expect(mounted.unmount()).rejects.toMatchObject({ code: 'MOUNT_BUSY' });
    expectSameBytes(await readFile(disk), bytes);
    let isClosed = false;
    const closing = mounted.closed.then(() => {
      isClosed = true;
    });
    await mounted.unmount({ lazy: true });
    expect(hexz.sandbox.mountpoints()).toEqual([]);
    expectSameBytes(await file.readFile(), bytes);
    expect(isClosed).toBe(false);
    await file.close();
    file = undefined;
    await within('the end', closing);
    hexz.expectNothingLeft();
  });

  test('may be asked twice', async () => {
    const { mounted } = await mountNoise();
    await Promise.all([mounted.unmount(), mounted.unmount()]);
    await mounted.unmount();
    await mounted.unmount({ lazy: true });
    hexz.expectNothingLeft();
  });

  test('is closed when others unmount it', async () => {
    const { mounted } = await mountNoise({ rw: true });
    expect(runTool('fusermount', '-u', mounted.mountpoint)).toBe(true);
    await within('the end', mounted.closed);
    hexz.expectNothingLeft();
    const other = await mountNoise({ rw: true });
    await hexz.unmount(other.mounted);
    await within('the end', other.mounted.closed);
    hexz.expectNothingLeft();
  });

  test('rejects when the engine is killed, and what it left can be unmounted', async () => {
    const { mounted } = await mountNoise();
    process.kill(mounted.pid, 'SIGKILL');
    await expect(mounted.closed).rejects.toMatchObject({ code: 'MOUNT_FAILED' });
    expect(isMounted(mounted.mountpoint)).toBe(true);
    await mounted.unmount();
    expect(isMounted(mounted.mountpoint)).toBe(false);
  });
});

describe.runIf(requires('FUSE'))('a program that ends', () => {
  test('by coming to its end takes its mount with it', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, DISK_BYTES);
    const options = { snapshot, mountpoint: hexz.newMountpoint(), rw: true };
    const script = `
      import { mount } from ${JSON.stringify(library)};
      await mount(${JSON.stringify(options)});`;
    const program = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, ...hexz.sandbox.environment },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [status] = await within('the end', once(program, 'exit'));
    expect(status).toBe(0);
    await until('the end of the engine', () => hexz.sandbox.processes().length === 0);
    hexz.expectNothingLeft();
  });

  test('takes its mount with it, though that is in use', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, DISK_BYTES);
    const mountpoint = hexz.newMountpoint();
    const program = startProgram({ snapshot, mountpoint, rw: true });
    if (program.stdout !== null) await once(program.stdout, 'data');
    file = await open(join(mountpoint, 'disk'));
    program.kill('SIGKILL');
    await until('the end of the engine', () => hexz.sandbox.processes().length === 0);
    // The first pages the kernel may still have.
    const reading = file.read(Buffer.alloc(1), 0, 1, DISK_BYTES - 1);
    await expect(reading).rejects.toMatchObject({ code: 'ENOTCONN' });
    hexz.expectNothingLeft();
    expect(await hexz.status()).toEqual([]);
  });

  test('before its mount is ready leaves nothing', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, DISK_BYTES);
    const program = startProgram({ snapshot, mountpoint: hexz.newMountpoint(), rw: true });
    const ended = once(program, 'exit');
    // The overlay comes before the mount. Without a pause between two looks, for it does not last.
    while (hexz.sandbox.temporaryFiles().length === 0) await setImmediate();
    const engine = hexz.sandbox.processes().find((pid) => pid !== program.pid);
    if (engine === undefined) throw new Error('no engine');
    process.kill(engine, 'SIGSTOP');
    program.kill('SIGKILL');
    await ended;
    process.kill(engine, 'SIGCONT');
    await until('the end of the engine', () => hexz.sandbox.processes().length === 0);
    hexz.expectNothingLeft();
  });
});
