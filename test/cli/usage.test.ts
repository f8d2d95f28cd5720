import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { cliEnvironment, cliPath, jsonOf, runCli } from '../support/cli.js';
import { goldenPath, projectDirectory } from '../support/fixtures.js';

const file = goldenPath('a-lz4-4k-both.hxz');
const { version } = JSON.parse(readFileSync(join(projectDirectory, 'package.json'), 'utf8')) as {
  version: string;
};

describe.concurrent('help and version', () => {
  test.each([[[]], [['--help']], [['-h']], [['help']]])(
    '%j shows the commands, and is done',
    async (args) => {
      const { status, stdout, stderr } = await runCli(args);
      expect([status, stderr]).toEqual([0, '']);
      for (const name of ['info', 'verify', 'extract']) expect(stdout.toString()).toContain(name);
    },
  );

  test.each(['info', 'verify', 'extract'])('%s --help shows its options', async (command) => {
    const { status, stdout, stderr } = await runCli([command, '--help']);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.toString()).toContain('--parent-dir');
  });

  test.each(['--version', '-V'])('%s prints the version of the package', async (option) => {
    const { status, stdout } = await runCli([option]);
    expect([status, stdout.toString()]).toEqual([0, `hexz ${version}\n`]);
  });
});

describe.concurrent('what is no command is a usage error in one line', () => {
  test.each([
    [['frobnicate']],
    [['--frobnicate']],
    [['info']],
    [['verify']],
    [['extract']],
    [['info', file, 'another']],
    [['info', file, '--frobnicate']],
    [['extract', file]],
    [['extract', file, '--stream']],
    [['extract', file, '--stream', 'main']],
    [['verify', file, '--cache-size', 'much']],
    [['verify', file, '--key']],
  ])('%j', async (args) => {
    const { status, stdout, stderr } = await runCli(args);
    expect([status, stdout.length]).toEqual([2, 0]);
    expect(stderr).toMatch(/^hexz: .+\n$/);
    expect(stderr.trimEnd()).not.toContain('\n');
  });
});

describe.concurrent('with --json an error is an object as well', () => {
  test('of the command line', async () => {
    const result = await runCli(['info', '--json']);
    expect(result.status).toBe(2);
    expect(result.stderr).toMatch(/^hexz: /);
    expect(jsonOf(result)).toEqual({
      error: {
        code: 'USAGE',
        exitStatus: 2,
        message: expect.stringContaining('snapshot') as unknown,
        hint: expect.any(String) as unknown,
      },
    });
  });

  test.each(['info', 'verify'])('of a file that %s cannot read', async (command) => {
    const result = await runCli([command, '/absent.hxz', '--json']);
    expect(result.status).toBe(3);
    expect(jsonOf(result)).toEqual({
      error: {
        code: 'UNREADABLE',
        exitStatus: 3,
        message: 'cannot open it: no such file or directory',
        file: '/absent.hxz',
      },
    });
  });

  test('of an extraction into a file', async () => {
    const args = [
      'extract',
      goldenPath('a-lz4-64k-disk.hxz'),
      '--stream',
      'memory',
      '-o',
      '/x',
      '--json',
    ];
    const result = await runCli(args);
    expect(result.status).toBe(3);
    expect(jsonOf(result)).toMatchObject({ error: { code: 'NO_STREAM', exitStatus: 3 } });
  });
});

describe.concurrent('what is no snapshot is exit 3', () => {
  test.each([
    ['a directory', projectDirectory, 'not a regular file'],
    ['a device', '/dev/zero', 'not a regular file'],
    ['another file', goldenPath('manifest.json'), 'not a .hxz snapshot'],
  ])('%s', async (_name, path, words) => {
    for (const command of ['info', 'verify']) {
      const { status, stdout, stderr } = await runCli([command, path]);
      expect([status, stdout.length]).toEqual([3, 0]);
      expect(stderr).toContain(words);
    }
  });
});

describe('standard output or error', () => {
  const redirected = (
    args: string[],
    stdio: [number | 'ignore', number | 'pipe', number | 'pipe'],
  ) =>
    spawnSync(process.execPath, [cliPath, ...args], {
      env: cliEnvironment(),
      stdio,
      encoding: 'utf8',
    });
  const full = openSync('/dev/full', 'w');
  afterAll(() => closeSync(full));

  test.each([[['info', file]], [['verify', file]], [['verify', file, '--json']], [['--help']]])(
    'on a full device is exit 8: %j',
    (args) => {
      const { status, stderr } = redirected(args, ['ignore', full, 'pipe']);
      expect([status, stderr]).toEqual([
        8,
        'hexz: standard output: cannot write it: no space left on the device\n',
      ]);
    },
  );

  test('on a full device leaves the exit status of an error as it is', () => {
    expect(redirected(['info', '/absent.hxz'], ['ignore', 'pipe', full]).status).toBe(3);
  });

  test('that is closed is no error', async () => {
    for (const args of [
      ['info', file],
      ['verify', file],
      ['verify', file, '--json'],
    ]) {
      const child = spawn(process.execPath, [cliPath, ...args], { env: cliEnvironment() });
      child.stdout.destroy();
      const said: Buffer[] = [];
      child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
      const [status] = (await once(child, 'close')) as [number | null];
      expect([status, Buffer.concat(said).toString()]).toEqual([0, '']);
    }
  });
});

test('a snapshot may be named relative to the current directory', async () => {
  const cwd = goldenPath('.');
  const result = await runCli(['verify', 'a-thin-l2.hxz', '--json'], { cwd });
  expect(result.status).toBe(0);
  expect(jsonOf(result)).toMatchObject({ path: 'a-thin-l2.hxz', ok: true });
});
