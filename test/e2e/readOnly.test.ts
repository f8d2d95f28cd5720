import { readFileSync, statSync } from 'node:fs';
import {
  chmod,
  chown,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { StreamName } from '../../src/index.js';
import { goldenFixture, goldenPath, sha256 } from '../support/fixtures.js';
import { mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { damageBlock, packNoise, packSnapshot } from '../support/snapshots.js';
import { expectSameBytes, someBytes } from '../support/streams.js';
import { runTool } from '../support/tools.js';
import { until, within } from '../support/until.js';

const hexz = mounts();

async function use<T>(path: string, action: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    return await action(file);
  } finally {
    await file.close();
  }
}

async function readRange(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, offset);
  return bytes.subarray(0, bytesRead);
}

describe.runIf(requires('FUSE'))('a read-only mount shows', () => {
  test.each([
    'a-lz4-64k-disk',
    'a-zstd-64k-both',
    'a-lz4-odd-both',
    'a-zstd-odd-disk',
    'a-lz4-cdc',
    'a-zstd-dict-encrypted',
    'a-lz4-encrypted',
    'a-thin-l2',
    's-thin-memory',
    's-deep-7',
    's-b-two-parents',
    'a-lz4-memory-only',
    'a-lz4-empty-disk-memory',
    'a-zstd-empty-disk',
    'a-zstd-onebyte-both',
    'a4-lz4-both',
    'b-zstd-file',
  ])('the streams of %s', async (id) => {
    const fixture = goldenFixture(id);
    const passwordFile = hexz.sandbox.path('password');
    await writeFile(passwordFile, `${fixture.password}\n`);
    const args = fixture.password === null ? [] : ['--password-file', passwordFile];
    const { mountpoint } = await hexz.mount(goldenPath(fixture.file), args);
    const streams: StreamName[] = [
      ...(fixture.has_disk ? (['disk'] as const) : []),
      ...(fixture.has_memory ? (['memory'] as const) : []),
    ];
    expect((await readdir(mountpoint)).sort()).toEqual(streams);
    for (const stream of streams) {
      const bytes = await readFile(join(mountpoint, stream));
      expect([bytes.length, sha256(bytes)]).toEqual([fixture[stream].size, fixture[stream].sha256]);
      expect((await stat(join(mountpoint, stream))).size).toBe(fixture[stream].size);
    }
  });

  test('offsets beyond 4 GiB', async () => {
    const {
      file,
      disk: { size },
      spots = [],
    } = goldenFixture('s-lz4-over-4g');
    const { disk } = await hexz.mount(goldenPath(file));
    expect((await stat(disk)).size).toBe(size);
    expect(spots.length).toBeGreaterThan(0);
    await use(disk, async (handle) => {
      for (const { offset, length, sha256: expected } of spots) {
        expect(sha256(await readRange(handle, offset, length))).toBe(expected);
      }
    });
  });

  test('owners, modes, links, inode numbers and times', async () => {
    const snapshot = goldenPath('a-zstd-64k-both.hxz');
    const { mtimeMs } = statSync(snapshot);
    const one = await hexz.mount(snapshot);
    const other = await hexz.mount(snapshot, ['--uid', '1234', '--gid', '4321']);
    const inodes: number[][] = [];
    for (const [mount, uid, gid] of [
      [one, process.getuid?.(), process.getgid?.()],
      [other, 1234, 4321],
    ] as const) {
      const [directory, disk, memory] = await Promise.all(
        [mount.mountpoint, mount.disk, mount.memory].map((path) => stat(path)),
      );
      expect(directory).toMatchObject({ mode: 0o40555, nlink: 2, uid, gid });
      expect(disk).toMatchObject({ mode: 0o100444, nlink: 1, uid, gid, size: 262_221 });
      expect(memory).toMatchObject({ mode: 0o100444, nlink: 1, uid, gid });
      expect(disk?.blocks).toBe(513);
      for (const { mtimeMs: shown } of [directory, disk, memory].filter((it) => it !== undefined)) {
        expect(Math.abs(shown - mtimeMs)).toBeLessThan(1000);
      }
      inodes.push([directory, disk, memory].map((it) => it?.ino ?? -1));
    }
    expect(inodes[0]).toEqual(inodes[1]);
    expect(new Set(inodes[0]).size).toBe(3);
  });

  test('its size to df, and no room', async () => {
    const { mountpoint, disk, memory } = await hexz.mount(goldenPath('a-zstd-64k-both.hxz'));
    const { bsize, blocks, bfree, bavail, files } = await statfs(mountpoint);
    const sizes = [(await stat(disk)).size, (await stat(memory)).size];
    expect(blocks * bsize).toBeGreaterThanOrEqual(sizes.reduce((sum, size) => sum + size, 0));
    expect(blocks * bsize).toBeLessThan(sizes.reduce((sum, size) => sum + size + bsize, 0));
    expect([bfree, bavail, files]).toEqual([0, 0, 0]);
    expect(runTool('df', mountpoint)).toBe(true);
  });
});

describe.runIf(requires('FUSE'))('a read-only mount', () => {
  test('answers EROFS to every change, and stays as it was', async () => {
    const snapshot = hexz.sandbox.path('both.hxz');
    const [diskBytes, memoryBytes] = [someBytes(100_001), someBytes(5000)];
    packSnapshot(snapshot, { disk: diskBytes, memory: memoryBytes });
    const before = { bytes: readFileSync(snapshot), stats: statSync(snapshot, { bigint: true }) };
    const { mountpoint, disk, memory } = await hexz.mount(snapshot);
    const absent = join(mountpoint, 'absent');
    const changes: Record<string, () => Promise<unknown>> = {
      create: () => writeFile(absent, ''),
      mkdir: () => mkdir(absent),
      symlink: () => symlink('disk', absent),
      link: () => link(disk, absent),
      'rename away': () => rename(disk, absent),
      'rename over': () => rename(disk, memory),
      'chmod the directory': () => chmod(mountpoint, 0o777),
    };
    for (const path of [disk, memory]) {
      Object.assign(changes, {
        [`write ${path}`]: () => open(path, 'r+'),
        [`append ${path}`]: () => open(path, 'a'),
        [`replace ${path}`]: () => open(path, 'w'),
        [`truncate ${path}`]: () => truncate(path, 10),
        [`lengthen ${path}`]: () => truncate(path, 1_000_000),
        [`unlink ${path}`]: () => unlink(path),
        [`rm ${path}`]: () => rm(path, { force: true }),
        [`chmod ${path}`]: () => chmod(path, 0o644),
        [`chown ${path}`]: () => chown(path, 1, 1),
        [`utimes ${path}`]: () => utimes(path, 1, 2),
      });
    }
    const answers: Record<string, unknown> = {};
    for (const [name, change] of Object.entries(changes)) {
      answers[name] = await change().then(
        () => 'done',
        (error: NodeJS.ErrnoException) => error.code,
      );
    }
    const expected = Object.keys(changes).map((name) => [name, 'EROFS']);
    expect(answers).toEqual(Object.fromEntries(expected));
    expectSameBytes(await readFile(disk), diskBytes);
    expectSameBytes(await readFile(memory), memoryBytes);
    await hexz.unmount({ mountpoint });
    expectSameBytes(readFileSync(snapshot), before.bytes);
    const { mtimeNs, ctimeNs } = statSync(snapshot, { bigint: true });
    expect([mtimeNs, ctimeNs]).toEqual([before.stats.mtimeNs, before.stats.ctimeNs]);
    hexz.expectNothingLeft();
  });

  test('says in words when it is ready, and that it has nothing to complain of', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, 10_000);
    const mountpoint = hexz.newMountpoint();
    const running = hexz.run(['mount', snapshot, mountpoint]);
    await until('a mount', async () => (await hexz.status()).length === 1);
    await hexz.unmount({ mountpoint });
    const { status, stdout, stderr } = await running;
    expect([status, stderr]).toEqual([0, '']);
    const ready = `ready: ${snapshot} at ${mountpoint} (read-only); Ctrl+C unmounts\n`;
    expect(stdout.toString()).toBe(ready);
  });

  test('of a snapshot goes beside others of the same', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const disk = packNoise(snapshot, 1_000_001);
    const several = await Promise.all([1, 2, 3].map(() => hexz.mount(snapshot)));
    for (const mount of several) expectSameBytes(await readFile(mount.disk), disk);
    expect((await hexz.status()).map(({ mountpoint }) => mountpoint).sort()).toEqual(
      several.map(({ mountpoint }) => mountpoint).sort(),
    );
    const [first, ...rest] = several;
    if (first !== undefined) await hexz.unmount(first);
    for (const mount of rest) expectSameBytes(await readFile(mount.disk), disk);
  });

  test('may have a very small cache', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const bytes = packNoise(snapshot, 1_000_001);
    const { disk } = await hexz.mount(snapshot, ['--cache-size', '0']);
    expectSameBytes(await readFile(disk), bytes);
  });

  test('leaves the pages that were read to the kernel: reading them again asks nobody', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const bytes = packNoise(snapshot, 3_000_001);
    const { disk, pid } = await hexz.mount(snapshot);
    expectSameBytes(await readFile(disk), bytes);
    await use(disk, async (file) => {
      process.kill(pid, 'SIGSTOP');
      try {
        const again = await within('pages from the cache', readRange(file, 0, bytes.length), 5000);
        expectSameBytes(again, bytes);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
    });
  });

  test('reads at any offset, up to its end and behind it, by many at once', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const bytes = packNoise(snapshot, 5_000_003);
    const { disk } = await hexz.mount(snapshot);
    const offsets = Array.from({ length: 400 }, (_, number) => (number * 1_234_577) % 5_010_000);
    offsets.push(0, 1, 4095, 4096, 65_535, 65_537, 5_000_002, 5_000_003, 5_000_004, 2 ** 40);
    const files = await Promise.all(Array.from({ length: 8 }, () => open(disk)));
    try {
      await Promise.all(
        files.map(async (file, number) => {
          for (const offset of offsets) {
            const length = 1 + ((offset * (number + 7)) % 200_003);
            const expected = bytes.subarray(offset, offset + length);
            expectSameBytes(await readRange(file, offset, length), expected);
          }
        }),
      );
    } finally {
      await Promise.all(files.map((file) => file.close()));
    }
  });

  test.each([65_536, 10_000])(
    'with a damaged block of %i bytes reads all the rest',
    async (blockBytes) => {
      const snapshot = hexz.sandbox.path('disk.hxz');
      const bytes = someBytes(1_000_000);
      packSnapshot(snapshot, { disk: bytes }, { blockBytes });
      damageBlock(snapshot, 3);
      const mount = await hexz.mount(snapshot);
      const [damagedStart, damagedEnd] = [3 * blockBytes, 4 * blockBytes];
      await use(mount.disk, async (file) => {
        for (let offset = 0; offset < bytes.length; offset += 4096) {
          const isDamaged = offset < damagedEnd && offset + 4096 > damagedStart;
          const reading = readRange(file, offset, 4096);
          if (isDamaged) await expect(reading).rejects.toMatchObject({ code: 'EIO' });
          else expectSameBytes(await reading, bytes.subarray(offset, offset + 4096));
        }
      });
      expect(mount.stderr).toContain(`${snapshot}: disk stream, block 3`);
      expect(mount.stderr.match(/CRC/g)).toHaveLength(1);
      expect(await mount.end('SIGTERM')).toEqual({ status: 0, signal: null });
    },
  );
});
