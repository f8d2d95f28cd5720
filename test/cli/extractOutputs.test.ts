import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { cliEnvironment, cliPath, runCli } from '../support/cli.js';
import { goldenPath } from '../support/fixtures.js';
import { SnapshotWriter } from '../support/snapshotWriter.js';
import { expectSameBytes, someBytes } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';
import { makePipe, runTool } from '../support/tools.js';

const newDirectory = temporaryDirectories();
const file = goldenPath('a-lz4-64k-disk.hxz');

/** A snapshot of many GiB that takes long to decode and no space: its data blocks are all zero. */
function writeEndless(directory: string): string {
  const path = join(directory, 'endless.hxz');
  const writer = new SnapshotWriter(path);
  const block = writer.addData(Buffer.alloc(2 ** 20));
  for (let copy = 0; copy < 200_000; copy++) writer.addShared(block);
  writer.finish();
  return path;
}

function startExtract(source: string, ...args: string[]) {
  const child = spawn(process.execPath, [cliPath, 'extract', source, '--stream', 'disk', ...args], {
    env: cliEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const ended = new Promise<{ status: number | null; signal: string | null; stderr: string }>(
    (resolve) => {
      child.on('close', (status, signal) => {
        resolve({ status, signal, stderr: Buffer.concat(errors).toString() });
      });
    },
  );
  return { child, ended };
}

/** Waits, for at most ten seconds, until something is so. */
async function until(isSo: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !isSo(); ) {
    if (Date.now() > deadline) throw new Error('waited in vain');
    await setTimeout(5);
  }
}

describe('a signal during the extraction', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s ends the command as it would any other, and removes the unfinished file',
    async (signal) => {
      const directory = newDirectory();
      const source = writeEndless(directory);
      const outputs = join(directory, 'outputs');
      mkdirSync(outputs);
      const { child, ended } = startExtract(source, '-o', join(outputs, 'disk'));
      await until(() => readdirSync(outputs).length > 0);
      expect(existsSync(join(outputs, 'disk'))).toBe(false);
      child.kill(signal);
      expect(await ended).toEqual({ status: null, signal, stderr: '' });
      expect(readdirSync(outputs)).toEqual([]);
    },
  );
});

test('a signal while the file is synced leaves a complete file or none', async () => {
  const outputs = newDirectory();
  const target = join(outputs, 'disk');
  const before = `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const { fsyncSync } = fs;
    fs.fsyncSync = (descriptor) => {
      process.kill(process.pid, 'SIGTERM');
      fsyncSync(descriptor);
    };
    syncBuiltinESMExports();
  `;
  await runCli(['extract', file, '--stream', 'disk', '-o', target], { before });
  const left = readdirSync(outputs);
  if (left.length > 0) {
    expect(left).toEqual(['disk']);
    expect(readFileSync(target)).toHaveLength(300_001);
  }
});

describe('a pipe', () => {
  test('that its reader closes is no error', async () => {
    for (const args of [[], ['-o', '-']]) {
      const { child, ended } = startExtract(writeEndless(newDirectory()), ...args);
      child.stdout.once('data', () => child.stdout.destroy());
      expect(await ended).toEqual({ status: 0, signal: null, stderr: '' });
    }
  });

  test('with a name gets the bytes, and stays a pipe', async () => {
    const directory = newDirectory();
    const pipe = join(directory, 'pipe');
    makePipe(pipe);
    const { ended } = startExtract(file, '-o', pipe);
    const chunks: Buffer[] = [];
    for await (const chunk of createReadStream(pipe)) chunks.push(chunk as Buffer);
    expect(await ended).toEqual({ status: 0, signal: null, stderr: '' });
    expect(Buffer.concat(chunks)).toHaveLength(300_001);
    expect(readdirSync(directory)).toEqual(['pipe']);
  });
});

test('a device is written in place', async () => {
  const args = ['extract', file, '--stream', 'disk', '-o', '/dev/null'];
  expect((await runCli(args)).status).toBe(0);
  const full = await runCli([...args.slice(0, -1), '/dev/full']);
  expect(full.status).toBe(8);
  expect(full.stderr).toBe('hexz: /dev/full: cannot write it: no space left on the device\n');
});

test('an output that cannot be made is exit 8, whatever the reason', async () => {
  const directory = newDirectory();
  for (const target of [directory, join(directory, 'absent', 'disk'), '/proc/disk']) {
    const { status, stdout, stderr } = await runCli([
      'extract',
      file,
      '--stream',
      'disk',
      '-o',
      target,
    ]);
    expect([status, stdout.length]).toEqual([8, 0]);
    expect(stderr).toMatch(new RegExp(`^hexz: ${target}: cannot write it: .*\n$`));
  }
  expect(readdirSync(directory)).toEqual([]);
});

/** Mounts a file system of 1 MiB, where that is allowed. */
function mountSmall(): string | undefined {
  const directory = newDirectory();
  const options = ['-t', 'tmpfs', '-o', 'size=1m', 'hexz-test', directory];
  return runTool('mount', ...options) ? directory : undefined;
}

const small = mountSmall();
afterAll(() => {
  if (small !== undefined) runTool('umount', small);
});

test.skipIf(small === undefined)(
  'a full disk is exit 8, and nothing is left on it (needs mount)',
  async () => {
    const source = join(newDirectory(), 'large.hxz');
    const writer = new SnapshotWriter(source);
    for (let block = 0; block < 4; block++) writer.addData(someBytes(2 ** 20));
    writer.finish();
    const target = join(small ?? '', 'disk');
    const { status, stderr } = await runCli(['extract', source, '--stream', 'disk', '-o', target]);
    expect(status).toBe(8);
    expect(stderr).toBe(`hexz: ${target}: cannot write it: no space left on the device\n`);
    expect(readdirSync(small ?? '')).toEqual([]);
  },
);

/** Options that run the command without root's rights, where the checkout can be read without them. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const ordinary = isRoot ? { uid: NOBODY } : {};
const canRun = spawnSync(process.execPath, [cliPath, '--version'], ordinary).status === 0;

describe.skipIf(!canRun)('a user without rights (needs a checkout that everybody can read)', () => {
  /** A directory and a snapshot for that user; the outputs go to a directory of this mode. */
  function prepare(mode: number): { source: string; outputs: string } {
    const directory = newDirectory();
    const [source, outputs] = [join(directory, 'disk.hxz'), join(directory, 'outputs')];
    copyFileSync(file, source);
    chmodSync(directory, 0o755);
    chmodSync(source, 0o644);
    mkdirSync(outputs);
    chmodSync(outputs, mode);
    return { source, outputs };
  }

  const extract = (source: string, target: string) =>
    runCli(['extract', source, '--stream', 'disk', '-o', target], ordinary);

  test('gets exit 8 for a directory that he may not write', async () => {
    const { source, outputs } = prepare(0o555);
    const target = join(outputs, 'disk');
    const { status, stderr } = await extract(source, target);
    expect([status, stderr]).toEqual([8, `hexz: ${target}: cannot write it: permission denied\n`]);
    expect(readdirSync(outputs)).toEqual([]);
  });

  test.runIf(isRoot)('may write into a directory that he may not list', async () => {
    const { source, outputs } = prepare(0o733);
    const target = join(outputs, 'disk');
    const { status, stderr } = await extract(source, target);
    expect([status, stderr]).toEqual([0, '']);
    expect(readFileSync(target)).toHaveLength(300_001);
    expect(readdirSync(outputs)).toEqual(['disk']);
  });

  test.runIf(isRoot)('gets exit 3 for a snapshot that he may not read', async () => {
    const { source, outputs } = prepare(0o777);
    chmodSync(source, 0o600);
    const { status, stderr } = await extract(source, join(outputs, 'disk'));
    expect([status, stderr]).toEqual([3, `hexz: ${source}: cannot open it: permission denied\n`]);
  });
});

test('bytes written to a file are those of the pipe', async () => {
  const target = join(newDirectory(), 'disk');
  await runCli(['extract', file, '--stream', 'disk', '-o', target]);
  const { stdout } = await runCli(['extract', file, '--stream', 'disk', '-o', '-']);
  expectSameBytes(readFileSync(target), stdout);
});
