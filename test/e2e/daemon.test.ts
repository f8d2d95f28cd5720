import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chownSync,
  linkSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import pty from '@lydell/node-pty';
import { describe, expect, test } from 'vitest';
import { cliEnvironment, cliPath } from '../support/cli.js';
import { goldenFixture, goldenPath, sha256 } from '../support/fixtures.js';
import { mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { damageBlock, packNoise } from '../support/snapshots.js';
import { expectSameBytes } from '../support/streams.js';
import { until, within } from '../support/until.js';

const hexz = mounts();
const DISK_BYTES = 300_001;
const encrypted = goldenFixture('a-lz4-encrypted');

function prepare(): { snapshot: string; bytes: Buffer } {
  const snapshot = hexz.sandbox.path('disk.hxz');
  return { snapshot, bytes: packNoise(snapshot, DISK_BYTES) };
}

const sessionOf = (pid: number): number =>
  Number(
    readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')[3],
  );

const logLines = (path: string): readonly { msg: string }[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe.runIf(requires('FUSE'))('a daemon', () => {
  test('is ready when the command returns, and says where its log is', async () => {
    const { snapshot, bytes } = prepare();
    const mountpoint = hexz.newMountpoint();
    const result = await hexz.run(['mount', '-d', snapshot, mountpoint]);
    expectSameBytes(await readFile(`${mountpoint}/disk`), bytes);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    const [{ pid } = {}] = await hexz.status();
    const directory = hexz.sandbox.environment.XDG_RUNTIME_DIR;
    expect(result.stdout.toString()).toBe(
      `ready: ${snapshot} at ${mountpoint} (read-only), served by process ${pid}\n` +
        `log: ${directory}/hexz.log, ${directory}/hexz.err\n`,
    );
    await hexz.unmount({ mountpoint });
    hexz.expectNothingLeft();
  });

  test('works from the root directory, in a session of its own', async () => {
    const { pid, mountpoint } = await hexz.daemon(prepare().snapshot);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
    expect(sessionOf(pid)).toBe(pid);
    expect(readlinkSync(`/proc/${pid}/fd/0`)).toBe('/dev/null');
    await hexz.unmount({ mountpoint });
  });

  test('survives the terminal and the process group of who started it', async () => {
    const { snapshot, bytes } = prepare();
    const mountpoint = hexz.newMountpoint();
    const terminal = pty.spawn(
      'sh',
      [
        '-c',
        '"$@"; sleep 1000',
        'sh',
        process.execPath,
        cliPath,
        'mount',
        '-d',
        snapshot,
        mountpoint,
      ],
      { env: cliEnvironment(hexz.sandbox.environment) as Record<string, string> },
    );
    let shown = '';
    terminal.onData((data) => {
      shown += data;
    });
    const ended = new Promise<void>((resolve) => terminal.onExit(() => resolve()));
    await until('a mount', () => shown.includes('ready:') && shown.includes('log:'));
    process.kill(-terminal.pid, 'SIGHUP');
    await within('the end of the terminal', ended);
    expectSameBytes(await readFile(`${mountpoint}/disk`), bytes);
    expect(await hexz.status()).toMatchObject([{ state: 'serving' }]);
    await hexz.unmount({ mountpoint });
  });

  test('takes relative paths', async () => {
    const { bytes } = prepare();
    const cwd = hexz.sandbox.directory;
    const mountpoint = basename(hexz.newMountpoint());
    const daemon = await hexz.daemon('disk.hxz', ['--rw', '--overlay', 'overlay'], {
      cwd,
      mountpoint,
    });
    expect(daemon.ready).toMatchObject({
      snapshot: `${cwd}/disk.hxz`,
      mountpoint: `${cwd}/${mountpoint}`,
      overlay: `${cwd}/overlay`,
    });
    expectSameBytes(await readFile(daemon.disk), bytes);
    await hexz.unmount(daemon);
    expect(statSync(`${cwd}/overlay.meta`).size).toBe(0);
  });

  test('takes parents from a relative directory', async () => {
    const cwd = hexz.sandbox.directory;
    writeFileSync(`${cwd}/thin.hxz`, readFileSync(goldenPath('a-thin-l1.hxz')));
    const parents = basename(hexz.sandbox.newDirectory());
    writeFileSync(
      `${cwd}/${parents}/a-lz4-64k-disk.hxz`,
      readFileSync(goldenPath('a-lz4-64k-disk.hxz')),
    );
    const { disk } = await hexz.daemon('thin.hxz', ['--parent-dir', parents], { cwd });
    expect(sha256(await readFile(disk))).toBe(goldenFixture('a-thin-l1').disk.sha256);
  });

  test('gets a password from a file or the environment', async () => {
    const path = hexz.sandbox.path('password');
    writeFileSync(path, `${encrypted.password}\n`);
    const snapshot = goldenPath(encrypted.file);
    for (const [args, env] of [
      [['--password-file', path], {}],
      [[], { HEXZ_PASSWORD: encrypted.password ?? '' }],
    ] as const) {
      const daemon = await hexz.daemon(snapshot, args, { env });
      expect(sha256(await readFile(daemon.disk))).toBe(encrypted.disk.sha256);
      const told = ['cmdline', 'environ'].map((name) =>
        readFileSync(`/proc/${daemon.pid}/${name}`, 'latin1'),
      );
      if (args.length > 0) expect(told.join()).not.toContain(encrypted.password);
      await hexz.unmount(daemon);
    }
  });

  test('gets a password from a person', async () => {
    const mountpoint = hexz.newMountpoint();
    const snapshot = goldenPath(encrypted.file);
    const terminal = pty.spawn(process.execPath, [cliPath, 'mount', '-d', snapshot, mountpoint], {
      env: cliEnvironment(hexz.sandbox.environment) as Record<string, string>,
    });
    let shown = '';
    terminal.onData((data) => {
      if (!shown.includes('Password') && data.includes('Password')) {
        terminal.write(`${encrypted.password}\r`);
      }
      shown += data;
    });
    const status = await new Promise((resolve) => {
      terminal.onExit(({ exitCode }) => resolve(exitCode));
    });
    expect(status).toBe(0);
    expect(sha256(await readFile(`${mountpoint}/disk`))).toBe(encrypted.disk.sha256);
    await hexz.unmount({ mountpoint });
  });

  test('serves several mounts, one process each', async () => {
    const { snapshot, bytes } = prepare();
    const daemons = [await hexz.daemon(snapshot), await hexz.daemon(snapshot)];
    for (const daemon of daemons) expectSameBytes(await readFile(daemon.disk), bytes);
    expect((await hexz.status()).map(({ pid }) => pid)).toEqual(daemons.map(({ pid }) => pid));
    for (const daemon of daemons) await hexz.unmount(daemon);
    hexz.expectNothingLeft();
  });

  test('whose starter is killed before it is ready leaves nothing', async () => {
    const { snapshot } = prepare();
    const args = ['mount', '-d', '--rw', snapshot, hexz.newMountpoint()];
    const starter = spawn(process.execPath, [cliPath, ...args], {
      env: cliEnvironment(hexz.sandbox.environment),
      stdio: 'ignore',
    });
    const ended = once(starter, 'exit');
    // The overlay comes before the mount. Without a pause between two looks, for it does not last.
    while (hexz.sandbox.temporaryFiles().length === 0) await setImmediate();
    const engine = hexz.sandbox.processes().find((pid) => pid !== starter.pid);
    if (engine === undefined) throw new Error('no engine');
    process.kill(engine, 'SIGSTOP');
    starter.kill('SIGKILL');
    await ended;
    process.kill(engine, 'SIGCONT');
    await until('the end of the engine', () => hexz.sandbox.processes().length === 0);
    hexz.expectNothingLeft();
    const log = `${hexz.sandbox.environment.XDG_RUNTIME_DIR}/hexz.log`;
    expect(readFileSync(log, 'utf8')).not.toContain('INTERNAL');
  });
});

describe.runIf(requires('FUSE'))('the log of a daemon', () => {
  test('is for its owner only, and later ones append to it', async () => {
    const { snapshot } = prepare();
    const first = await hexz.daemon(snapshot);
    const { log, errorLog } = first.ready;
    for (const path of [log, errorLog]) expect(statSync(path).mode & 0o777).toBe(0o600);
    expect([basename(log), basename(errorLog)]).toEqual(['hexz.log', 'hexz.err']);
    await hexz.unmount(first);
    const second = await hexz.daemon(snapshot);
    expect(second.ready.log).toBe(log);
    await hexz.unmount(second);
    expect(logLines(log).map(({ msg }) => msg)).toEqual([
      expect.stringContaining(`mounted at ${first.mountpoint}`),
      expect.stringContaining(`${first.mountpoint} is unmounted`),
      expect.stringContaining(`mounted at ${second.mountpoint}`),
      expect.stringContaining(`${second.mountpoint} is unmounted`),
    ]);
    expect(readFileSync(errorLog, 'utf8')).toBe('');
  });

  test('names what programs met as errors', async () => {
    const { snapshot } = prepare();
    damageBlock(snapshot, 0);
    const daemon = await hexz.daemon(snapshot);
    await expect(readFile(daemon.disk)).rejects.toMatchObject({ code: 'EIO' });
    await hexz.unmount(daemon);
    const text = readFileSync(daemon.ready.log, 'utf8');
    expect(text).toContain(`${snapshot}: disk stream, block 0`);
    expect(text).toContain('"code":"CRC"');
  });

  test('names why it could not mount', async () => {
    const { snapshot } = prepare();
    const overlay = hexz.sandbox.path('absent/overlay');
    const mountpoint = hexz.newMountpoint();
    const args = ['mount', '-d', snapshot, mountpoint, '--rw', '--overlay', overlay];
    expect(await hexz.run(args)).toMatchObject({ status: 8 });
    const log = `${hexz.sandbox.environment.XDG_RUNTIME_DIR}/hexz.log`;
    expect(readFileSync(log, 'utf8')).toContain('OVERLAY_UNUSABLE');
  });

  const occupants: Record<string, (path: string, other: string) => void> = {
    'a symbolic link': (path, other) => symlinkSync(other, path),
    'a symbolic link to nothing': (path, other) => symlinkSync(`${other}-absent`, path),
    'a second link to a file': (path, other) => linkSync(other, path),
    ...(requires('root')
      ? {
          "another user's file": (path: string) => {
            appendFileSync(path, '');
            chownSync(path, 65_534, 65_534);
          },
        }
      : {}),
  };

  test.each(Object.keys(occupants))('has another name where that is %s', async (name) => {
    const { snapshot } = prepare();
    const other = hexz.sandbox.path('other');
    writeFileSync(other, 'not a log', { mode: 0o600 });
    const directory = hexz.sandbox.environment.XDG_RUNTIME_DIR;
    occupants[name]?.(`${directory}/hexz.log`, other);
    const daemon = await hexz.daemon(snapshot);
    expect(daemon.ready.log).toBe(`${directory}/hexz-${process.getuid?.()}.log`);
    await hexz.unmount(daemon);
    expect(readFileSync(other, 'utf8')).toBe('not a log');
    expect(logLines(daemon.ready.log)).toHaveLength(2);
  });

  test('lies in the temporary directory where there is no run-time directory', async () => {
    const { snapshot } = prepare();
    const daemon = await hexz.daemon(snapshot, [], { env: { XDG_RUNTIME_DIR: '' } });
    const { TMPDIR } = hexz.sandbox.environment;
    expect(daemon.ready.log).toBe(`${TMPDIR}/hexz.log`);
    process.kill(daemon.pid, 'SIGTERM');
    await until('its end', () => hexz.sandbox.mountpoints().length === 0);
  });
});
