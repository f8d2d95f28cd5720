import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { packNoise } from '../support/snapshots.js';

const hexz = mounts();
const JOBS = 4;
const JOB_BYTES = 4 * 1024 ** 2;

/** fio with four jobs, each of which writes a part of the disk in pieces of any size and checks every one. */
async function verify(disk: string, ...options: readonly string[]): Promise<void> {
  const common = [
    '--name=verify',
    `--filename=${disk}`,
    '--rw=randwrite',
    '--bsrange=512-128k',
    `--numjobs=${JOBS}`,
    `--size=${JOB_BYTES}`,
    `--offset_increment=${JOB_BYTES}`,
    '--ioengine=psync',
    '--fallocate=none',
    '--allow_file_create=0',
    '--verify=crc32c',
    '--verify_fatal=1',
    '--verify_state_save=0',
  ];
  const env = { ...process.env, ...hexz.sandbox.environment };
  // It fails where a job does, and where a check does.
  await promisify(execFile)('fio', [...common, ...options], {
    env,
    cwd: hexz.sandbox.directory,
  });
}

describe.runIf(requires('FUSE', 'fio'))('fio --verify with four jobs', () => {
  test.each([
    { name: 'as it comes', mounting: [], writing: [] },
    { name: 'without the page cache', mounting: [], writing: ['--direct=1'] },
    {
      name: 'with a write-back cache',
      mounting: ['--backend', 'kernel', '--writeback'],
      writing: ['--fsync=32'],
    },
  ])('finds what it wrote, $name, also after a remount', async ({ mounting, writing }) => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, JOBS * JOB_BYTES + 1001);
    const options = ['--rw', '--overlay', hexz.sandbox.path('overlay'), ...mounting];
    const first = await hexz.mount(snapshot, options);
    await verify(first.disk, ...writing);
    await hexz.unmount(first);
    expect(await first.ended).toEqual({ status: 0, signal: null });
    expect(first.stderr).toBe('');
    const second = await hexz.mount(snapshot, options);
    await verify(second.disk, '--verify_only');
    await hexz.unmount(second);
  });
});
