import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { baseDisk } from '../fsx/pattern.js';
import { projectDirectory } from '../support/fixtures.js';
import { mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { packSnapshot } from '../support/snapshots.js';

const hexz = mounts();
const DISK_BYTES = 12_000_007;
const READERS = 64;
const READS = 40;
const support = join(projectDirectory, 'test', 'support');

describe.runIf(requires('FUSE'))('64 readers at the same time', () => {
  test.each([[[]], [['--cache-size', '1M']], [['--rw']]])(
    'each read what is there, with %j',
    async (options) => {
      const snapshot = hexz.sandbox.path('disk.hxz');
      packSnapshot(snapshot, { disk: baseDisk(DISK_BYTES) });
      const mount = await hexz.mount(snapshot, options);
      const program = [
        '--import',
        join(support, 'typescript.mjs'),
        join(support, 'fuse/stormReaders.ts'),
      ];
      const parameters = [mount.disk, ...[DISK_BYTES, READERS, READS].map(String)];
      const env = { ...process.env, ...hexz.sandbox.environment, UV_THREADPOOL_SIZE: `${READERS}` };
      const readers = promisify(execFile)(process.execPath, [...program, ...parameters], { env });
      expect((await readers).stdout).toBe(`${READERS * READS} reads\n`);
      await hexz.unmount(mount);
      expect(await mount.ended).toEqual({ status: 0, signal: null });
      expect(mount.stderr).toBe('');
      hexz.expectNothingLeft();
    },
  );
});
