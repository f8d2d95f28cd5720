import { execFile } from 'node:child_process';
import { chmodSync, chownSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { cliPath } from '../support/cli.js';
import { goldenPath, sha256 } from '../support/fixtures.js';
import { mounts } from '../support/mounts.js';
import { ORDINARY_USER, requires } from '../support/requires.js';
import { packNoise } from '../support/snapshots.js';
import { within } from '../support/until.js';

const hexz = mounts();
const DISK_BYTES = 300_001;

/** Root has to act as somebody else; whoever is not root does it as himself. */
const isRoot = process.getuid?.() === 0;
const asUser = isRoot ? { uid: ORDINARY_USER } : {};
const canMount = requires(
  'FUSE',
  ...(isRoot ? (['FUSE for everybody', 'a checkout that everybody can read'] as const) : []),
);
const canAct = isRoot && requires('a checkout that everybody can read');

/** Gives a file or directory to the user. */
function giveToUser(path: string): string {
  if (isRoot) chownSync(path, ORDINARY_USER, ORDINARY_USER);
  return path;
}

/** A snapshot that everybody can read, and directories of the user. */
function prepare(): { snapshot: string; bytes: Buffer; mountpoint: string } {
  giveToUser(hexz.sandbox.environment.XDG_RUNTIME_DIR);
  const snapshot = hexz.sandbox.path('disk.hxz');
  const bytes = packNoise(snapshot, DISK_BYTES);
  chmodSync(snapshot, 0o644);
  return { snapshot, bytes, mountpoint: giveToUser(hexz.newMountpoint()) };
}

/** Runs a shell command as the user; others, root too, may not look into his mounts. */
async function userShell(script: string, ...parameters: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', script, 'sh', ...parameters], {
    ...asUser,
    env: { ...process.env, ...hexz.sandbox.environment },
  });
  return stdout;
}

const hashAsUser = async (path: string): Promise<string> =>
  (await userShell('sha256sum < "$1"', path)).slice(0, 64);

describe.runIf(canMount)('an ordinary user', () => {
  test('mounts, reads, is listed, and unmounts', async () => {
    const { snapshot, bytes, mountpoint } = prepare();
    const mount = await hexz.mount(snapshot, [], { mountpoint, ...asUser });
    expect(await hashAsUser(mount.disk)).toBe(sha256(bytes));
    const uid = isRoot ? ORDINARY_USER : process.getuid?.();
    expect(await userShell('stat -c "%u %a" "$1"', mount.disk)).toBe(`${uid} 444\n`);
    const status = await hexz.run(['status', '--json'], asUser);
    expect(JSON.parse(status.stdout.toString())).toMatchObject({
      mounts: [{ pid: mount.pid, mountpoint, state: 'serving' }],
    });
    expect(await hexz.run(['unmount', mountpoint], asUser)).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(await mount.ended).toEqual({ status: 0, signal: null });
    hexz.expectNothingLeft();
  });

  test('writes into an overlay of his own', async () => {
    const { snapshot, bytes, mountpoint } = prepare();
    const overlay = `${giveToUser(hexz.sandbox.newDirectory())}/overlay`;
    const args = ['--rw', '--overlay', overlay];
    const options = { mountpoint, ...asUser };
    const mount = await hexz.mount(snapshot, args, options);
    await userShell('printf changed | dd of="$1" bs=1 seek=300000 conv=notrunc', mount.disk);
    expect(await hexz.run(['unmount', mountpoint], asUser)).toMatchObject({ status: 0 });
    const expected = Buffer.concat([bytes.subarray(0, 300_000), Buffer.from('changed')]);
    const again = await hexz.mount(snapshot, args, options);
    expect(await hashAsUser(again.disk)).toBe(sha256(expected));
    expect(await again.end('SIGTERM')).toEqual({ status: 0, signal: null });
    expect(await hexz.run(['mount', '--rw', snapshot, mountpoint, '-d'], asUser)).toMatchObject({
      status: 0,
    });
    expect(await hexz.run(['unmount', mountpoint], asUser)).toMatchObject({ status: 0 });
    hexz.expectNothingLeft();
  });

  test('clears a mount whose engine was killed', async () => {
    const { snapshot, mountpoint } = prepare();
    const mount = await hexz.mount(snapshot, ['--rw'], { mountpoint, ...asUser });
    await mount.end('SIGKILL');
    expect(await hexz.run(['unmount', mountpoint], asUser)).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(hexz.sandbox.mountpoints()).toEqual([]);
  });

  test.runIf(isRoot)('is served until root unmounts', async () => {
    const { snapshot, mountpoint } = prepare();
    const mount = await hexz.mount(snapshot, ['--rw'], { mountpoint, ...asUser });
    const env = { XDG_RUNTIME_DIR: hexz.sandbox.newDirectory() };
    expect(await hexz.run(['unmount', mountpoint], { env })).toMatchObject({ status: 0 });
    expect(await within('the end of the engine', mount.ended)).toEqual({ status: 0, signal: null });
    hexz.expectNothingLeft();
  });

  test.runIf(isRoot)("cannot unmount root's mount", async () => {
    const { snapshot } = prepare();
    const env = { XDG_RUNTIME_DIR: hexz.sandbox.newDirectory() };
    const { mountpoint, pid } = await hexz.mount(snapshot, [], { env });
    const result = await hexz.run(['unmount', mountpoint], asUser);
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toMatch(/not permitted|permission|not found|not the owner/i);
    expect(hexz.sandbox.mountpoints()).toEqual([mountpoint]);
    const status = await hexz.run(['status'], asUser);
    expect(status.stdout.toString()).not.toContain(String(pid));
  });

  test('needs fusermount', async () => {
    const { snapshot, mountpoint } = prepare();
    const env = { PATH: '/absent' };
    const result = await hexz.run(['mount', snapshot, mountpoint], { env, ...asUser });
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toContain('fusermount');
    expect(result.stderr).toContain('apt install fuse3');
  });
});

describe.runIf(canAct)('an ordinary user is refused', () => {
  test('a directory that is not his, a snapshot and an overlay that he may not open', async () => {
    const { snapshot, mountpoint } = prepare();
    const foreign = hexz.newMountpoint();
    const hidden = hexz.sandbox.path('hidden.hxz');
    await copyFile(goldenPath('a-lz4-64k-disk.hxz'), hidden);
    chmodSync(hidden, 0o600);
    const overlay = hexz.sandbox.path('overlay');
    for (const [args, status, text] of [
      [[snapshot, foreign], 6, 'you may not write to the mountpoint'],
      [[snapshot, hexz.sandbox.environment.TMPDIR], 6, 'not permitted'],
      [[hidden, mountpoint], 3, 'permission denied'],
      [[snapshot, mountpoint, '--rw', '--overlay', overlay], 8, 'permission denied'],
    ] as const) {
      const result = await hexz.run(['mount', ...args], asUser);
      expect(result).toMatchObject({ status });
      expect(result.stderr).toContain(text);
    }
    expect(existsSync(overlay)).toBe(false);
    hexz.expectNothingLeft();
  });

  /** Runs the command as the user where a file of the machine is another one, which only this command sees. */
  async function runWhere(path: string, replacement: string, args: readonly string[]) {
    const script = `mount --bind "$1" "$2" && shift 2 &&
      exec setpriv --reuid ${ORDINARY_USER} --clear-groups "$@"`;
    const command = [process.execPath, cliPath, ...args];
    const parameters = ['--mount', 'sh', '-c', script, 'sh', replacement, path, ...command];
    const options = { env: { ...process.env, ...hexz.sandbox.environment } };
    return promisify(execFile)('unshare', parameters, options).then(
      ({ stdout, stderr }) => ({ status: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        status: error.code,
        stdout: error.stdout,
        stderr: error.stderr,
      }),
    );
  }

  describe.runIf(requires('tmpfs'))('on a machine', () => {
    test('whose /dev/fuse is for root only, and doctor says what mends it', async () => {
      const { snapshot, mountpoint } = prepare();
      const device = hexz.sandbox.path('fuse');
      await promisify(execFile)('mknod', ['--mode=600', device, 'c', '10', '229']);
      const mount = await runWhere('/dev/fuse', device, ['mount', snapshot, mountpoint]);
      expect(mount).toMatchObject({ status: 6 });
      expect(mount.stderr).toContain('permission denied');
      expect(mount.stderr).toMatch(/chmod 0?666 \/dev\/fuse/);
      const doctor = await runWhere('/dev/fuse', device, ['doctor', '--json']);
      expect(doctor).toMatchObject({ status: 6 });
      const found = JSON.parse(doctor.stdout) as { canMount: boolean; checks: { name: string }[] };
      expect(found.canMount).toBe(false);
      expect(found.checks.find(({ name }) => name === '/dev/fuse')).toMatchObject({
        state: 'missing',
        detail: 'cannot be opened: permission denied',
        remedy: expect.stringMatching(/chmod 0?666 \/dev\/fuse/),
      });
    });

    test.runIf(canMount)('that does not let him mount for others', async () => {
      const { snapshot, mountpoint } = prepare();
      const configuration = hexz.sandbox.path('fuse.conf');
      writeFileSync(configuration, '#user_allow_other\n');
      const args = ['mount', snapshot, mountpoint, '--allow-other'];
      const result = await runWhere('/etc/fuse.conf', configuration, args);
      expect(result).toMatchObject({ status: 6 });
      expect(result.stderr).toContain('user_allow_other');
      expect(result.stderr).toContain('/etc/fuse.conf');
    });
  });
});

describe.runIf(isRoot && requires('FUSE'))("root's mount", () => {
  test('is for root only, but with --allow-other', async () => {
    const snapshot = hexz.sandbox.path('disk.hxz');
    const bytes = packNoise(snapshot, DISK_BYTES);
    const closed = await hexz.mount(snapshot);
    await expect(hashAsUser(closed.disk)).rejects.toMatchObject({
      stderr: expect.stringMatching(/permission denied/i),
    });
    const opened = await hexz.mount(snapshot, ['--rw', '--allow-other']);
    expect(await hashAsUser(opened.disk)).toBe(sha256(bytes));
    // The permissions of its files hold all the same.
    expect(statSync(opened.disk)).toMatchObject({ uid: 0, mode: 0o100644 });
    await expect(userShell('printf x > "$1"', opened.disk)).rejects.toMatchObject({
      stderr: expect.stringMatching(/permission denied/i),
    });
    const given = await hexz.mount(snapshot, [
      ...['--rw', '--allow-other', '--uid', String(ORDINARY_USER)],
    ]);
    await userShell('printf x | dd of="$1" conv=notrunc', given.disk);
    expect(readFileSync(given.disk).subarray(0, 1).toString()).toBe('x');
  });
});
