import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { describeHolder, findMountHolders } from '../../../src/engine/process/holders.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { runTool } from '../../support/tools.js';

const newDirectory = temporaryDirectories();
const isRoot = process.getuid?.() === 0;
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

/** A shell that does something and stays; resolves when it is done. */
async function startShell(script: string, directory: string): Promise<number> {
  const child = spawn('sh', ['-c', `${script}\necho done\nread line`, 'sh', directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

const pidsOf = (holders: Awaited<ReturnType<typeof findMountHolders>>) =>
  holders.map((holder) => (holder.kind === 'process' ? holder.pid : 0));

describe('who uses a mount', () => {
  test('is nobody', async () => {
    expect(await findMountHolders(newDirectory())).toEqual([]);
  });

  test.each([
    ['works in it', 'cd "$1"'],
    ['works in a directory of it', 'mkdir "$1/sub"; cd "$1/sub"'],
    ['has a file open', 'exec 3>"$1/file"'],
    ['has a file open that is deleted', 'exec 3>"$1/file"; rm "$1/file"'],
  ])('is a process that %s', async (_, script) => {
    const directory = newDirectory();
    const pid = await startShell(script, directory);
    const holders = await findMountHolders(directory);
    expect(holders).toEqual([
      { kind: 'process', pid, command: expect.stringMatching(/^sh -c/) as unknown },
    ]);
  });

  test('is a process that runs a program of it', async () => {
    const directory = newDirectory();
    const program = join(directory, 'sleep');
    copyFileSync(realpathSync('/bin/sleep'), program);
    const child = spawn(program, ['60'], { stdio: 'ignore' });
    children.push(child);
    await once(child, 'spawn');
    expect(pidsOf(await findMountHolders(directory))).toEqual([child.pid]);
  });

  const library = /\/\S+\/libm\.so\.\d+$/m.exec(readFileSync('/proc/self/maps', 'utf8'))?.[0];
  test.skipIf(library === undefined)('is a process that has a file of it mapped', async () => {
    const directory = newDirectory();
    const file = join(directory, 'library.so');
    copyFileSync(library ?? '', file);
    const child = spawn('sleep', ['60'], { stdio: 'ignore', env: { LD_PRELOAD: file } });
    children.push(child);
    await vi.waitFor(async () =>
      expect(pidsOf(await findMountHolders(directory))).toEqual([child.pid]),
    );
  });

  test('is not one that uses a directory whose name only begins alike', async () => {
    const directory = join(newDirectory(), 'a');
    mkdirSync(`${directory}b`, { recursive: true });
    await startShell('cd "$1"', `${directory}b`);
    expect(await findMountHolders(directory)).toEqual([]);
  });

  test.skipIf(!isRoot)('is a mount below it', async () => {
    const directory = newDirectory();
    const below = join(directory, 'below');
    mkdirSync(below);
    expect(runTool('mount', '-t', 'tmpfs', 'test', below)).toBe(true);
    try {
      expect(await findMountHolders(directory)).toEqual([{ kind: 'mount', mountpoint: below }]);
    } finally {
      runTool('umount', below);
    }
  });

  test.skipIf(!isRoot || !runTool('losetup', '-f'))(
    'is a loop device on a file of it',
    async () => {
      const directory = newDirectory();
      const file = join(directory, 'disk');
      writeFileSync(file, Buffer.alloc(1024 * 1024));
      expect(runTool('losetup', '-f', file)).toBe(true);
      try {
        const holders = await findMountHolders(directory);
        const device = expect.stringMatching(/^\/dev\/loop\d+$/) as unknown;
        expect(holders).toEqual([{ kind: 'loop device', device }]);
      } finally {
        runTool('sh', '-c', 'losetup -n -O NAME -j "$1" | xargs losetup -d', 'sh', file);
      }
    },
  );
});

test('holders are named in words', () => {
  expect(describeHolder({ kind: 'process', pid: 7, command: 'tail -f x' })).toBe(
    'tail -f x (process 7)',
  );
  expect(describeHolder({ kind: 'loop device', device: '/dev/loop3' })).toBe(
    'loop device /dev/loop3',
  );
  expect(describeHolder({ kind: 'mount', mountpoint: '/a' })).toBe('the mount at /a');
});
