import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { mountFixture, type TestMount, useMount } from '../../src/testing/index.js';
import { goldenFixture, goldenPath, sha256 } from '../support/fixtures.js';
import { isMounted } from '../support/mounts.js';
import { recipePath } from '../support/recipes.js';
import { requires } from '../support/requires.js';
import { Sandbox } from '../support/sandbox.js';
import { sandboxedTesting } from '../support/testing.js';
import { until } from '../support/until.js';

const golden = goldenFixture('a-lz4-4k-both');
const snapshot = goldenPath(golden.file);

async function patch(path: string, offset: number, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, offset);
  await file.close();
}

describe.runIf(requires('FUSE'))('useMount', () => {
  sandboxedTesting();
  const mount = useMount(snapshot, { rw: true });
  const before: { mountpoint?: string; pid?: number } = {};

  test('gives the paths and the streams of a mount', async () => {
    expect(sha256(await readFile(mount.disk))).toBe(golden.disk.sha256);
    expect(sha256(await readFile(mount.memory))).toBe(golden.memory.sha256);
    expect(mount.snapshot).toBe(snapshot);
    expect(await mount.state()).toMatchObject({
      pid: mount.pid,
      lease: 'bound',
      mount: { mountpoint: mount.mountpoint, mode: 'rw' },
      overlay: { path: mount.overlay, isTemporary: true, dirtyPages: 0 },
    });
    await patch(mount.disk, 5000, Buffer.alloc(1));
    before.mountpoint = mount.mountpoint;
    before.pid = mount.pid;
  });

  test('gives each test a mount of its own, and sweeps the one before', async () => {
    expect(mount.pid).not.toBe(before.pid);
    expect(existsSync(before.mountpoint ?? '')).toBe(false);
    expect(sha256(await readFile(mount.disk))).toBe(golden.disk.sha256);
  });

  test('reads streams past the kernel, of both sides', async () => {
    const bytes = await readFile(mount.memory);
    expect(await mount.read('memory', 100, 70_000)).toEqual(bytes.subarray(100, 70_100));
    expect(await mount.read('memory', bytes.length - 3, 10)).toEqual(bytes.subarray(-3));
    expect(sha256(await mount.read('disk', 0, undefined, 'base'))).toBe(golden.disk.sha256);
  });

  test('runs commands, and hands out what they answer', async () => {
    const [info, read] = await mount.repl('info', 'read disk 0 16');
    expect(info).toMatchObject({ command: 'info', result: { path: snapshot } });
    const bytes = (await mount.read('disk', 0, 16)).toString('hex');
    expect(read).toMatchObject({ result: { stream: 'disk', pieces: [{ offset: 0, bytes }] } });
  });

  test('keeps bookmarks between commands, and throws what a command fails with', async () => {
    await mount.repl('bookmark here 0x1000');
    const [read] = await mount.repl('read disk $here 1');
    expect(read).toMatchObject({ result: { offset: 0x1000 } });
    await expect(mount.repl('info', 'sh exit 3', 'info')).rejects.toMatchObject({
      code: 'PROGRAM_FAILED',
      message: 'sh exit 3: the program ended with status 3',
    });
    await expect(mount.repl('read nowhere')).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('takes the mount away and goes on answering', async () => {
    const { mountpoint } = mount;
    await mount.unmount();
    expect(isMounted(mountpoint)).toBe(false);
    expect(sha256(await mount.read('disk'))).toBe(golden.disk.sha256);
  });
});

describe.runIf(requires('FUSE'))("useMount with per: 'suite'", () => {
  // Before the mount, and after it.
  const sandbox = new Sandbox();
  beforeAll(() => {
    for (const [name, value] of Object.entries(sandbox.environment)) vi.stubEnv(name, value);
  });
  afterAll(async () => {
    expect(sandbox.temporaryFiles()).toEqual([]);
    vi.unstubAllEnvs();
    await sandbox.sweep();
  });
  const mount = useMount(snapshot, { per: 'suite' });
  let pid = 0;

  test('gives all tests the same mount', () => {
    pid = mount.pid;
    expect(isMounted(mount.mountpoint)).toBe(true);
  });

  test('which is there as long as they run', () => {
    expect(mount.pid).toBe(pid);
    expect(isMounted(mount.mountpoint)).toBe(true);
  });
});

describe.runIf(requires('FUSE'))('mountFixture', () => {
  const hexz = sandboxedTesting();

  /** Mounts, and sweeps; nothing may be left. */
  async function withMount(
    fixture: string | URL,
    options: Parameters<typeof mountFixture>[1],
    action: (mount: TestMount) => Promise<void>,
  ): Promise<void> {
    const mount = await mountFixture(fixture, options);
    try {
      await action(mount);
    } finally {
      await mount.end();
    }
    hexz.expectNothingLeft();
  }

  test('takes the address of a file, and passwords', async () => {
    const encrypted = goldenFixture('a-lz4-encrypted');
    const passwords = encrypted.password ?? '';
    await withMount(pathToFileURL(goldenPath(encrypted.file)), { passwords }, async (mount) => {
      expect(sha256(await readFile(mount.disk))).toBe(encrypted.disk.sha256);
      expect(mount.overlay).toBeNull();
    });
  });

  test('makes a recipe once, and knows its password', async () => {
    const made = () => readdirSync(hexz.sandbox.path('cache', 'hexz', 'fixtures'));
    await withMount(recipePath('encrypted'), {}, async (mount) => {
      expect(await mount.read('disk', 200_000, 4)).toEqual(Buffer.alloc(4));
      expect(mount.snapshot).toBe(
        hexz.sandbox.path('cache', 'hexz', 'fixtures', made()[0] ?? '', 'encrypted.hxz'),
      );
    });
    const inode = (await stat(hexz.sandbox.path('cache', 'hexz', 'fixtures', made()[0] ?? ''))).ino;
    await withMount(recipePath('encrypted'), { noMount: true }, async () => {});
    expect(made()).toHaveLength(1);
    expect((await stat(hexz.sandbox.path('cache', 'hexz', 'fixtures', made()[0] ?? ''))).ino).toBe(
      inode,
    );
  });

  test('makes a recipe without a lock file for one mount', async () => {
    const recipe = hexz.sandbox.path('small.yaml');
    writeFileSync(recipe, 'disk: [{ text: "first" }]\n');
    await withMount(recipe, {}, async (mount) => {
      expect(await readFile(mount.disk, 'utf8')).toBe('first');
      expect(mount.snapshot.startsWith(mount.directory)).toBe(true);
    });
    writeFileSync(recipe, 'disk: [{ text: "second" }]\n');
    await withMount(recipe, {}, async (mount) => {
      expect(await readFile(mount.disk, 'utf8')).toBe('second');
    });
  });

  test('takes a copy of the overlay that a recipe makes', async () => {
    for (const byte of [7, 8]) {
      await withMount(recipePath('cut-and-grown'), { rw: true, overlay: true }, async (mount) => {
        expect((await readFile(mount.disk)).toString('latin1', 5000, 5014)).toBe('before the cut');
        await patch(mount.disk, 5000, Buffer.alloc(14, byte));
        expect(mount.overlay?.startsWith(mount.directory)).toBe(true);
      });
    }
  });

  test('uses an overlay where it lies', async () => {
    const overlay = hexz.sandbox.path('kept.overlay');
    await withMount(snapshot, { rw: true, overlay }, (mount) =>
      patch(mount.disk, 0, Buffer.from('kept')),
    );
    await withMount(snapshot, { overlay }, async (mount) => {
      expect((await readFile(mount.disk)).toString('latin1', 0, 4)).toBe('kept');
    });
  });

  test('serves without a mount', async () => {
    await withMount(snapshot, { noMount: true }, async (mount) => {
      expect((await mount.state()).mount).toBeNull();
      expect(() => mount.mountpoint).toThrow('noMount');
      expect(sha256(await mount.read('disk'))).toBe(golden.disk.sha256);
    });
  });

  test('records what programs ask, from the first byte on', async () => {
    await withMount(snapshot, { rw: true }, async (mount) => {
      expect(await mount.activity.recorded()).toMatchObject({ events: [], lostEvents: 0 });
      await readFile(mount.disk);
      const { events, counters } = await mount.activity.recorded();
      expect(events.some(({ kind, offset }) => kind === 'read' && offset === 0)).toBe(true);
      expect(counters.streams.disk?.readBytes).toBe(golden.disk.size);
      await mount.activity.mark();
      await patch(mount.disk, 8192, Buffer.alloc(4096));
      const after = await mount.activity.recorded();
      expect(after.events).toMatchObject([{ kind: 'write', offset: 8192, length: 4096 }]);
      expect(after.counters.streams.disk).toMatchObject({ readBytes: 0, writtenBytes: 4096 });
      await mount.activity.mark();
      await mount.evict();
      await readFile(mount.disk);
      expect((await mount.activity.recorded()).counters.streams.disk?.readBytes).toBe(
        golden.disk.size,
      );
    });
  });

  test.each([
    ['UNREADABLE', '/absent.hxz', {}],
    ['PASSWORD_REQUIRED', goldenPath('a-lz4-encrypted.hxz'), {}],
    ['NO_STREAM', goldenPath('a-lz4-memory-only.hxz'), { rw: true }],
    ['USAGE', snapshot, { overlay: true as const }],
    ['UNREADABLE', '/absent.yaml', {}],
  ])('leaves nothing when it fails with %s', async (code, fixture, options) => {
    await expect(mountFixture(fixture, options)).rejects.toMatchObject({ code });
    await until('the end of the engine', () => hexz.sandbox.processes().length === 0);
    hexz.expectNothingLeft();
  });

  test('ends although the mount is in use, and may be ended twice', async () => {
    const mount = await mountFixture(snapshot, { rw: true });
    await writeFile(join(mount.directory, 'of the test'), '');
    const file = await open(mount.disk, 'r+');
    await Promise.all([mount.end(), mount.end()]);
    await mount.end();
    hexz.expectNothingLeft();
    expect(() => mount.disk).toThrow('only while its tests run');
    await file.close().catch(() => {});
  });

  test('sweeps what a killed engine has left', async () => {
    const mount = await mountFixture(snapshot, { rw: true });
    const { mountpoint, client } = mount;
    process.kill(mount.pid, 'SIGKILL');
    await client.closed;
    await expect(mount.activity.recorded()).rejects.toMatchObject({ code: 'ENGINE_GONE' });
    expect(isMounted(mountpoint)).toBe(true);
    await mount.end();
    hexz.expectNothingLeft();
    expect(await hexz.status()).toEqual([]);
  });
});
