import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliEnvironment, cliPath, jsonLinesOf, runCli } from '../support/cli.js';
import { goldenPath } from '../support/fixtures.js';
import { requires } from '../support/requires.js';
import { temporaryDirectories } from '../support/temporary.js';
import { until } from '../support/until.js';

const newDirectory = temporaryDirectories();
const snapshot = goldenPath('a-lz4-4k-both.hxz');
const inspect = (args: readonly string[], input?: string) =>
  runCli(
    ['inspect', snapshot, '--no-mount', ...args],
    input === undefined ? {} : { input: Buffer.from(input) },
  );

describe.concurrent('commands without a terminal', () => {
  test('of -c are run one after another, in one session', async () => {
    const { status, stdout, stderr } = await inspect([
      '-c',
      'bookmark b 16',
      '-c',
      'read disk $b 16; read disk .',
    ]);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.toString()).toMatch(/^b {17}0x0000_0010\n0x00000010 .*\n0x00000020 /m);
  });

  test('of a script stop at the first that fails, with its line and its status', async () => {
    const script = join(newDirectory(), 'check.hexz');
    writeFileSync(script, 'read disk 0 16\n\nassert length disk = 1\nread disk\n');
    const { status, stdout, stderr } = await inspect(['--script', script]);
    expect(status).toBe(1);
    expect(stdout.toString().split('\n')).toHaveLength(2);
    expect(stderr).toBe(`hexz: ${script}:3:1: it is 40961, not 1\n`);
  });

  test('of several scripts, of -c and of standard input are run in the order of the command line', async () => {
    const directory = newDirectory();
    const [first, second] = [join(directory, 'first.hexz'), join(directory, 'second.hexz')];
    writeFileSync(first, 'bookmark a 1\n');
    writeFileSync(second, 'bookmark b $a+1');
    const args = ['--script', first, '--script', second, '-c', 'bookmark c $b+1', '--script', '-'];
    const { status, stdout, stderr } = await inspect(
      [...args, '-c', 'read disk $d 1', '--json'],
      'bookmark d $c+1\n',
    );
    expect([status, stderr.toString()]).toEqual([0, '']);
    expect(stdout.toString()).toContain('{"offset":4,"length":1,"bytes":"20"}');
  });

  test('of standard input are run line by line, and with --json answered by a line each', async () => {
    const result = await inspect(['--json'], 'read disk 0 4\n\nread disc\n');
    expect(result.status).toBe(2);
    expect(jsonLinesOf(result)).toEqual([
      { command: 'read disk 0 4', result: expect.objectContaining({ length: 4 }) },
      {
        command: 'read disc',
        error: expect.objectContaining({
          code: 'USAGE',
          file: 'standard input',
          line: 3,
          column: 6,
        }),
      },
    ]);
  });

  test.each([
    ['sh exit 9', 1],
    ['nonsense', 2],
    ['read memory 1 2 3', 2],
    ['sh kill -9 $$', 1],
    ['read disk 0 1 > /nowhere/at/all', 8],
    ['quit; nonsense', 2],
    ['quit', 0],
  ])('%s ends with %i', async (command, expected) => {
    expect((await inspect(['-c', command])).status).toBe(expected);
  });

  test.each([
    ['was left to run', ['read disk 0 40K; read disk 0 40K; read disk 0 40K'], 141],
    [
      'was left to run',
      ['strings disk; strings disk', 'read disk 0 40K; read disk 0 40K; wait 60s'],
      141,
    ],
    ['was the last, and had answered', ['read disk 0 40K'], 0],
  ])(
    'end quietly when nobody reads them any more and a command %s: %j',
    async (_, commands, expected) => {
      const args = commands.flatMap((command) => ['-c', command]);
      const child = spawn(process.execPath, [cliPath, 'inspect', snapshot, '--no-mount', ...args], {
        env: cliEnvironment(),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child.stdout.once('data', () => child.stdout.destroy());
      let errors = '';
      child.stderr.on('data', (text) => {
        errors += text;
      });
      const status = await new Promise((resolve) => child.once('close', resolve));
      expect([status, errors]).toEqual([expected, '']);
    },
  );
});

describe.concurrent('what cannot be meant is refused', () => {
  test.each([
    [['inspect']],
    [['inspect', snapshot, '--attach', '/mnt']],
    [['inspect', snapshot, '--script', '-', '--script', '-']],
    [['inspect', snapshot, '/mnt', '--no-mount']],
    [['inspect', '--attach', '/mnt', '--rw']],
  ])('%j', async (args) => {
    const { status, stderr } = await runCli(args);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^hexz: .+\n$/);
  });

  test('a script that is not there, before anything is run', async () => {
    const { status, stdout } = await inspect(['-c', 'read disk 0 16', '--script', '/nowhere']);
    expect([status, stdout.toString()]).toEqual([3, '']);
  });

  test('an engine that is not there', async () => {
    expect((await runCli(['inspect', '--attach', '/nowhere'])).status).toBe(6);
  });
});

/** What is not the registry, which may lie there. */
const remains = (directory: string): string[] =>
  readdirSync(directory).filter((name) => /^hexz-[a-z]/.test(name));

describe.runIf(requires('FUSE'))('with a mount', () => {
  test('programs find it, and nothing is left behind', async () => {
    const temporary = newDirectory();
    const result = await runCli(
      [
        'inspect',
        snapshot,
        '--json',
        '-c',
        'sh cksum < "$HEXZ_MOUNT/disk"',
        '-c',
        'export disk 0 end copy',
      ],
      { env: { TMPDIR: temporary }, cwd: temporary },
    );
    expect(result.status).toBe(0);
    const [sums] = jsonLinesOf(result);
    expect(sums).toMatchObject({
      result: { stdout: expect.stringMatching(/ 40961\n$/), status: 0 },
    });
    expect(readFileSync(join(temporary, 'copy'))).toHaveLength(40_961);
    expect(remains(temporary)).toEqual([]);
  });

  test('what programs read is counted, told and waited for', async () => {
    const result = await runCli([
      'inspect',
      snapshot,
      '--json',
      '-c',
      'sh (sleep 0.2; cat "$HEXZ_MOUNT/memory") >/dev/null 2>&1 &',
      '-c',
      'wait events 1 --timeout 20s; wait idle 200ms; stats; wait events 1 --timeout 100ms',
    ]);
    expect(result.status).toBe(1);
    const [, events, idle, stats, timeout] = jsonLinesOf(result);
    expect(events).toMatchObject({ result: { events: expect.any(Number) } });
    expect(idle).toMatchObject({ result: { milliseconds: expect.any(Number) } });
    expect(stats).toMatchObject({
      result: { counters: { streams: { memory: { readBytes: 8192, errors: 0 } } } },
    });
    expect(timeout).toMatchObject({ error: { code: 'ASSERTION_FAILED' } });
  });

  test('it can be attached to, and goes on when that ends', async () => {
    const mountpoint = newDirectory();
    const { status } = await runCli(['mount', snapshot, mountpoint, '-d']);
    expect(status).toBe(0);
    try {
      const result = await runCli(['inspect', '--attach', mountpoint, '--json', '-c', 'state']);
      expect(jsonLinesOf(result)).toMatchObject([
        { result: { lease: 'mount', mount: { mountpoint } } },
      ]);
      expect(existsSync(join(mountpoint, 'disk'))).toBe(true);
    } finally {
      expect((await runCli(['unmount', mountpoint])).status).toBe(0);
    }
  });

  test.each([
    ['SIGINT', 'sh echo ready; sleep 60', { status: 0, signal: null }],
    ['SIGTERM', 'sh echo ready; (sleep 60)', { status: 0, signal: null }],
    ['SIGTERM', 'sh trap "" TERM; echo ready; sleep 60; sleep 60', { status: 0, signal: null }],
    ['SIGHUP', 'sh echo ready; sleep 60', { status: null, signal: 'SIGHUP' }],
    ['SIGKILL', 'read disk 0 16; wait 60s', { status: null, signal: 'SIGKILL' }],
  ] as const)('%s ends it, and what it has made: %s', async (signal, command, end) => {
    const temporary = newDirectory();
    const child = spawn(process.execPath, [cliPath, 'inspect', snapshot, '--rw', '-c', command], {
      env: cliEnvironment({ TMPDIR: temporary }),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill(signal);
    const ended = new Promise((resolve) => {
      child.once('exit', (status, by) => resolve({ status, signal: by }));
    });
    expect(await ended).toEqual(end);
    await until('everything is removed', () => remains(temporary).length === 0);
  });
});
