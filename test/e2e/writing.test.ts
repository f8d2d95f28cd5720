import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { open, readFile, statfs, truncate, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { useMount } from '../../src/testing/index.js';
import { patternBytes } from '../support/fuse/pattern.js';
import { recipePath } from '../support/recipes.js';
import { requires } from '../support/requires.js';
import { damageBlock, packNoise, packSnapshot } from '../support/snapshots.js';
import { expectSameBytes, someBytes } from '../support/streams.js';
import { sandboxedTesting } from '../support/testing.js';
import { runTool } from '../support/tools.js';
import { until } from '../support/until.js';

const hexz = sandboxedTesting();
const DISK_BYTES = 300_001;

async function withFile<T>(
  path: string,
  flags: string,
  action: (file: Awaited<ReturnType<typeof open>>) => Promise<T>,
): Promise<T> {
  const file = await open(path, flags);
  try {
    return await action(file);
  } finally {
    await file.close();
  }
}

const patch = (path: string, offset: number, bytes: Buffer): Promise<unknown> =>
  withFile(path, 'r+', (file) => file.write(bytes, 0, bytes.length, offset));

/** Runs JavaScript in a process of its own; `path` is the file that it works on, `number` which one it is. */
async function inProcess(path: string, number: number, code: string): Promise<void> {
  const script = `const fs = require('node:fs');
    const [, path, text] = process.argv; const number = Number(text); ${code}`;
  const child = spawn(process.execPath, ['--eval', script, path, String(number)], {
    env: { ...process.env, ...hexz.sandbox.environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [status] = await once(child, 'exit');
  expect(status).toBe(0);
}

describe.runIf(requires('FUSE'))('a writable disk is like a plain file', () => {
  const steps: Record<string, (path: string) => Promise<unknown>> = {
    'a write past the end': (path) => patch(path, 310_000, patternBytes(5001)),
    'a write just behind the end': (path) => patch(path, 315_001, Buffer.alloc(1, 1)),
    'a cut to an odd size': (path) => truncate(path, 100_001),
    'growth over what was cut': (path) => truncate(path, 250_003),
    'a byte in the hole': (path) => patch(path, 200_000, Buffer.alloc(1, 2)),
    'a write far behind the end': (path) => patch(path, 3_000_000, patternBytes(70_000)),
    'a cut in the middle of a page': (path) => truncate(path, 3_000_010),
    'a cut at the start of a page': (path) => truncate(path, 4096),
    'a cut to nothing': (path) => truncate(path, 0),
    'a write to an empty disk': (path) => patch(path, 4090, patternBytes(20)),
    'growth by truncation': (path) => truncate(path, 1_000_001),
    appending: (path) => withFile(path, 'a', (file) => file.appendFile(patternBytes(5000))),
    'appending again': (path) => withFile(path, 'a', (file) => file.write(patternBytes(3))),
    'replacing it': (path) => writeFile(path, patternBytes(12_345)),
    'a cut of an open file': (path) => withFile(path, 'r+', (file) => file.truncate(11_111)),
    'unaligned writes': (path) =>
      withFile(path, 'r+', async (file) => {
        for (let offset = 1; offset < 60_000; offset += 3333) {
          await file.write(Buffer.alloc(offset % 9000, offset), 0, offset % 9000, offset);
        }
      }),
  };

  test('through every change of its size, and every remount', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const model = hexz.sandbox.path('model');
    await writeFile(model, packNoise(snapshot, DISK_BYTES));
    const args = ['--rw', '--overlay', hexz.sandbox.path('overlay')];
    let mount = await hexz.mount(snapshot, args);
    let number = 0;
    for (const [name, step] of Object.entries(steps)) {
      await Promise.all([model, mount.disk].map(step));
      const compare = async () => {
        const expected = await readFile(model);
        expect([name, statSync(mount.disk).size]).toEqual([name, expected.length]);
        expectSameBytes(await readFile(mount.disk), expected);
      };
      await compare();
      if (number++ % 3 === 1) {
        await hexz.unmount(mount);
        mount = await hexz.mount(snapshot, args);
        await compare();
      }
    }
  });
});

describe.runIf(requires('FUSE'))('a writable mount', () => {
  test('flushes when it is told to', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    packNoise(snapshot, DISK_BYTES);
    const overlay = hexz.sandbox.path('overlay');
    const { disk } = await hexz.mount(snapshot, ['--rw', '--overlay', overlay]);
    const recorded = () => JSON.parse(readFileSync(`${overlay}.hexz.json`, 'utf8'));
    await withFile(disk, 'r+', async (file) => {
      await file.write(Buffer.alloc(4096, 1), 0, 4096, 8192);
      await file.sync();
      expect(recorded()).toMatchObject({ listLength: 8, dataLength: 12_288 });
      await file.write(Buffer.alloc(4096, 1), 0, 4096, 400_000);
      await file.datasync();
      expect(recorded()).toMatchObject({
        listLength: 24,
        dataLength: 404_096,
        diskLength: 404_096,
      });
    });
    expect(runTool('sync', disk)).toBe(true);
  });

  test('survives a kill with everything that was answered', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const bytes = packNoise(snapshot, DISK_BYTES);
    const args = ['--rw', '--overlay', hexz.sandbox.path('overlay')];
    const killed = await hexz.mount(snapshot, args);
    const change = someBytes(200_000);
    await patch(killed.disk, 200_001, change);
    await killed.end('SIGKILL');
    await hexz.unmount(killed);
    const next = await hexz.mount(snapshot, args);
    expectSameBytes(await readFile(next.disk), Buffer.concat([bytes.subarray(0, 200_001), change]));
  });

  test('with a damaged block fails what needs it, and changes nothing then', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const bytes = someBytes(DISK_BYTES);
    packSnapshot(snapshot, { disk: bytes });
    damageBlock(snapshot, 1);
    const overlay = hexz.sandbox.path('overlay');
    const args = ['--rw', '--overlay', overlay];
    const mount = await hexz.mount(snapshot, args);
    const change = Buffer.alloc(4096, 3);
    for (const offset of [65_536 + 1, 131_072 - 1]) {
      const writing = patch(mount.disk, offset, change);
      await expect(writing).rejects.toMatchObject({ code: 'EIO' });
    }
    expect(readFileSync(`${overlay}.meta`)).toHaveLength(0);
    // As always, what could be written before an error is written.
    expect(await patch(mount.disk, 65_536 - 1, change)).toMatchObject({ bytesWritten: 1 });
    bytes.fill(3, 65_536 - 1, 65_536);
    await patch(mount.disk, 65_536 + 4096, change);
    change.copy(bytes, 65_536 + 4096);
    const compare = async (disk: string) => {
      for (const [start, end] of [
        [0, 65_536],
        [65_536 + 4096, 65_536 + 8192],
        [131_072, DISK_BYTES],
      ] as const) {
        await withFile(disk, 'r', async (file) => {
          const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
          expectSameBytes(buffer, bytes.subarray(start, end));
        });
      }
      const reading = withFile(disk, 'r', (file) => file.read(Buffer.alloc(1), 0, 1, 65_536));
      await expect(reading).rejects.toMatchObject({ code: 'EIO' });
    };
    await compare(mount.disk);
    await hexz.unmount(mount);
    expect(mount.stderr).toContain(`${snapshot}: disk stream, block 1`);
    await compare((await hexz.mount(snapshot, args)).disk);
  });
});

describe.runIf(requires('FUSE'))('a writable mount with a temporary overlay', () => {
  const mount = useMount(recipePath('noise'), { rw: true });

  test('takes the bytes of one page from several processes by turns', async () => {
    const bytes = await mount.read('disk', 0, undefined, 'base');
    const [start, length, processCount] = [61_000, 3000, 4];
    const script = `const file = fs.openSync(path, 'r+');
      for (let at = number; at < ${length}; at += ${processCount})
        fs.writeSync(file, Buffer.of(at % 251), 0, 1, ${start} + at);`;
    const numbers = Array.from({ length: processCount }, (_, number) => number);
    await Promise.all(numbers.map((number) => inProcess(mount.disk, number, script)));
    for (let at = 0; at < length; at++) bytes[start + at] = at % 251;
    expectSameBytes(await readFile(mount.disk), bytes);
  });

  test('takes what several processes write over each other: the last one wins, whole', async () => {
    const bytes = await mount.read('disk', 0, undefined, 'base');
    const [start, length] = [62_001, 70_000];
    const script = `const file = fs.openSync(path, 'r+');
      const bytes = Buffer.alloc(${length}, number + 1);
      for (let round = 0; round < 100; round++) fs.writeSync(file, bytes, 0, ${length}, ${start});`;
    await Promise.all([0, 1, 2].map((number) => inProcess(mount.disk, number, script)));
    const written = await readFile(mount.disk);
    const winner = written[start] ?? 0;
    expect([1, 2, 3]).toContain(winner);
    bytes.fill(winner, start, start + length);
    expectSameBytes(written, bytes);
  });

  test('gets what is written at once in few requests', async () => {
    const systemCalls = () =>
      Number(/^syscw: (\d+)$/m.exec(readFileSync(`/proc/${mount.pid}/io`, 'utf8'))?.[1]);
    const bytes = someBytes(16 * 1024 ** 2);
    const before = systemCalls();
    await patch(mount.disk, 0, bytes);
    // For each request: data, list, and the answer.
    const pageCount = bytes.length / 4096;
    expect(systemCalls() - before).toBeLessThan(pageCount / 4);
    expectSameBytes(await readFile(mount.disk), bytes);
  });

  test('shows the room of its overlay to df', async () => {
    const [shown, there] = await Promise.all(
      [mount.mountpoint, hexz.sandbox.directory].map((path) => statfs(path)),
    );
    if (shown === undefined || there === undefined) throw new Error('no answer');
    const difference = Math.abs(shown.bavail * shown.bsize - there.bavail * there.bsize);
    expect(difference).toBeLessThan(1024 ** 3);
    expect(shown.bavail).toBeGreaterThan(0);
  });

  test('tells status how much of it is dirty', async () => {
    const { mountpoint, pid, snapshot } = mount;
    const listed = { pid, mountpoint, snapshot, mode: 'rw', state: 'serving' };
    expect(await hexz.status()).toEqual([expect.objectContaining({ ...listed, dirtyBytes: 0 })]);
    await patch(mount.disk, 4095, Buffer.alloc(2));
    await until('the dirty bytes', async () => (await hexz.status())[0]?.dirtyBytes === 8192);
  });

  test('times follow writes', async () => {
    const start = Date.now();
    await patch(mount.disk, 0, Buffer.alloc(1));
    expect(statSync(mount.disk).mtimeMs).toBeGreaterThan(start - 1000);
  });
});

describe.runIf(requires('FUSE', 'root', 'tmpfs'))('on a full disk', () => {
  const PIECE_BYTES = 65_536;

  async function fill(): Promise<{
    mount: Awaited<ReturnType<typeof hexz.mount>>;
    remount: () => Promise<Awaited<ReturnType<typeof hexz.mount>>>;
    bytes: Buffer;
    refused: number;
    makeRoom: () => void;
  }> {
    const small = hexz.sandbox.newDirectory('small');
    expect(runTool('mount', '-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', small)).toBe(true);
    const snapshot = hexz.sandbox.path('disk.hxz');
    const bytes = packNoise(snapshot, 2 * 1024 ** 2 + 1);
    const remount = () => hexz.mount(snapshot, ['--rw', '--overlay', `${small}/overlay`]);
    const mount = await remount();
    for (let offset = 0; ; offset += PIECE_BYTES) {
      const piece = someBytes(PIECE_BYTES);
      try {
        await patch(mount.disk, offset, piece);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' });
        const makeRoom = () => {
          expect(runTool('mount', '-o', 'remount,size=16M', small)).toBe(true);
        };
        return { mount, remount, bytes, refused: offset, makeRoom };
      }
      piece.copy(bytes, offset);
    }
  }

  test('a write gets ENOSPC and changes nothing; with more room all goes on', async () => {
    const { mount, remount, bytes, refused, makeRoom } = await fill();
    expect(refused).toBeGreaterThan(0);
    expectSameBytes(await readFile(mount.disk), bytes);
    expect(mount.stderr).toContain('no space left');
    makeRoom();
    const rest = someBytes(bytes.length - refused);
    rest.copy(bytes, refused);
    await patch(mount.disk, refused, rest);
    expectSameBytes(await readFile(mount.disk), bytes);
    await hexz.unmount(mount);
    expect(await mount.ended).toEqual({ status: 0, signal: null });
    expectSameBytes(await readFile((await remount()).disk), bytes);
  });

  test('an unmount that cannot record the end says so, and nothing is lost', async () => {
    const { mount, remount, bytes, makeRoom } = await fill();
    const filler = hexz.sandbox.path('small', 'filler');
    expect(runTool('dd', 'if=/dev/zero', `of=${filler}`, 'bs=4k')).toBe(false);
    const result = await hexz.run(['unmount', mount.mountpoint]);
    expect(await mount.ended).toEqual({ status: 8, signal: null });
    expect(mount.stderr).toContain('overlay.hexz.json: cannot write');
    makeRoom();
    expectSameBytes(await readFile((await remount()).disk), bytes);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain('overlay');
  });
});
