import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { jsonOf } from '../support/cli.js';
import { mounts } from '../support/mounts.js';
import { COMMAND, NbdClient } from '../support/nbd/client.js';
import { expectBytes } from '../support/nbd/expectBytes.js';
import { placeOf, startServing } from '../support/nbd/serving.js';
import { requires } from '../support/requires.js';
import { packSnapshot } from '../support/snapshots.js';
import { someBytes } from '../support/streams.js';
import { until } from '../support/until.js';

const hexz = mounts();
const disk = someBytes(300_000);
const memory = someBytes(100_000);

const snapshot = (): string => packSnapshot(hexz.sandbox.path('machine.hxz'), { disk, memory });

describe('hexz serve --nbd', () => {
  test('serves the disk read-only, is listed, and ends cleanly by any signal', async () => {
    const path = snapshot();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const serving = await startServing(hexz, path);
      const client = await NbdClient.open(placeOf(serving.url));
      expectBytes((await client.read(0, disk.length)).data, disk);
      expect((await client.write(0, Buffer.from('x'))).error).toBe(1);
      await expect(NbdClient.open(placeOf(serving.url), { name: 'memory' })).rejects.toThrow(
        'no export of that name',
      );
      expect(await hexz.status()).toMatchObject([
        { mountpoint: null, nbd: [serving.url], mode: 'ro', state: 'serving' },
      ]);
      const { stdout } = await hexz.run(['status']);
      expect(stdout.toString()).toContain(serving.url);
      expect(await serving.end(signal)).toBe(0);
      await client.end();
      expect(serving.stderr()).toBe('');
      hexz.expectNothingLeft();
    }
  });

  test('keeps what was written in the overlay, and the memory apart', async () => {
    const path = snapshot();
    const before = readFileSync(path);
    const overlay = hexz.sandbox.path('changes');
    const socket = hexz.sandbox.path('nbd.sock');
    const args = ['--rw', '--overlay', overlay, '--socket', socket, '--memory'];
    const serving = await startServing(hexz, path, [...args, '--export-name', 'root']);
    const place = placeOf(serving.url);
    const client = await NbdClient.open(place, { name: 'root' });
    await client.write(5000, Buffer.from('changed'));
    expect((await client.do(COMMAND.flush)).error).toBe(0);
    const memories = await NbdClient.open(place, { name: 'memory' });
    expectBytes((await memories.read(0, memory.length)).data, memory);
    await expect(NbdClient.open(place, { name: 'disk' })).rejects.toThrow('no export');
    await client.write(9000, Buffer.from('last'));
    expect(await serving.end('SIGTERM')).toBe(0);
    expect(existsSync(socket)).toBe(false);

    const again = await startServing(hexz, path, ['--overlay', overlay]);
    const reader = await NbdClient.open(placeOf(again.url), {
      contexts: ['qemu:dirty-bitmap:overlay'],
    });
    expect((await reader.read(5000, 7)).data.toString()).toBe('changed');
    expect((await reader.read(9000, 4)).data.toString()).toBe('last');
    expect(await reader.status(0, 12_288)).toEqual([
      [4096, 0],
      [8192, 1],
    ]);
    expect(await again.end('SIGTERM')).toBe(0);
    expectBytes(readFileSync(path), before);
  });

  test('goes on in the background, where inspect sees what clients do', async () => {
    const result = await hexz.run([
      'serve',
      snapshot(),
      '--nbd',
      '--port',
      '0',
      '-d',
      '--rw',
      '--json',
    ]);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    const { pid, nbd, overlay } = jsonOf(result) as { pid: number; nbd: string[]; overlay: string };
    const url = nbd[0] ?? '';
    const client = await NbdClient.open(placeOf(url));
    await client.write(0, Buffer.from('hello'));
    await client.read(0, 8192);
    const inspected = await hexz.run(['inspect', '--attach', url, '-c', 'stats']);
    expect(inspected).toMatchObject({ status: 0 });
    expect(inspected.stdout.toString()).toContain('disk written:   5 B in 1 request');
    expect(existsSync(overlay)).toBe(true);
    const dropped = await hexz.run(['inspect', '--attach', String(pid), '-c', 'drop --live 0']);
    expect(dropped).toMatchObject({ status: 7 });
    expect(dropped.stderr).toContain('NBD clients');
    process.kill(pid, 'SIGTERM');
    await until('its end', () => hexz.sandbox.processes().length === 0);
    hexz.expectNothingLeft();
  });

  test.each([
    [['--port', '99999'], 2],
    [['--bind', '0.0.0.0'], 2],
    [['--tls-key', '/nowhere'], 2],
    [['--tls-psk', '/nowhere', '--port', '0'], 3],
    [['--export-name', 'memory', '--memory', '--port', '0'], 2],
    [['--attach', '/nowhere'], 2],
  ])('refuses %j', async (args, status) => {
    const result = await hexz.run(['serve', snapshot(), '--nbd', ...args]);
    expect(result).toMatchObject({ status });
    hexz.expectNothingLeft();
  });

  test('without --nbd, or a snapshot, says what is missing', async () => {
    expect(await hexz.run(['serve', snapshot()])).toMatchObject({ status: 2 });
    expect(await hexz.run(['serve', '--nbd'])).toMatchObject({ status: 2 });
  });

  test('without memory, or a disk, there is nothing to serve', async () => {
    const path = packSnapshot(hexz.sandbox.path('memory.hxz'), { memory });
    expect(await hexz.run(['serve', path, '--nbd', '--port', '0'])).toMatchObject({ status: 3 });
    const serving = await startServing(hexz, path, ['--memory']);
    await expect(NbdClient.open(placeOf(serving.url))).rejects.toThrow('no export');
    await NbdClient.open(placeOf(serving.url), { name: 'memory' });
    await serving.end('SIGTERM');
  });

  test('does not take the socket of somebody else', async () => {
    const path = snapshot();
    const socket = hexz.sandbox.path('nbd.sock');
    const first = await startServing(hexz, path, ['--socket', socket]);
    expect(await hexz.run(['serve', path, '--nbd', '--socket', socket])).toMatchObject({
      status: 6,
    });
    await NbdClient.open({ path: socket });
    await first.end('SIGTERM');
  });
});

describe.runIf(requires('FUSE'))('hexz serve --attach', () => {
  test('serves the disk of a mount: what one writes, the other reads', async () => {
    const mount = await hexz.mount(snapshot(), ['--rw']);
    const socket = hexz.sandbox.path('nbd.sock');
    const result = await hexz.run(
      ['serve', '--attach', mount.mountpoint, '--nbd', '--socket', 'nbd.sock', '--json'],
      { cwd: hexz.sandbox.directory },
    );
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(jsonOf(result)).toEqual({ pid: mount.pid, nbd: [`nbd+unix:///?socket=${socket}`] });
    const client = await NbdClient.open({ path: socket });
    writeFileSync(mount.disk, 'from the mount', { flag: 'r+', flush: true });
    expect((await client.read(0, 14)).data.toString()).toBe('from the mount');
    for (const text of ['from the client', 'from him, again']) {
      await client.write(100_000, Buffer.from(text));
      expect(readFileSync(mount.disk).toString('latin1', 100_000, 100_015)).toBe(text);
    }
    expect(await hexz.status()).toMatchObject([
      { mountpoint: mount.mountpoint, nbd: [`nbd+unix:///?socket=${socket}`] },
    ]);
    const inside = `${mount.mountpoint}/nbd.sock`;
    expect(
      await hexz.run(['serve', '--attach', mount.mountpoint, '--nbd', '--socket', inside]),
    ).toMatchObject({ status: 2 });
    await hexz.unmount(mount);
    await mount.ended;
    await client.end();
    expect(existsSync(socket)).toBe(false);
    hexz.expectNothingLeft();
  });

  test('does not lose what clients write beneath a mount with --writeback: it is refused', async () => {
    const options = ['--rw', '--writeback', '--backend', 'kernel'];
    const mount = await hexz.mount(snapshot(), options);
    const result = await hexz.run(['serve', '--attach', mount.mountpoint, '--nbd', '--port', '0']);
    expect(result.status).toBe(7);
    expect(result.stderr).toContain('mounted with --writeback');
    await hexz.unmount(mount);
  });
});
