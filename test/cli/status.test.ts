import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { EngineEntry } from '../../src/engine/process/registry.js';
import { jsonOf, runCli } from '../support/cli.js';
import { entryOf } from '../support/registry.js';
import { canMountFuse, silentMounts } from '../support/silentMount.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();
const newSilentMount = silentMounts();

/** An environment with a registry that holds these entries. */
function registryOf(...entries: readonly EngineEntry[]): Record<string, string> {
  const directory = newDirectory();
  mkdirSync(join(directory, 'hexz'), { mode: 0o700 });
  for (const entry of entries) {
    const name = `${entry.pid}-${entry.startTicks}.json`;
    writeFileSync(join(directory, 'hexz', name), JSON.stringify(entry));
  }
  return { XDG_RUNTIME_DIR: directory };
}

const secondsAgo = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();

describe('status', () => {
  test('of no mounts', async () => {
    const env = { XDG_RUNTIME_DIR: newDirectory() };
    const text = await runCli(['status'], { env });
    expect([text.status, text.stdout.toString()]).toEqual([0, 'Nothing is mounted.\n']);
    expect(jsonOf(await runCli(['status', '--json'], { env }))).toEqual({ mounts: [] });
  });

  test('--json has all that scripts need, and nothing of the registry beside it', async () => {
    const entry = entryOf(process.pid, {
      mode: 'rw',
      overlay: '/overlays/a.overlay',
      dirtyBytes: 4096,
      backend: 'nbd',
      device: { path: '/dev/nbd0', clientPid: 1 },
    });
    const { isTemporaryOverlay: _, startTicks: __, control: ___, ...expected } = entry;
    const result = await runCli(['status', '--json'], { env: registryOf(entry) });
    expect(result.status).toBe(0);
    expect(jsonOf(result)).toEqual({
      mounts: [{ ...expected, device: '/dev/nbd0', state: 'ending' }],
    });
  });

  test('is a table', async () => {
    const env = registryOf(
      entryOf(process.pid, {
        mountpoint: '/mnt/one',
        mode: 'rw',
        dirtyBytes: 3 * 1024 ** 2,
        startedAt: secondsAgo(7300),
      }),
      entryOf(process.ppid, { mountpoint: '/mnt/second', startedAt: secondsAgo(200_000) }),
    );
    const { stdout } = await runCli(['status'], { env });
    const rows = stdout
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(rows).toEqual([
      ['PID', 'MODE', 'STATE', 'DIRTY', 'AGE', 'MOUNTPOINT', 'SNAPSHOT'],
      [String(process.ppid), 'ro', 'ending', '-', '2d', '/mnt/second', '/snapshots/disk.hxz'],
      [String(process.pid), 'rw', 'ending', '3.00 MiB', '2h', '/mnt/one', '/snapshots/disk.hxz'],
    ]);
  });

  test('shows only names of snapshots where their paths would not fit', async () => {
    const snapshot = `/${'directory/'.repeat(8)}disk.hxz`;
    const { stdout } = await runCli(['status'], {
      env: registryOf(entryOf(process.pid, { snapshot })),
    });
    const lines = stdout.toString().trimEnd().split('\n');
    expect(lines[1]).toMatch(/ {2}disk\.hxz$/);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('shows control characters of names, and does not send them', async () => {
    const { stdout } = await runCli(['status'], {
      env: registryOf(entryOf(process.pid, { mountpoint: '/mnt/\u001b[2J\n' })),
    });
    expect(stdout.toString()).toContain('/mnt/\\x1b[2J\\x0a');
    expect(stdout.toString().split('\n')).toHaveLength(3);
  });

  test.skipIf(!canMountFuse)('says how a dead mount is ended, and that works', async () => {
    const server = await newSilentMount(newDirectory());
    const { mountpoint } = server;
    const env = registryOf(entryOf(server.pid, { mountpoint }));
    await server.kill();
    const before = await runCli(['status'], { env });
    expect(before.stdout.toString()).toContain(`hexz unmount ${mountpoint}\n`);
    expect(jsonOf(await runCli(['status', '--json'], { env }))).toMatchObject({
      mounts: [{ mountpoint, state: 'dead' }],
    });
    const unmounted = await runCli(['unmount', mountpoint], { env });
    expect([unmounted.status, unmounted.stdout.toString()]).toEqual([
      0,
      `Unmounted ${mountpoint}\n`,
    ]);
    expect(jsonOf(await runCli(['status', '--json'], { env }))).toEqual({ mounts: [] });
  });
});

describe('unmount', () => {
  test('of what is not mounted answers with 6', async () => {
    const result = await runCli(['unmount', newDirectory(), '--json']);
    expect(result.status).toBe(6);
    expect(jsonOf(result)).toMatchObject({ error: { code: 'NOT_MOUNTED', exitStatus: 6 } });
  });

  test.skipIf(!canMountFuse)('--lazy --json says who still serves it', async () => {
    const server = await newSilentMount(newDirectory(), { endsWithMount: false });
    const { mountpoint, pid } = server;
    const env = registryOf(entryOf(pid, { mountpoint }));
    const result = await runCli(['unmount', '--lazy', '--json', mountpoint], { env });
    expect(result.status).toBe(0);
    expect(jsonOf(result)).toEqual({ mountpoint, engine: 'serving', servingPid: pid });
  });

  test.skipIf(!canMountFuse)('says if the engine could not be found', async () => {
    const server = await newSilentMount(newDirectory());
    await server.kill();
    const env = { XDG_RUNTIME_DIR: newDirectory() };
    const { status, stdout } = await runCli(['unmount', server.mountpoint], { env });
    expect([status, stdout.toString()]).toEqual([
      0,
      `Unmounted ${server.mountpoint}; its engine could not be found; ` +
        'the overlay may still be flushing\n',
    ]);
  });
});
