import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CommitOptions, commit } from '../../../src/engine/write/commit.js';
import { type PackOptions, pack } from '../../../src/engine/write/pack.js';
import { openSnapshot } from '../../../src/index.js';
import { damageBlock } from '../../support/snapshots.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { until } from '../../support/until.js';
import { changeDisk } from '../../support/write/changedOverlay.js';

const newDirectory = temporaryDirectories();
const TIMES = 30;

const threadCount = (): number =>
  Number(/^Threads:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);
const descriptorCount = (): number => readdirSync('/proc/self/fd').length;

const rejections: unknown[] = [];
const onRejection = (reason: unknown) => rejections.push(reason);
beforeAll(() => {
  process.on('unhandledRejection', onRejection);
});
afterAll(() => {
  process.removeListener('unhandledRejection', onRejection);
});

/** Does it thirty times; afterwards nothing is open, no thread runs, and no failure went unnoticed. */
async function expectNoLeak(make: (time: number) => Promise<unknown>): Promise<void> {
  // What is loaded once, and threads that Node itself starts.
  for (let time = 0; time < 4; time++) await make(time);
  const [descriptors, threads] = [descriptorCount(), threadCount()];
  for (let time = 4; time < 4 + TIMES; time++) await make(time);
  await until('threads to end', () => threadCount() <= threads);
  expect(descriptorCount()).toBe(descriptors);
  expect(rejections).toEqual([]);
}

const disk = Buffer.concat([someBytes(3_000_000), Buffer.alloc(300_000), someBytes(2_000_001)]);

function newDisk(): { directory: string; path: string } {
  const directory = newDirectory();
  const path = join(directory, 'disk');
  writeFileSync(path, disk);
  return { directory, path };
}

test.each<[string, Partial<PackOptions>]>([
  ['on this thread', { workerCount: 0 }],
  ['in threads', { workerCount: 2 }],
])('pack, %s, leaves nothing open', async (_name, options) => {
  const { directory, path } = newDisk();
  await expectNoLeak((time) =>
    pack({ disk: path, memory: path, output: join(directory, `${time}.hxz`), ...options }),
  );
});

test.each([0, 2])('pack that fails leaves nothing open, with %i threads', async (workerCount) => {
  const { directory, path } = newDisk();
  await expectNoLeak(async (time) => {
    const output = join(directory, 'out.hxz');
    const options = { disk: path, output, workerCount, blockBytes: 4096 };
    const controller = new AbortController();
    const reason = new Error('stopped');
    let steps = 0;
    const onProgress = () => {
      if (++steps > time % 7) controller.abort(reason);
    };
    await expect(pack({ ...options, onProgress, signal: controller.signal })).rejects.toBe(reason);
    await expect(pack({ ...options, memory: '/nowhere' })).rejects.toThrow();
    await expect(pack({ ...options, parent: { path } })).rejects.toThrow();
    await expect(pack({ ...options, output: '/nowhere/out.hxz' })).rejects.toThrow();
    expect(readdirSync(directory)).toEqual(['disk']);
  });
});

test.each<[string, Partial<CommitOptions>]>([
  ['thick', { compression: 'zstd', workerCount: 2 }],
  ['thin', { thin: true }],
])('commit, %s, leaves nothing open, done or failed', async (_name, options) => {
  const { directory, path } = newDisk();
  const [base, damaged] = [join(directory, 'base.hxz'), join(directory, 'damaged.hxz')];
  const overlay = join(directory, 'o.overlay');
  for (const output of [base, damaged]) await pack({ disk: path, output });
  damageBlock(damaged, 5);
  await changeDisk(base, overlay, [{ kind: 'write', offset: 5 * 65_536, bytes: someBytes(99) }]);
  await expectNoLeak(async (time) => {
    const output = join(directory, `${time}.hxz`);
    for (const [of, isSound] of [
      [base, true],
      [damaged, false],
    ] as const) {
      const snapshot = openSnapshot(of);
      const made = commit(snapshot, {
        overlay,
        output: isSound ? output : join(directory, 'failed.hxz'),
        keepsOverlay: true,
        verifiesAll: true,
        ...options,
      });
      if (isSound) await made;
      else await expect(made).rejects.toMatchObject({ code: 'CRC' });
      snapshot.close();
    }
  });
});
