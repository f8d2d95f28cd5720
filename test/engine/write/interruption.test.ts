import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commit } from '../../../src/engine/write/commit.js';
import type { OutputOptions, WriteProgress } from '../../../src/engine/write/newSnapshot.js';
import { pack } from '../../../src/engine/write/pack.js';
import { openSnapshot } from '../../../src/index.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { changeDisk } from '../../support/write/changedOverlay.js';

const newDirectory = temporaryDirectories();

const DISK_BYTES = 2 ** 30;
const BLOCK_BYTES = 1024;

/** Aborts in a turn of its own, after the first sign of progress; answers what was told since then. */
async function aborted(
  make: (options: Pick<OutputOptions, 'signal' | 'onProgress'>) => Promise<unknown>,
): Promise<readonly WriteProgress[]> {
  const controller = new AbortController();
  const told: WriteProgress[] = [];
  const made = make({
    signal: controller.signal,
    onProgress: (progress) => {
      if (told.length === 0) setImmediate(() => controller.abort(new Error('stopped here')));
      told.push(progress);
    },
  });
  await expect(made).rejects.toThrow('stopped here');
  return told;
}

/** A file of one hole, but for a few bytes. */
function sparseDisk(directory: string): string {
  const path = join(directory, 'disk');
  writeFileSync(path, someBytes(5000));
  truncateSync(path, DISK_BYTES);
  return path;
}

describe('what waits for nothing lets others have their turn', () => {
  test.each([0, 2])('packing a hole, with %i threads', async (workerCount) => {
    const directory = newDirectory();
    const [disk, output] = [sparseDisk(directory), join(directory, 'out.hxz')];
    const told = await aborted((options) =>
      pack({ disk, output, blockBytes: BLOCK_BYTES, workerCount, ...options }),
    );
    expect(told.at(-1)?.doneBytes).toBeLessThan(DISK_BYTES);
    expect(readdirSync(directory)).toEqual(['disk']);
  });

  test.each([true, false])('a commit of little that changed (thin: %s)', async (thin) => {
    const directory = newDirectory();
    const base = join(directory, 'base.hxz');
    const overlay = join(directory, 'changes.overlay');
    await pack({ disk: sparseDisk(directory), output: base, blockBytes: BLOCK_BYTES });
    const snapshot = openSnapshot(base);
    await changeDisk(base, overlay, [{ kind: 'write', offset: 9, bytes: someBytes(9) }]);
    const before = readdirSync(directory);
    const output = join(directory, 'out.hxz');
    const told = await aborted((options) =>
      commit(snapshot, { overlay, output, thin, blockBytes: BLOCK_BYTES, ...options }),
    );
    snapshot.close();
    expect(told.at(-1)).toMatchObject({ phase: 'write' });
    expect(told.at(-1)?.doneBytes).toBeLessThan(DISK_BYTES);
    expect(readdirSync(directory)).toEqual(before);
  });
});
