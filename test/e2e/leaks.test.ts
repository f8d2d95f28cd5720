import { readdirSync } from 'node:fs';
import {
  appendFile,
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  statfs,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { projectDirectory } from '../support/fixtures.js';
import { mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { packNoise } from '../support/snapshots.js';
import { until } from '../support/until.js';

const hexz = mounts();
const DISK_BYTES = 300_001;

const descriptorsOf = (pid: number | 'self'): number => readdirSync(`/proc/${pid}/fd`).length;

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.runIf(requires('FUSE'))('nothing leaks', () => {
  test('from ten thousand operations of every kind', { timeout: 120_000 }, async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, DISK_BYTES);
    const { disk, mountpoint, pid } = await hexz.mount(snapshot, [
      ...['--rw', '--overlay', hexz.sandbox.path('overlay')],
    ]);
    const absent = join(mountpoint, 'absent');
    const refused = (operation: Promise<unknown>) =>
      operation.then(
        () => Promise.reject(new Error('it was not refused')),
        () => {},
      );
    const operations: readonly ((round: number) => Promise<unknown>)[] = [
      () => readFile(disk),
      () => stat(disk),
      () => statfs(mountpoint),
      () => readdir(mountpoint),
      () => appendFile(disk, 'some'),
      (round) => truncate(disk, DISK_BYTES - (round % 7) * 1000),
      (round) => utimes(disk, round, round),
      () => chmod(disk, 0o644),
      async (round) => {
        const file = await open(disk, 'r+');
        await file.write(Buffer.alloc(10, round), 0, 10, (round * 4099) % DISK_BYTES);
        if (round % 10 === 0) await file.sync();
        await file.close();
      },
      () => refused(stat(absent)),
      () => refused(writeFile(absent, '')),
      () => refused(mkdir(absent)),
      () => refused(unlink(disk)),
      () => refused(rename(disk, absent)),
    ];
    const run = async (count: number) => {
      for (let number = 0; number < count; number++) {
        await operations[number % operations.length]?.(number);
      }
    };
    // Threads and files that it keeps from then on.
    await run(10 * operations.length);
    const before = descriptorsOf(pid);
    await run(10_000);
    await until('the end of the last request', () => descriptorsOf(pid) <= before);
    await hexz.unmount({ mountpoint });
  });

  test('from fifty mounts and unmounts', { timeout: 120_000 }, async () => {
    const library = pathToFileURL(join(projectDirectory, 'dist', 'index.js')).href;
    const { mount } = (await import(library)) as typeof import('../../src/index.js');
    for (const [name, value] of Object.entries(hexz.sandbox.environment)) vi.stubEnv(name, value);
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, DISK_BYTES);
    const mountpoint = hexz.newMountpoint();
    const cycle = async (number: number) => {
      const mounted = await mount({ snapshot, mountpoint, rw: number % 2 === 0 });
      await readFile(join(mountpoint, 'disk'));
      await mounted.unmount();
    };
    await cycle(0);
    const before = descriptorsOf('self');
    for (let number = 1; number <= 50; number++) await cycle(number);
    await until('the end of the last engine', () => descriptorsOf('self') <= before);
    hexz.expectNothingLeft();
    expect(readdirSync(join(hexz.sandbox.environment.XDG_RUNTIME_DIR, 'hexz'))).toEqual([]);
  });
});
