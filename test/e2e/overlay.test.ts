import { readdirSync, readFileSync, statSync } from 'node:fs';
import { copyFile, open, readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stateOf } from '../support/directory.js';
import { goldenFixture, goldenOverlays, goldenPath, sha256 } from '../support/fixtures.js';
import { mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { packNoise, packSnapshot } from '../support/snapshots.js';
import { expectSameBytes, someBytes } from '../support/streams.js';
import { runTool } from '../support/tools.js';

const hexz = mounts();
const DISK_BYTES = 300_001;

/** A snapshot, what its disk holds, and where an overlay could lie: in a directory of its own. */
function prepare(): { snapshot: string; bytes: Buffer; directory: string; overlay: string } {
  const snapshot = hexz.sandbox.path('disk.hxz');
  const bytes = packNoise(snapshot, DISK_BYTES);
  const directory = hexz.sandbox.newDirectory('overlays');
  return { snapshot, bytes, directory, overlay: `${directory}/changes.overlay` };
}

/** Writes into an existing file. */
async function patch(path: string, offset: number, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { bytesWritten } = await file.write(bytes, 0, bytes.length, offset);
    expect(bytesWritten).toBe(bytes.length);
  } finally {
    await file.close();
  }
}

describe.runIf(requires('FUSE'))('a temporary overlay', () => {
  const ends: Record<string, (mount: { mountpoint: string; pid: number }) => unknown> = {
    'hexz unmount': (mount) => hexz.unmount(mount),
    SIGTERM: ({ pid }) => process.kill(pid, 'SIGTERM'),
    SIGINT: ({ pid }) => process.kill(pid, 'SIGINT'),
    SIGHUP: ({ pid }) => process.kill(pid, 'SIGHUP'),
    'fusermount -u': ({ mountpoint }) => runTool('fusermount', '-u', mountpoint),
  };

  test.each(Object.keys(ends))('is removed by %s, and with it the changes', async (name) => {
    const { snapshot, bytes } = prepare();
    const evidence = stateOf(hexz.sandbox.directory)['disk.hxz'];
    const mount = await hexz.mount(snapshot, ['--rw']);
    expect(mount.ready).toMatchObject({ mode: 'rw', isTemporaryOverlay: true });
    expect(statSync(mount.disk).mode & 0o777).toBe(0o644);
    await patch(mount.disk, 4000, Buffer.alloc(5000, 7));
    expectSameBytes((await readFile(mount.disk)).subarray(4000, 9000), Buffer.alloc(5000, 7));
    const [directory = ''] = hexz.sandbox.temporaryFiles();
    const path = `${hexz.sandbox.environment.TMPDIR}/${directory}`;
    expect(statSync(path).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(path)) expect(statSync(`${path}/${file}`).mode & 0o077).toBe(0);
    await ends[name]?.(mount);
    expect(await mount.ended).toEqual({ status: 0, signal: null });
    hexz.expectNothingLeft();
    const again = await hexz.mount(snapshot, ['--rw']);
    expectSameBytes(await readFile(again.disk), bytes);
    expect(stateOf(hexz.sandbox.directory)['disk.hxz']).toEqual(evidence);
  });
});

describe.runIf(requires('FUSE'))('an overlay', () => {
  test('keeps the changes, at a path relative to the current directory', async () => {
    const { snapshot, bytes, directory } = prepare();
    const options = { cwd: directory };
    const args = ['--rw', '--overlay', 'changes.overlay'];
    const changes = [
      [0, 512],
      [5000, 3000],
      [65_530, 25],
      [131_072, 8192],
      [299_990, 11],
    ] as const;
    for (const [offset, length] of changes) {
      const mount = await hexz.mount(snapshot, args, options);
      expect(mount.ready).toMatchObject({
        overlay: `${directory}/changes.overlay`,
        isTemporaryOverlay: false,
      });
      expectSameBytes(await readFile(mount.disk), bytes);
      const change = someBytes(length);
      change.copy(bytes, offset);
      await patch(mount.disk, offset, change);
      expectSameBytes(await readFile(mount.disk), bytes);
      await hexz.unmount(mount);
      expect(mount.stderr).toBe('');
    }
    const files = ['changes.meta', 'changes.overlay', 'changes.overlay.hexz.json'];
    expect(readdirSync(directory).sort()).toEqual(files);
    for (const file of files) expect(statSync(`${directory}/${file}`).mode & 0o777).toBe(0o600);
  });

  test('without --rw is a merged view that creates and changes nothing', async () => {
    const { snapshot, bytes, directory, overlay } = prepare();
    const writer = await hexz.mount(snapshot, ['--rw', '--overlay', overlay]);
    await patch(writer.disk, 10_000, Buffer.alloc(100, 9));
    bytes.fill(9, 10_000, 10_100);
    await hexz.unmount(writer);
    const before = stateOf(directory);
    const readers = await Promise.all(
      [1, 2, 3].map(() => hexz.mount(snapshot, ['--overlay', overlay])),
    );
    for (const reader of readers) {
      expect(reader.ready).toMatchObject({ mode: 'ro', overlay, isTemporaryOverlay: false });
      expectSameBytes(await readFile(reader.disk), bytes);
      expect(statSync(reader.disk).mode & 0o777).toBe(0o444);
      await expect(patch(reader.disk, 0, bytes)).rejects.toMatchObject({ code: 'EROFS' });
    }
    const refused = await hexz.run([
      ...['mount', snapshot, hexz.newMountpoint()],
      ...['--rw', '--overlay', overlay],
    ]);
    expect(refused).toMatchObject({ status: 7 });
    expect(refused.stderr).toContain('open for reading');
    for (const reader of readers) await hexz.unmount(reader);
    expect(stateOf(directory)).toEqual(before);
    await hexz.unmount(await hexz.mount(snapshot, ['--rw', '--overlay', overlay]));
  });

  test('that is missing is refused without --rw, and not created', async () => {
    const { snapshot, directory, overlay } = prepare();
    const mountpoint = hexz.newMountpoint();
    const result = await hexz.run(['mount', snapshot, mountpoint, '--overlay', overlay]);
    expect(result).toMatchObject({ status: 3 });
    expect(result.stderr).toContain('there is no such overlay');
    expect(readdirSync(directory)).toEqual([]);
    hexz.expectNothingLeft();
  });

  test('has one writer, who is named to whoever comes later', async () => {
    const { snapshot, bytes, overlay } = prepare();
    const writer = await hexz.mount(snapshot, ['--rw', '--overlay', overlay]);
    for (const args of [['--rw'], []]) {
      const result = await hexz.run([
        ...['mount', snapshot, hexz.newMountpoint(), '--overlay', overlay],
        ...args,
      ]);
      expect(result).toMatchObject({ status: 7 });
      expect(result.stderr).toContain(`process ${writer.pid} `);
      expect(result.stderr).toContain(writer.mountpoint);
    }
    expectSameBytes(await readFile(writer.disk), bytes);
    expect(await writer.end('SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
    // The lock of the dead is taken over.
    const next = await hexz.mount(snapshot, ['--rw', '--overlay', overlay]);
    expectSameBytes(await readFile(next.disk), bytes);
  });

  test('of another snapshot is refused, but for --force', async () => {
    const { snapshot, overlay } = prepare();
    const writer = await hexz.mount(snapshot, ['--rw', '--overlay', overlay]);
    await patch(writer.disk, 0, Buffer.alloc(4096, 1));
    await hexz.unmount(writer);
    const other = hexz.sandbox.path('other.hxz');
    const bytes = packNoise(other, DISK_BYTES);
    for (const args of [[], ['--rw']]) {
      const result = await hexz.run([
        ...['mount', other, hexz.newMountpoint(), '--overlay', overlay],
        ...args,
      ]);
      expect(result).toMatchObject({ status: 7 });
      expect(result.stderr).toContain(snapshot);
      expect(result.stderr).toContain('--force');
    }
    const forced = await hexz.mount(other, ['--rw', '--force', '--overlay', overlay]);
    bytes.fill(1, 0, 4096);
    expectSameBytes(await readFile(forced.disk), bytes);
    await hexz.unmount(forced);
    // From then on it is that of the other one.
    await hexz.unmount(await hexz.mount(other, ['--overlay', overlay]));
  });

  test('of a copy of its snapshot somewhere else is accepted', async () => {
    const { snapshot, bytes, overlay } = prepare();
    await hexz.unmount(await hexz.mount(snapshot, ['--rw', '--overlay', overlay]));
    const copy = hexz.sandbox.path('copy.hxz');
    await copyFile(snapshot, copy);
    const mount = await hexz.mount(copy, ['--rw', '--overlay', overlay]);
    expectSameBytes(await readFile(mount.disk), bytes);
  });

  test('of an encrypted snapshot warns that it is not', async () => {
    const snapshot = hexz.sandbox.path('secret.hxz');
    packSnapshot(snapshot, { disk: someBytes(10_000) }, { password: 'secret' });
    const env = { HEXZ_PASSWORD: 'secret' };
    const overlay = hexz.sandbox.path('changes');
    const writer = await hexz.mount(snapshot, ['--rw', '--overlay', overlay], { env });
    expect(writer.ready.warnings.join()).toContain('encrypted');
    expect(writer.stderr).toContain('encrypted');
    await hexz.unmount(writer);
    const reader = await hexz.mount(snapshot, ['--overlay', overlay], { env });
    expect(reader.ready.warnings).toEqual([]);
  });

  test('leaves memory alone', async () => {
    const snapshot = hexz.sandbox.path('both.hxz');
    const memory = someBytes(10_000);
    packSnapshot(snapshot, { disk: someBytes(10_000), memory });
    const mount = await hexz.mount(snapshot, ['--rw']);
    expect(statSync(mount.memory).mode & 0o777).toBe(0o444);
    // For root permissions are no obstacle.
    const code = process.getuid?.() === 0 ? 'EROFS' : 'EACCES';
    for (const flags of ['r+', 'a', 'w']) {
      await expect(open(mount.memory, flags)).rejects.toMatchObject({ code });
    }
    expectSameBytes(await readFile(mount.memory), memory);
  });
});

describe.runIf(requires('FUSE'))('an overlay of the reference', () => {
  test.each(goldenOverlays.map(({ id }) => id))('%s shows and takes changes', async (id) => {
    const golden = goldenOverlays.find((candidate) => candidate.id === id);
    if (golden === undefined) throw new Error(`no overlay ${id}`);
    const { size } = golden.reference_merged_disk;
    const directory = hexz.sandbox.newDirectory('overlays');
    const overlay = `${directory}/${basename(golden.data)}`;
    await copyFile(goldenPath(golden.data), overlay);
    await copyFile(goldenPath(golden.meta), `${directory}/${basename(golden.meta)}`);
    const snapshot = goldenPath(goldenFixture(golden.base.replace(/\.hxz$/, '')).file);
    const before = stateOf(directory);
    const reader = await hexz.mount(snapshot, ['--overlay', overlay]);
    const bytes = await readFile(reader.disk);
    const applied = bytes.subarray(0, golden.applied_disk.size);
    expect([bytes.length, sha256(applied)]).toEqual([size, golden.applied_disk.sha256]);
    expectSameBytes(bytes.subarray(applied.length), Buffer.alloc(size - applied.length));
    await hexz.unmount(reader);
    expect(stateOf(directory)).toEqual(before);
    const args = ['--rw', '--overlay', overlay];
    const writer = await hexz.mount(snapshot, args);
    expectSameBytes(await readFile(writer.disk), bytes);
    const change = someBytes(10_000);
    await patch(writer.disk, size - 5000, change);
    await hexz.unmount(writer);
    const again = await hexz.mount(snapshot, args);
    expectSameBytes(
      await readFile(again.disk),
      Buffer.concat([bytes.subarray(0, size - 5000), change]),
    );
  });

  test('that went on with one of ours decides on its size, with a warning', async () => {
    const { snapshot, bytes, overlay } = prepare();
    const args = ['--rw', '--overlay', overlay];
    const writer = await hexz.mount(snapshot, args);
    await patch(writer.disk, DISK_BYTES, Buffer.alloc(10, 1));
    await hexz.unmount(writer);
    // As the reference appends: a page of data, then its number.
    await patch(overlay, 400_000, Buffer.alloc(1000, 2));
    const list = overlay.replace(/\.overlay$/, '.meta');
    const page = Buffer.alloc(8);
    page.writeBigUInt64LE(BigInt(Math.floor(400_000 / 4096)));
    await writeFile(list, Buffer.concat([readFileSync(list), page]));
    const again = await hexz.mount(snapshot, args);
    expect(again.ready.warnings.join()).toContain('another program has written');
    const expected = Buffer.alloc(401_000);
    bytes.copy(expected);
    expected.fill(1, DISK_BYTES, DISK_BYTES + 10);
    expected.fill(2, 400_000);
    expectSameBytes(await readFile(again.disk), expected);
  });
});
