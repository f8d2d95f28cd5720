import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { SnapshotWriter } from '../support/snapshotWriter.js';

const hexz = mounts();
const MEBIBYTE = 1024 ** 2;
const BLOCK_BYTES = 65_536;
const DISK_BYTES = 1536 * MEBIBYTE;
const CACHE_BYTES = 64 * MEBIBYTE;
/** Node, its threads, our code: what a mount takes beside its cache. Newer Node takes 20 MiB more for the same threads. */
const OVERHEAD_BYTES = (Number.parseInt(process.versions.node, 10) > 20 ? 175 : 150) * MEBIBYTE;

/** A large disk in a small file: each block is another, and compresses to little. */
function packLargeDisk(path: string): void {
  const writer = new SnapshotWriter(path, { blockSize: BLOCK_BYTES });
  for (let number = 0; number < DISK_BYTES / BLOCK_BYTES; number++) {
    writer.addData(Buffer.alloc(BLOCK_BYTES, `block ${number} `));
  }
  writer.finish();
}

const peakBytesOf = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

/** Reads a file past the page cache of the kernel. */
const readAll = (path: string, ...options: readonly string[]): Promise<unknown> =>
  promisify(execFile)('dd', [`if=${path}`, 'of=/dev/null', 'bs=1M', ...options]);

describe.runIf(requires('FUSE'))('the memory of a mount', () => {
  test('stays within its cache and what Node and hexz take, however much is read', {
    timeout: 120_000,
  }, async () => {
    const snapshot = hexz.sandbox.path('large.hxz');
    packLargeDisk(snapshot);
    const { disk, pid } = await hexz.mount(snapshot, ['--cache-size', '64M']);
    await readAll(disk);
    await Promise.all([1, 2, 3, 4].map(() => readAll(disk, 'iflag=direct')));
    expect(peakBytesOf(pid)).toBeLessThanOrEqual(CACHE_BYTES + OVERHEAD_BYTES);
    // It has filled its cache.
    expect(peakBytesOf(pid)).toBeGreaterThan(CACHE_BYTES);
  });
});
