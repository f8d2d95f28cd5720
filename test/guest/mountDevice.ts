import { deepEqual, equal, match, notEqual, ok, rejects } from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { filePattern, hashesOf } from './fixtures.js';
import {
  attachedDevices,
  DeviceMount,
  newDirectory,
  Running,
  run,
  runHexz,
  statusOf,
  until,
} from './guestHexz.js';

/** What `hexz mount --nbd` does on a kernel with nbd. Runs in the guest, as root. */

const fixtures = process.env.HEXZ_GUEST_FIXTURES ?? '';
const plain = join(fixtures, 'plain.hxz');
const parted = join(fixtures, 'parted.hxz');
const noise = join(fixtures, 'noise.hxz');
const tree = join(fixtures, 'tree');
const ORDINARY_USER = 65_534;

const userDirectory = '/run/hexz-user';
mkdirSync(userDirectory, { mode: 0o700 });
process.env.XDG_RUNTIME_DIR = userDirectory;

const filesIn = (path: string): readonly string[] => (existsSync(path) ? readdirSync(path) : []);

const isMounted = (path: string): boolean =>
  readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${path} `);

const holdOpen = (path: string): Running =>
  new Running('sh', ['-c', 'exec 3< "$0"; exec sleep 1000', path]);

/** Writes a file, and waits until that is on the disk. */
function writeThrough(path: string, bytes: Buffer): void {
  const descriptor = openSync(path, 'w');
  writeSync(descriptor, bytes);
  fsyncSync(descriptor);
  closeSync(descriptor);
}

afterEach(() => {
  deepEqual(attachedDevices(), []);
  ok(!readFileSync('/proc/self/mounts', 'utf8').includes('/dev/nbd'));
  // What engines register, and where they listen.
  deepEqual(filesIn(join(userDirectory, 'hexz')), []);
});

test('a mount shows the files of the disk, and says what it is', async () => {
  const daemon = newDirectory();
  const started = await runHexz(['mount', '--nbd', '--daemon', plain, daemon]);
  equal(started.status, 0, started.stderr);
  match(started.stdout, /^ready: .* \(read-only, from \/dev\/nbd\d+\)/);
  const { 'lost+found': _, ...shown } = hashesOf(daemon);
  deepEqual(shown, hashesOf(tree));
  await rejects(writeFile(join(daemon, 'new'), 'text'), { code: 'EROFS' });
  const [mount] = await statusOf();
  equal(mount?.backend, 'nbd');
  match(String(mount?.device), /^\/dev\/nbd\d+$/);
  equal(mount?.state, 'serving');
  // Nobody but its user may read the disk.
  const socket = filesIn(join(userDirectory, 'hexz')).find((name) => name.endsWith('.nbd')) ?? '';
  equal(statSync(join(userDirectory, 'hexz', socket)).mode & 0o077, 0);

  const again = await runHexz(['mount', '--nbd', plain, daemon]);
  equal(again.status, 6);
  match(again.stderr, /is a mount of hexz already/);

  const holder = holdOpen(join(daemon, 'folder0', 'file0'));
  await until('the holder', () => /sleep/.test(holder.command));
  const busy = await runHexz(['unmount', daemon]);
  equal(busy.status, 6);
  match(busy.stderr, /in use by sleep 1000/);
  deepEqual(await readFile(join(daemon, 'folder1', 'file1')), filePattern(1));
  holder.send('SIGKILL');
  await holder.ended;
  const done = await runHexz(['unmount', daemon]);
  equal(done.status, 0, done.stderr);
});

test('what is written is in the overlay after Ctrl+C, and a mount that is in use goes on until it is not', async () => {
  const overlay = join(newDirectory(), 'changes');
  const writing = await DeviceMount.start(plain, ['--rw', '--overlay', overlay]);
  writeThrough(join(writing.mountpoint, 'synced'), filePattern(90));
  writeFileSync(join(writing.mountpoint, 'large'), filePattern(91, 6 * 1024 ** 2));
  const [listed] = await statusOf();
  ok(Number(listed?.dirtyBytes) >= filePattern(90).length);
  deepEqual(await writing.end('SIGINT').then(({ status }) => status), 0);
  ok(!isMounted(writing.mountpoint));
  deepEqual(attachedDevices(), []);

  const reading = await DeviceMount.start(plain, ['--overlay', overlay]);
  deepEqual(readFileSync(join(reading.mountpoint, 'synced')), filePattern(90));
  deepEqual(readFileSync(join(reading.mountpoint, 'large')), filePattern(91, 6 * 1024 ** 2));
  const holder = holdOpen(join(reading.mountpoint, 'synced'));
  await until('the holder', () => /sleep/.test(holder.command));
  reading.send('SIGTERM');
  await until('a word of the holder', () => reading.stderr.includes('it ends when nobody uses it'));
  match(reading.stderr, /in use by sleep 1000/);
  deepEqual(readFileSync(join(reading.mountpoint, 'folder2', 'file2')), filePattern(2));
  holder.send('SIGKILL');
  equal((await reading.ended).status, 0);
});

test('a second Ctrl+C takes a mount away that is in use, and what could be flushed is flushed', async () => {
  const overlay = join(newDirectory(), 'changes');
  const writing = await DeviceMount.start(plain, ['--rw', '--overlay', overlay]);
  const written = join(writing.mountpoint, 'written');
  writeFileSync(written, filePattern(94));
  const holder = holdOpen(written);
  await until('the holder', () => /sleep/.test(holder.command));
  writing.send('SIGINT');
  await until('a word of the holder', () => writing.stderr.includes('another SIGINT ends it'));
  equal((await writing.end('SIGINT')).status, 0);
  holder.send('SIGKILL');
  await holder.ended;
  await until('the end of the device', () => attachedDevices().length === 0);

  const reading = await DeviceMount.start(plain, ['--overlay', overlay]);
  deepEqual(readFileSync(join(reading.mountpoint, 'written')), filePattern(94));
  equal((await reading.end('SIGTERM')).status, 0);
});

test('two that start at once get a device each, and end by whatever ends them', async () => {
  const mounts = await Promise.all([
    DeviceMount.start(plain),
    DeviceMount.start(parted, ['--partition', '2']),
  ]);
  const [whole, part] = mounts;
  notEqual(whole.ready.device, part.ready.device);
  const { 'lost+found': _, ...shown } = hashesOf(whole.mountpoint);
  deepEqual(shown, hashesOf(tree));
  deepEqual(hashesOf(part.mountpoint), hashesOf(join(tree, 'folder1')));
  // As those do who do not know of hexz.
  equal((await run('umount', [part.mountpoint])).status, 0);
  equal((await part.ended).status, 0);
  equal((await run('nbd-client', ['-d', String(whole.ready.device)])).status, 0);
  const ended = await whole.ended;
  match(ended.stderr, /was detached/);
  ok(!isMounted(whole.mountpoint));
});

test('a partition has to be named where there are several', async () => {
  const mountpoint = newDirectory();
  const unnamed = await runHexz(['mount', '--nbd', parted, mountpoint]);
  equal(unnamed.status, 2);
  match(unnamed.stderr, /several partitions: 1 \(8\.0 MiB, ext4\), 2 \(8\.0 MiB, ext4\)/);
  deepEqual(attachedDevices(), []);
  const absent = await runHexz(['mount', '--nbd', '--partition', '7', parted, mountpoint]);
  equal(absent.status, 2);
  match(absent.stderr, /no partition 7/);
});

test('what a killed engine leaves is listed and taken away, and loses nothing that was synced', async () => {
  const overlay = join(newDirectory(), 'changes');
  const killed = await DeviceMount.start(plain, ['--rw', '--overlay', overlay]);
  writeThrough(join(killed.mountpoint, 'synced'), filePattern(92));
  writeFileSync(join(killed.mountpoint, 'unsynced'), filePattern(93));
  await killed.end('SIGKILL');
  const [dead] = await statusOf();
  equal(dead?.state, 'dead');
  const again = await runHexz(['mount', '--nbd', plain, killed.mountpoint]);
  equal(again.status, 6);
  match(again.stderr, /is a dead mount of hexz.*hexz unmount/);
  // Somebody waits for what is not in the kernel's memory.
  const reader = new Running('cat', [join(killed.mountpoint, 'folder3', 'file39')]);
  const removed = await runHexz(['unmount', killed.mountpoint]);
  equal(removed.status, 0, removed.stderr);
  ok(!isMounted(killed.mountpoint));
  notEqual((await reader.ended).status, 0);
  deepEqual(attachedDevices(), []);

  const recovered = await DeviceMount.start(plain, ['--rw', '--overlay', overlay]);
  deepEqual(readFileSync(join(recovered.mountpoint, 'synced')), filePattern(92));
  equal((await recovered.end('SIGHUP')).status, 0);
});

test('inspect shows a mount over NBD', async () => {
  const { status, stdout, stderr } = await runHexz([
    ...['inspect', '--nbd', '--rw', plain, '--json', '-c', 'state'],
  ]);
  equal(status, 0, stderr);
  match(stdout, /"backend":\s*"nbd"/);
});

test('what cannot be mounted is told, and nothing is left of it', async () => {
  const mountpoint = newDirectory();
  const unknown = await runHexz(['mount', '--nbd', noise, mountpoint]);
  equal(unknown.status, 6);
  match(unknown.stderr, /the disk holds nothing that is known/);
  deepEqual(attachedDevices(), []);

  const usage = await runHexz(['mount', '--nbd', '--uid', '5', plain, mountpoint]);
  equal(usage.status, 2);
  equal((await runHexz(['mount', '--partition', '1', plain, mountpoint])).status, 2);
  equal((await runHexz(['mount', '--nbd', '--backend', 'kernel', plain, mountpoint])).status, 2);
});

test('what the machine lacks is told with what mends it', async () => {
  const mountpoint = newDirectory();
  const withoutClient = await runHexz(['mount', '--nbd', plain, mountpoint], {
    env: { PATH: '/usr/bin:/bin' },
  });
  equal(withoutClient.status, 6);
  match(withoutClient.stderr, /nbd-client is not installed; apt install nbd-client/);

  chownSync(mountpoint, ORDINARY_USER, ORDINARY_USER);
  const home = newDirectory();
  chownSync(home, ORDINARY_USER, ORDINARY_USER);
  chmodSync('/tmp/hexz', 0o755);
  const ordinary = await runHexz(['mount', '--nbd', plain, mountpoint], {
    uid: ORDINARY_USER,
    env: { XDG_RUNTIME_DIR: home },
  });
  equal(ordinary.status, 6);
  match(
    ordinary.stderr,
    /only root can attach devices, and sudo is not installed; run hexz as root/,
  );

  equal((await run('rmmod', ['nbd'])).status, 0);
  const tools = newDirectory();
  writeFileSync(join(tools, 'modprobe'), '#!/bin/sh\necho "module nbd not found" >&2\nexit 1\n');
  chmodSync(join(tools, 'modprobe'), 0o755);
  const { PATH: path = '' } = process.env;
  const withoutModule = await runHexz(['mount', '--nbd', plain, mountpoint], {
    env: { PATH: `${tools}:${path}` },
  });
  equal(withoutModule.status, 6);
  match(
    withoutModule.stderr,
    /the module nbd is not loaded, and cannot be: module nbd not found; modprobe nbd/,
  );
  const doctor = await runHexz(['doctor']);
  match(doctor.stdout, /nbd module.*is not loaded/);

  const loading = await DeviceMount.start(plain);
  ok(existsSync('/sys/module/nbd'));
  equal((await loading.end('SIGTERM')).status, 0);
});
