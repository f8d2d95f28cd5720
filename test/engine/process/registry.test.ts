import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { systemFiles } from '../../../src/engine/overlay/files.js';
import { identifyProcess, isRunning } from '../../../src/engine/process/processes.js';
import {
  type EngineEntry,
  listMounts,
  prepareRegistry,
  register,
  registryPath,
} from '../../../src/engine/process/registry.js';
import { errorOf } from '../../support/errors.js';
import { entryOf, ownRegistry } from '../../support/registry.js';
import { canMountFuse, silentMounts } from '../../support/silentMount.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { makePipe } from '../../support/tools.js';

const newDirectory = temporaryDirectories();
const newSilentMount = silentMounts();
ownRegistry();

const directory = () => join(process.env.XDG_RUNTIME_DIR ?? '', 'hexz');
const STARTED_AT = '2026-01-01T00:00:00Z';
const ownEntry = (changes: Partial<EngineEntry> = {}) =>
  entryOf(process.pid, { startedAt: STARTED_AT, ...changes });
const entryPath = () => join(directory(), `${process.pid}-${ownEntry().startTicks}.json`);
const writeEntry = (name: string, contents: unknown) => {
  mkdirSync(directory(), { recursive: true, mode: 0o700 });
  writeFileSync(join(directory(), name), JSON.stringify(contents));
};

/** The number of a process that has ended. */
const endedPid = () => spawnSync('true').pid;

describe('processes', () => {
  test('are told from later ones of the same number', () => {
    const identity = identifyProcess(process.pid);
    expect(identity).toBeDefined();
    expect(identity && isRunning(identity)).toBe(true);
    expect(identity && isRunning({ ...identity, startTicks: identity.startTicks + 1 })).toBe(false);
  });

  test('that have ended are none', () => {
    expect(identifyProcess(endedPid())).toBeUndefined();
  });
});

describe('the registry', () => {
  test('is empty before the first mount, and nothing is made by looking', () => {
    expect(listMounts()).toEqual([]);
    expect(readdirSync(process.env.XDG_RUNTIME_DIR ?? '')).toEqual([]);
  });

  test('is named without being made, and made without an entry', () => {
    expect(registryPath()).toBe(directory());
    expect(existsSync(directory())).toBe(false);
    expect(prepareRegistry()).toBe(directory());
    expect(statSync(directory()).mode & 0o777).toBe(0o700);
    expect(prepareRegistry()).toBe(directory());
    expect(listMounts()).toEqual([]);
  });

  test('holds an entry until it is removed', () => {
    const entry = ownEntry();
    const registration = register(entry);
    expect(listMounts()).toEqual([{ ...entry, state: 'ending' }]);
    registration.remove();
    expect(listMounts()).toEqual([]);
    expect(readdirSync(directory())).toEqual([]);
    registration.remove();
  });

  test('is for its user only', () => {
    register(ownEntry());
    expect(statSync(directory()).mode & 0o777).toBe(0o700);
    expect(statSync(entryPath()).mode & 0o777).toBe(0o600);
  });

  test('lies in the temporary directory where there is no run-time directory', () => {
    const temporary = newDirectory();
    vi.stubEnv('XDG_RUNTIME_DIR', undefined);
    vi.stubEnv('TMPDIR', temporary);
    try {
      register(ownEntry());
      expect(readdirSync(temporary)).toEqual([`hexz-${process.getuid?.()}`]);
      expect(listMounts()).toHaveLength(1);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test('lists the oldest first', () => {
    register(entryOf(process.pid, { startedAt: '2026-01-02T00:00:00Z', mountpoint: '/b' }));
    register(entryOf(process.ppid, { startedAt: '2026-01-01T00:00:00Z', mountpoint: '/a' }));
    expect(listMounts().map(({ mountpoint }) => mountpoint)).toEqual(['/a', '/b']);
  });

  test('sweeps what an engine left that was killed', () => {
    const entry = { ...ownEntry(), pid: endedPid() };
    register(entry);
    writeEntry(`${entry.pid}-${entry.startTicks}.json.tmp`, entry);
    expect(listMounts()).toEqual([]);
    expect(readdirSync(directory())).toEqual([]);
  });

  test('sweeps the sockets of a killed engine, and takes nobody for an owner of a device that is not attached', () => {
    const entry = {
      ...ownEntry(),
      pid: endedPid(),
      device: { path: '/dev/nbd65000', clientPid: 1 },
    };
    register(entry);
    for (const kind of ['sock', 'nbd'])
      writeEntry(`${entry.pid}-${entry.startTicks}.${kind}`, entry);
    expect(listMounts()).toEqual([]);
    expect(readdirSync(directory())).toEqual([]);
  });

  test.each([{ path: '/dev/sda', clientPid: 1 }, { path: '/dev/nbd0' }, '/dev/nbd0', undefined])(
    'passes over an entry whose device is %j',
    (device) => {
      const entry = ownEntry();
      register(entry).remove();
      writeEntry(`${entry.pid}-${entry.startTicks}.json`, { ...entry, device });
      expect(listMounts()).toEqual([]);
    },
  );

  test('sweeps the entry of a process whose number is in use again', () => {
    register({ ...ownEntry(), startTicks: ownEntry().startTicks - 1 });
    expect(listMounts()).toEqual([]);
  });

  test.skipIf(!canMountFuse)('keeps what was killed while its mount is there', async () => {
    const mountpoint = newDirectory();
    const server = await newSilentMount(mountpoint);
    const registration = register(entryOf(server.pid, { mountpoint }));
    expect(listMounts()).toMatchObject([{ mountpoint, state: 'serving' }]);
    await server.kill();
    expect(listMounts()).toMatchObject([{ mountpoint, state: 'dead' }]);
    expect(listMounts()).toHaveLength(1);
    registration.remove();
  });

  test.skipIf(!canMountFuse)('gives a mount to the engine that was started last', async () => {
    const mountpoint = newDirectory();
    const server = await newSilentMount(mountpoint);
    register(entryOf(process.pid, { mountpoint, startedAt: '2026-01-01T00:00:00Z' }));
    register({
      ...entryOf(process.pid, { mountpoint, startedAt: '2026-01-02T00:00:00Z' }),
      pid: endedPid(),
    });
    register(entryOf(server.pid, { mountpoint, startedAt: '2026-01-03T00:00:00Z' }));
    expect(listMounts().map(({ pid, state }) => [pid, state])).toEqual([
      [process.pid, 'ending'],
      [server.pid, 'serving'],
    ]);
  });
});

describe('the number of dirty bytes', () => {
  const listedBytes = () => listMounts()[0]?.dirtyBytes;

  test('is written when it is news', () => {
    const registration = register(ownEntry());
    registration.update(ownEntry({ dirtyBytes: 1 }));
    expect(listedBytes()).toBe(1);
    const { ino } = statSync(entryPath());
    registration.update(ownEntry({ dirtyBytes: 1 }));
    expect(statSync(entryPath()).ino).toBe(ino);
    registration.update(ownEntry({ dirtyBytes: 2 }));
    expect(listedBytes()).toBe(2);
  });

  test('does not bring an entry back that is removed', () => {
    const registration = register(ownEntry());
    registration.remove();
    registration.update(ownEntry({ dirtyBytes: 1 }));
    expect(listMounts()).toEqual([]);
  });

  test('does no harm where it cannot be written, and is written when it can be again', () => {
    const registration = register(ownEntry());
    rmSync(directory(), { recursive: true });
    registration.update(ownEntry({ dirtyBytes: 1 }));
    prepareRegistry();
    registration.update(ownEntry({ dirtyBytes: 1 }));
    expect(listedBytes()).toBe(1);
  });
});

describe('the temporary overlay of an engine that was killed', () => {
  /** A directory as an engine makes it, and the entry that it left. */
  function leaveOverlay({ name = 'hexz-overlay-x', changes = {} } = {}) {
    const overlayDirectory = join(newDirectory(), name);
    mkdirSync(overlayDirectory);
    const overlay = join(overlayDirectory, 'disk.overlay');
    for (const path of [overlay, `${overlay}.hexz.json`]) writeFileSync(path, '');
    const temporary = { mode: 'rw', overlay, isTemporaryOverlay: true } as const;
    register({ ...entryOf(process.pid, { ...temporary, ...changes }), pid: endedPid() });
    return { overlay, overlayDirectory };
  }

  test('is swept with its entry', () => {
    const { overlayDirectory } = leaveOverlay();
    expect(listMounts()).toEqual([]);
    expect(existsSync(overlayDirectory)).toBe(false);
    expect(readdirSync(directory())).toEqual([]);
  });

  test('is swept when only a part of it is left', () => {
    const { overlay, overlayDirectory } = leaveOverlay();
    rmSync(overlay);
    listMounts();
    expect(existsSync(overlayDirectory)).toBe(false);
  });

  test('stays where somebody has it open', () => {
    const { overlay, overlayDirectory } = leaveOverlay();
    const file = systemFiles.open(overlay, 'read');
    try {
      expect(file.lock('shared')).toBe(true);
      expect(listMounts()).toEqual([]);
      expect(readdirSync(overlayDirectory)).toHaveLength(2);
    } finally {
      file.close();
    }
  });

  test.each([
    ['that is none', { changes: { isTemporaryOverlay: false } }],
    ['that lies elsewhere', { name: 'overlays' }],
  ])('stays: one %s', (_, left) => {
    const { overlayDirectory } = leaveOverlay(left);
    expect(listMounts()).toEqual([]);
    expect(readdirSync(overlayDirectory)).toHaveLength(2);
  });

  test('stays: one behind a link', () => {
    const { overlayDirectory } = leaveOverlay({ name: 'overlays' });
    const link = join(newDirectory(), 'hexz-overlay-link');
    symlinkSync(overlayDirectory, link);
    const overlay = join(link, 'disk.overlay');
    const entry = entryOf(process.pid, { mode: 'rw', overlay, isTemporaryOverlay: true });
    register({ ...entry, pid: endedPid() });
    expect(listMounts()).toEqual([]);
    expect(readdirSync(overlayDirectory)).toHaveLength(2);
  });

  test.skipIf(process.getuid?.() !== 0)('stays: one of another user', () => {
    const { overlayDirectory } = leaveOverlay();
    chownSync(overlayDirectory, 65534, 65534);
    expect(listMounts()).toEqual([]);
    expect(readdirSync(overlayDirectory)).toHaveLength(2);
  });
});

describe('what lies in the directory and is no entry is passed over', () => {
  const ownName = () => `${process.pid}-${ownEntry().startTicks}.json`;

  test.each([
    ['null', () => null],
    ['a list', () => [ownEntry()]],
    ['another process', () => ({ ...ownEntry(), pid: process.ppid })],
    ['another start', () => ({ ...ownEntry(), startTicks: 5 })],
    ['a relative mountpoint', () => ({ ...ownEntry(), mountpoint: 'x' })],
    ['a number as snapshot', () => ({ ...ownEntry(), snapshot: 5 })],
    ['an unknown mode', () => ({ ...ownEntry(), mode: 'rwx' })],
    ['no overlay', () => ({ ...ownEntry(), overlay: undefined })],
    ['a negative number of bytes', () => ({ ...ownEntry(), dirtyBytes: -1 })],
    ['no time', () => ({ ...ownEntry(), startedAt: 'yesterday' })],
    ['too long a name', () => ({ ...ownEntry(), snapshot: 'x'.repeat(70_000) })],
  ])('%s', (_, contents) => {
    writeEntry(ownName(), contents());
    expect(listMounts()).toEqual([]);
    expect(readdirSync(directory())).toEqual([ownName()]);
  });

  test('a torn file', () => {
    register(ownEntry());
    writeFileSync(entryPath(), readFileSync(entryPath()).subarray(0, 50));
    expect(listMounts()).toEqual([]);
  });

  test('links, directories, pipes and other names', () => {
    const registration = register(ownEntry());
    const elsewhere = join(newDirectory(), 'entry.json');
    writeFileSync(elsewhere, readFileSync(entryPath()));
    registration.remove();
    symlinkSync(elsewhere, entryPath());
    mkdirSync(join(directory(), '12-34.json'));
    makePipe(join(directory(), '12-35.json'));
    writeEntry('notes.txt', ownEntry());
    expect(listMounts()).toEqual([]);
    expect(readdirSync(directory())).toHaveLength(4);
  });
});

describe('a directory that somebody else might write into is refused', () => {
  const expectRefused = (message: RegExp) => {
    for (const action of [listMounts, prepareRegistry, () => register(ownEntry())]) {
      const error = errorOf(action);
      expect(error.code).toBe('REGISTRY_UNUSABLE');
      expect(error.message).toMatch(message);
      expect(error.hint).toBeDefined();
    }
  };

  test('a symbolic link', () => {
    symlinkSync(newDirectory(), directory());
    expectRefused(/no directory/);
  });

  test('a file', () => {
    writeFileSync(directory(), '');
    expect(errorOf(listMounts).message).toMatch(/no directory/);
    expect(errorOf(() => register(ownEntry())).code).toBe('REGISTRY_UNUSABLE');
  });

  test('a directory with permissions for others', () => {
    mkdirSync(directory());
    chmodSync(directory(), 0o770);
    expectRefused(/open to other users/);
  });

  test.skipIf(process.getuid?.() !== 0)('a directory of another user', () => {
    mkdirSync(directory(), { mode: 0o700 });
    chownSync(directory(), 65534, 65534);
    expectRefused(/another user/);
  });

  test.skipIf(process.getuid?.() !== 0)(
    'but a run-time directory of another user is not used',
    () => {
      const temporary = newDirectory();
      chownSync(process.env.XDG_RUNTIME_DIR ?? '', 65534, 65534);
      vi.stubEnv('TMPDIR', temporary);
      try {
        register(ownEntry()).remove();
        expect(readdirSync(temporary)).toHaveLength(1);
      } finally {
        vi.unstubAllEnvs();
      }
    },
  );
});
