import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { isMounted, mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { packNoise } from '../support/snapshots.js';
import { expectSameBytes } from '../support/streams.js';
import { within } from '../support/until.js';
import { withoutFuseNative } from '../support/withoutFuse.js';

const hexz = mounts();
const DISK_BYTES = 6_000_001;
const PIECE_BYTES = 50_000;
const WRITERS = 16;
const KERNEL = ['--backend', 'kernel'];

const handles: FileHandle[] = [];
afterEach(async () => {
  for (const handle of handles.splice(0)) await handle.close().catch(() => {});
});

async function openDisk(path: string, flags: string): Promise<FileHandle> {
  const handle = await open(path, flags);
  handles.push(handle);
  return handle;
}

/** The environment of an engine in which one thread throws once a file is there. */
function withBug(thread: 'main' | 'serving', trigger: string): Record<string, string> {
  const code = `
    import { existsSync } from 'node:fs';
    import { isMainThread, workerData } from 'node:worker_threads';
    const isDue = () => existsSync(${JSON.stringify(trigger)});
    if (${JSON.stringify(thread)} === 'main' && isMainThread) {
      setInterval(() => { if (isDue()) throw new Error('a bug in main'); }, 10).unref();
    }
    if (${JSON.stringify(thread)} === 'serving' && !isMainThread && workerData?.diskTouch) {
      const load = Atomics.load;
      Atomics.load = (...parameters) => {
        if (isDue()) throw new Error('a bug in serving');
        return load(...parameters);
      };
    }`;
  const address = `data:text/javascript,${encodeURIComponent(code).replaceAll("'", '%27')}`;
  return { NODE_OPTIONS: `--import=${address}` };
}

describe.runIf(requires('FUSE'))('a mount of the kernel backend', () => {
  test.each(['main', 'serving'] as const)(
    'ends at once after a bug in a %s thread',
    async (thread) => {
      const snapshot = hexz.sandbox.path('disk.hxz');
      packNoise(snapshot, DISK_BYTES);
      const trigger = hexz.sandbox.path('trigger');
      const mount = await hexz.mount(snapshot, KERNEL, { env: withBug(thread, trigger) });
      writeFileSync(trigger, '');
      expect(await within('the end', mount.ended)).toEqual({ status: 70, signal: null });
      expect(mount.stderr).toContain(`a bug in ${thread}`);
      expect(isMounted(mount.mountpoint)).toBe(false);
    },
  );

  test('loads neither fuse-native nor libfuse', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const bytes = packNoise(snapshot, DISK_BYTES);
    const mount = await hexz.mount(snapshot, KERNEL, { env: withoutFuseNative });
    expectSameBytes(await readFile(mount.disk), bytes);
    const mapped = await readFile(`/proc/${mount.pid}/maps`, 'utf8');
    expect(mapped).toContain('koffi');
    expect(mapped).not.toMatch(/libfuse|fuse-native/);
    expect(await mount.end('SIGTERM')).toEqual({ status: 0, signal: null });
    expect(mount.stderr).toBe('');
  });

  test('reads what others write at the same time, and keeps it', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const bytes = packNoise(snapshot, DISK_BYTES);
    const overlay = hexz.sandbox.path('overlay');
    const mount = await hexz.mount(snapshot, [...KERNEL, '--rw', '--overlay', overlay]);
    const stretch = Math.floor(DISK_BYTES / WRITERS);
    const writeAndRead = async (writer: number): Promise<void> => {
      const disk = await openDisk(mount.disk, 'r+');
      const read = Buffer.alloc(PIECE_BYTES);
      for (let at = 0; at + PIECE_BYTES <= stretch; at += PIECE_BYTES + 777) {
        const offset = writer * stretch + at;
        const piece = randomBytes(PIECE_BYTES);
        await disk.write(piece, 0, PIECE_BYTES, offset);
        piece.copy(bytes, offset);
        await disk.read(read, 0, PIECE_BYTES, offset);
        expectSameBytes(read, piece);
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => writeAndRead(writer)));
    for (const handle of handles.splice(0)) await handle.close();
    await mount.end('SIGTERM');
    const again = await hexz.mount(snapshot, [...KERNEL, '--overlay', overlay]);
    expectSameBytes(await readFile(again.disk), bytes);
  });

  test('may let the kernel keep what is written, until it is synced', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const bytes = packNoise(snapshot, DISK_BYTES);
    const overlay = hexz.sandbox.path('overlay');
    const options = [...KERNEL, '--rw', '--overlay', overlay, '--writeback'];
    const mount = await hexz.mount(snapshot, options);
    const disk = await openDisk(mount.disk, 'r+');
    const synced = randomBytes(100_001);
    await disk.write(synced, 0, synced.length, 12_345);
    await disk.sync();
    // What fsync has confirmed is in the overlay.
    const data = await readFile(overlay);
    expectSameBytes(data.subarray(12_345, 12_345 + synced.length), synced);
    const unsynced = randomBytes(1000);
    await disk.write(unsynced, 0, unsynced.length, DISK_BYTES - 10);
    for (const handle of handles.splice(0)) await handle.close();
    await mount.end('SIGTERM');
    synced.copy(bytes, 12_345);
    const again = await hexz.mount(snapshot, ['--overlay', overlay]);
    const expected = Buffer.concat([bytes.subarray(0, DISK_BYTES - 10), unsynced]);
    expectSameBytes(await readFile(again.disk), expected);
  });
});
