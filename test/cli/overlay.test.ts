import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Overlay } from '../../src/engine/overlay/overlay.js';
import { openOverlay } from '../../src/engine/volume/openOverlay.js';
import { openSnapshot, type Snapshot } from '../../src/index.js';
import { type CliResult, jsonOf, runCli } from '../support/cli.js';
import { goldenFixture, goldenOverlays, goldenPath, sha256 } from '../support/fixtures.js';
import { markedBytes } from '../support/overlay/memoryBase.js';
import { listOf } from '../support/overlay/openOverlays.js';
import { contentsOf } from '../support/overlay/steps.js';
import { packSnapshot } from '../support/snapshots.js';
import { expectSameBytes } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();
const PAGE_BYTES = 4096;
const DISK_BYTES = goldenFixture('a-lz4-64k-disk').disk.size;
const base = goldenPath('a-lz4-64k-disk.hxz');

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function snapshotAt(path: string, passwords: readonly string[] = []): Snapshot {
  const snapshot = openSnapshot(path, { passwords });
  ends.push(() => snapshot.close());
  return snapshot;
}

type Work = (overlay: Overlay, snapshot: Snapshot) => void;

/** A closed overlay of a snapshot. */
async function overlayOf(
  work: Work,
  snapshotPath = base,
  passwords: readonly string[] = [],
): Promise<string> {
  const path = join(newDirectory(), 'disk.overlay');
  const snapshot = snapshotAt(snapshotPath, passwords);
  const overlay = openOverlay(snapshot, { path, access: 'write' });
  work(overlay, snapshot);
  await overlay.close();
  return path;
}

/** What a writer leaves that is killed. */
function abandonedOverlay(work: Work): string {
  const path = join(newDirectory(), 'disk.overlay');
  const copy = newDirectory();
  const snapshot = snapshotAt(base);
  const overlay = openOverlay(snapshot, { path, access: 'write' });
  ends.push(() => overlay.close());
  work(overlay, snapshot);
  cpSync(dirname(path), copy, { recursive: true });
  return join(copy, 'disk.overlay');
}

/** A copy of the two files that the Rust hexz wrote. */
function goldenOverlay(id: string): string {
  const golden = goldenOverlays.find((candidate) => candidate.id === id);
  if (golden === undefined) throw new Error(`no golden overlay ${id}`);
  const directory = newDirectory();
  for (const file of [golden.data, golden.meta]) {
    copyFileSync(goldenPath(file), join(directory, basename(file)));
  }
  return join(directory, basename(golden.data));
}

const listPath = (path: string): string => path.replace(/\.overlay$/, '.meta');
const sidePath = (path: string): string => `${path}.hexz.json`;

/** What the merged disk holds. */
async function contentsAt(path: string, snapshotPath = base): Promise<Buffer> {
  const snapshot = openSnapshot(snapshotPath);
  const overlay = openOverlay(snapshot, { path, access: 'read' });
  try {
    return contentsOf(overlay);
  } finally {
    await overlay.close();
    snapshot.close();
  }
}

const twoPages: Work = (overlay) => overlay.write(PAGE_BYTES - 5, Buffer.from('0123456789'));

const overlayCommand = (...args: string[]): Promise<CliResult> => runCli(['overlay', ...args]);

const textOf = ({ stdout }: CliResult): string => stdout.toString();

/** What must not change: names, contents, times and permissions. */
const stateOf = (directory: string): readonly string[] =>
  readdirSync(directory).map((name) => {
    const path = join(directory, name);
    const { mode, mtimeMs, ctimeMs } = statSync(path);
    return [name, mode.toString(8), mtimeMs, ctimeMs, sha256(readFileSync(path))].join(' ');
  });

/** Runs a command that must not change the overlay, or anything beside it. */
async function withoutChange(path: string, ...args: string[]): Promise<CliResult> {
  const before = stateOf(dirname(path));
  const result = await overlayCommand(...args);
  expect(stateOf(dirname(path))).toEqual(before);
  return result;
}

describe('verify', () => {
  test('a sound overlay is ok, with and without its base', async () => {
    const path = await overlayOf(twoPages);
    const line = `${path}: ok; 2 dirty pages (8.00 KiB), a disk of 300 001 bytes\n`;
    for (const args of [[], ['--base', base]]) {
      const { status, stderr, stdout } = await withoutChange(path, 'verify', path, ...args);
      expect([status, stderr, stdout.toString()]).toEqual([0, '', line]);
    }
  });

  test('prints one JSON document', async () => {
    const path = await overlayOf(twoPages);
    const result = await withoutChange(path, 'verify', path, '--base', base, '--json');
    expect([result.status, result.stderr]).toEqual([0, '']);
    expect(jsonOf(result)).toEqual({
      path,
      ok: true,
      diskLength: DISK_BYTES,
      dirtyPages: 2,
      findings: [],
    });
  });

  test('an overlay of the Rust hexz is ok; its size needs the base', async () => {
    const path = goldenOverlay('ov1');
    const alone = await withoutChange(path, 'verify', path);
    expect([alone.status, textOf(alone)]).toEqual([0, `${path}: ok; 9 dirty pages (36.00 KiB)\n`]);
    expect(jsonOf(await overlayCommand('verify', path, '--json')).diskLength).toBe(null);
    const beside = await withoutChange(path, 'verify', path, '--base', base, '--json');
    expect(beside.status).toBe(0);
    expect(jsonOf(beside)).toMatchObject({ ok: true, diskLength: 315_000, dirtyPages: 9 });
  });

  test('damage is exit 1, and each finding a line', async () => {
    const path = goldenOverlay('ov1');
    appendFileSync(listPath(path), listOf(0, 2 ** 33));
    appendFileSync(listPath(path), 'torn');
    const { status, stdout, stderr } = await withoutChange(path, 'verify', path, '--base', base);
    expect([status, stderr]).toEqual([1, '']);
    expect(stdout.toString().trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^damage: .*4 bytes/),
      expect.stringMatching(/^note: .*1 entr.* again/),
      expect.stringMatching(/^damage: .*1 entr.* beyond every disk/),
      `${path}: DAMAGED; 9 dirty pages (36.00 KiB), a disk of 315 000 bytes`,
    ]);
    const result = await withoutChange(path, 'verify', path, '--base', base, '--json');
    expect(result.status).toBe(1);
    expect(jsonOf(result)).toEqual({
      path,
      ok: false,
      diskLength: 315_000,
      dirtyPages: 9,
      findings: [
        { kind: 'torn-list', isDamage: true, count: 4, message: expect.any(String) as string },
        { kind: 'duplicates', isDamage: false, count: 1, message: expect.any(String) as string },
        { kind: 'out-of-range', isDamage: true, count: 1, message: expect.any(String) as string },
      ],
    });
  });

  test('what is only worth knowing is exit 0', async () => {
    const path = abandonedOverlay((overlay, snapshot) => {
      const page = Buffer.alloc(PAGE_BYTES);
      snapshot.readInto('disk', 0, page);
      overlay.write(0, page);
    });
    const { status, stdout } = await withoutChange(path, 'verify', path, '--base', base);
    expect(status).toBe(0);
    expect(stdout.toString()).toMatch(
      /^note: .*did not close.*\nnote: 1 page.* equal .*\n.*: ok; /,
    );
  });

  test('a wrong base is exit 1, and names the right one', async () => {
    const path = await overlayOf(twoPages);
    const wrong = goldenPath('a-zstd-64k-both.hxz');
    const { status, stdout } = await withoutChange(path, 'verify', path, '--base', wrong);
    expect(status).toBe(1);
    expect(stdout.toString()).toMatch(/^damage: .*another snapshot/);
    expect(stdout.toString()).toContain(base);
  });

  test.each([
    ['the list is missing', (path: string) => rmSync(listPath(path))],
    ['the side file is no JSON', (path: string) => writeFileSync(sidePath(path), '{')],
  ])('%s: exit 1', async (_name, harm) => {
    const path = await overlayOf(twoPages);
    harm(path);
    const { status, stdout } = await withoutChange(path, 'verify', path);
    expect(status).toBe(1);
    expect(stdout.toString()).toMatch(/^damage: .*\n.*: DAMAGED; /);
    const result = await withoutChange(path, 'verify', path, '--json');
    expect(jsonOf(result)).toMatchObject({
      ok: false,
      diskLength: null,
      findings: [{ kind: 'unreadable', isDamage: true }],
    });
  });

  test('an overlay that is not there is exit 3', async () => {
    const path = join(newDirectory(), 'absent.overlay');
    for (const args of [[], ['--base', base]]) {
      const { status, stdout, stderr } = await withoutChange(path, 'verify', path, ...args);
      expect([status, stdout.length]).toEqual([3, 0]);
      expect(stderr).toContain(path);
      // It is not mounted here.
      expect(stderr).not.toContain('--rw');
    }
    const json = await overlayCommand('verify', path, '--json');
    expect(jsonOf(json)).toMatchObject({
      error: { code: 'UNREADABLE', exitStatus: 3, file: path },
    });
  });

  test('a base without a disk is exit 3', async () => {
    const path = goldenOverlay('ov1');
    const memory = goldenPath('a-lz4-memory-only.hxz');
    const { status, stderr } = await withoutChange(path, 'verify', path, '--base', memory);
    expect([status, stderr]).toEqual([3, expect.stringContaining(memory)]);
  });

  test.each([
    ['a directory', (path: string) => mkdirSync(path), 'disk.overlay'],
    ['a name that is that of a list', (path: string) => writeFileSync(path, ''), 'disk.meta'],
  ])('%s is exit 8', async (_name, make, name) => {
    const path = join(newDirectory(), name);
    make(path);
    const { status, stderr } = await overlayCommand('verify', path);
    expect([status, stderr]).toEqual([8, expect.stringContaining(path)]);
  });
});

describe('repair', () => {
  test('says what it did; then nothing is left to do', async () => {
    const path = goldenOverlay('ov1');
    appendFileSync(listPath(path), listOf(0, 2 ** 33));
    appendFileSync(listPath(path), 'torn');
    const expected = Buffer.from(await contentsAt(path));
    const first = await overlayCommand('repair', path, '--base', base);
    expect([first.status, first.stderr]).toEqual([0, '']);
    const state = `${path}: 9 dirty pages (36.00 KiB), a disk of 315 000 bytes`;
    const lines = textOf(first).trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toContain('4 bytes');
    expect(lines[1]).toMatch(/1 entr.* again/);
    expect(lines[2]).toMatch(/1 entr.* beyond every disk/);
    expect(lines[3]).toBe(state);
    expect(lines.every((line) => line.startsWith(`${path}: `))).toBe(true);

    expectSameBytes(await contentsAt(path), expected);
    const clean = await overlayCommand('verify', path, '--base', base);
    expect([clean.status, textOf(clean)]).toEqual([0, expect.stringMatching(/^[^\n]*: ok; /)]);
    // The base is recorded from now on.
    const second = await overlayCommand('repair', path);
    expect(textOf(second)).toBe(`${path}: nothing had to be done\n${state}\n`);
    expectSameBytes(await contentsAt(path), expected);
  });

  test('closes what a killed writer left, on the recorded base', async () => {
    const path = abandonedOverlay((overlay) => {
      overlay.write(DISK_BYTES + 10, Buffer.from('grown'));
      overlay.write(5, Buffer.from('in page 0'));
    });
    const expected = Buffer.from(await contentsAt(path));
    const result = await overlayCommand('repair', path, '--json');
    expect(result.status).toBe(0);
    expect(jsonOf(result)).toEqual({
      path,
      base,
      diskLength: DISK_BYTES + 15,
      dirtyPages: 2,
      actions: [expect.stringContaining('closed')],
    });
    expectSameBytes(await contentsAt(path), expected);
    expect(jsonOf(await overlayCommand('verify', path, '--json')).findings).toEqual([]);
    expect(jsonOf(await overlayCommand('repair', path, '--json')).actions).toEqual([]);
  });

  test('puts a side file aside that cannot be read, when it is told the base', async () => {
    const path = await overlayOf(twoPages);
    writeFileSync(sidePath(path), '{');
    const refused = await withoutChange(path, 'repair', path);
    expect(refused.status).toBe(2);
    const { status, stdout } = await overlayCommand('repair', path, '--base', base);
    expect(status).toBe(0);
    const setAside = readdirSync(dirname(path)).find((name) => name.includes('damaged')) ?? '-';
    expect(stdout.toString()).toContain(setAside);
    expect((await overlayCommand('verify', path, '--base', base)).status).toBe(0);
  });

  test('of a wrong base is exit 7, and taken with --force', async () => {
    const path = await overlayOf(twoPages);
    const wrong = goldenPath('a-zstd-64k-both.hxz');
    const refused = await withoutChange(path, 'repair', path, '--base', wrong);
    expect([refused.status, refused.stdout.length]).toEqual([7, 0]);
    expect(refused.stderr).toContain('--force');
    const { status, stdout } = await overlayCommand('repair', path, '--base', wrong, '--force');
    expect(status).toBe(0);
    // From now on it lies on another snapshot.
    expect(stdout.toString()).not.toContain('nothing had to be done');
    expect((await overlayCommand('verify', path, '--base', wrong)).status).toBe(0);
  });
});

describe('compact', () => {
  /** 64 pages that the base has as well, around one that differs. */
  const restored: Work = (overlay, snapshot) => {
    const bytes = Buffer.alloc(64 * PAGE_BYTES);
    snapshot.readInto('disk', 0, bytes);
    overlay.write(0, bytes);
    overlay.write(20 * PAGE_BYTES + 100, markedBytes(10, 3));
  };

  test('drops pages equal to the base, and frees their room', async () => {
    const path = await overlayOf(restored);
    const expected = Buffer.from(await contentsAt(path));
    const { size, blocks } = statSync(path);
    const { status, stdout, stderr } = await overlayCommand('compact', path);
    expect([status, stderr]).toEqual([0, '']);
    const state = `${path}: 1 dirty page (4.00 KiB), a disk of 300 001 bytes\n`;
    const lines = stdout.toString().split('\n');
    expect(lines[0]).toMatch(/63 pages .*equal to the base/);
    expect(lines[1]?.replace('1 dirty pages', '1 dirty page')).toBe(state.trimEnd());
    const after = statSync(path);
    expect(after.size).toBe(size);
    expect(blocks - after.blocks).toBeGreaterThanOrEqual(62 * 8);
    expect(readFileSync(listPath(path))).toEqual(listOf(20));
    expectSameBytes(await contentsAt(path), expected);
    const again = await overlayCommand('compact', path);
    expect(textOf(again)).toMatch(/^[^\n]*: nothing had to be done\n/);
  });

  test('prints one JSON document', async () => {
    const path = await overlayOf(restored);
    const result = await overlayCommand('compact', path, '--base', base, '--json');
    expect(jsonOf(result)).toEqual({
      path,
      base,
      diskLength: DISK_BYTES,
      dirtyPages: 1,
      actions: [expect.stringContaining('63 pages')],
    });
  });

  test('keeps what the golden overlays show', async () => {
    for (const { id, base: baseFile } of goldenOverlays) {
      const path = goldenOverlay(id);
      const expected = Buffer.from(await contentsAt(path, goldenPath(baseFile)));
      const { status } = await overlayCommand('compact', path, '--base', goldenPath(baseFile));
      expect(status).toBe(0);
      expectSameBytes(await contentsAt(path, goldenPath(baseFile)), expected);
    }
  });

  test('reads an encrypted base with its password only', async () => {
    const snapshot = join(newDirectory(), 'base.hxz');
    packSnapshot(snapshot, { disk: markedBytes(100_000, 5) }, { password: 'secret' });
    const passwordFile = join(newDirectory(), 'password');
    writeFileSync(passwordFile, 'secret\n');
    const work: Work = (overlay) => overlay.write(5, markedBytes(9000, 6));
    const path = await overlayOf(work, snapshot, ['secret']);
    for (const name of ['verify', 'repair', 'compact']) {
      const args = [name, path, '--base', snapshot];
      expect((await withoutChange(path, ...args)).status).toBe(5);
      const { status, stderr } = await overlayCommand(...args, '--password-file', passwordFile);
      expect([status, stderr]).toEqual([0, '']);
    }
  });

  test('finds the parents of a thin base with --parent-dir', async () => {
    const directory = newDirectory();
    const thin = join(directory, 'a-thin-l1.hxz');
    copyFileSync(goldenPath('a-thin-l1.hxz'), thin);
    const path = goldenOverlay('ov2');
    for (const name of ['verify', 'repair', 'compact']) {
      const args = [name, path, '--base', thin];
      const missing = await withoutChange(path, ...args);
      expect(missing.status).toBe(3);
      const { status, stderr } = await overlayCommand(...args, '--parent-dir', goldenPath('.'));
      expect([status, stderr]).toEqual([0, '']);
    }
  });
});

describe.each(['repair', 'compact'])('%s refuses', (name) => {
  test('an overlay that does not record its base: exit 2', async () => {
    const path = goldenOverlay('ov1');
    const { status, stdout, stderr } = await withoutChange(path, name, path);
    expect([status, stdout.length]).toEqual([2, 0]);
    expect(stderr).toContain('--base');
    const result = await withoutChange(path, name, path, '--json');
    expect(jsonOf(result)).toMatchObject({ error: { code: 'USAGE', exitStatus: 2 } });
  });

  test('an overlay whose recorded base is gone: exit 3, naming it', async () => {
    const snapshot = join(newDirectory(), 'base.hxz');
    copyFileSync(base, snapshot);
    const path = await overlayOf(twoPages, snapshot);
    rmSync(snapshot);
    const { status, stderr } = await withoutChange(path, name, path);
    expect(status).toBe(3);
    expect(stderr).toContain(snapshot);
  });

  test('an overlay that is not there: exit 3, and makes none', async () => {
    const path = join(newDirectory(), 'absent.overlay');
    const { status, stderr } = await withoutChange(path, name, path, '--base', base);
    expect(status).toBe(3);
    expect(stderr).toContain(path);
  });

  test('an overlay that is not there, without a base: exit 3', async () => {
    const path = join(newDirectory(), 'absent.overlay');
    const { status } = await withoutChange(path, name, path);
    expect(status).toBe(3);
  });

  test('a list that is missing: exit 7', async () => {
    const path = await overlayOf(twoPages);
    rmSync(listPath(path));
    const { status, stderr } = await withoutChange(path, name, path);
    expect(status).toBe(7);
    expect(stderr).toContain(listPath(path));
  });

  test('a snapshot without a disk as the base: exit 3', async () => {
    const path = goldenOverlay('ov1');
    const memory = goldenPath('a-lz4-memory-only.hxz');
    const { status, stderr } = await withoutChange(path, name, path, '--base', memory);
    expect(status).toBe(3);
    expect(stderr).toContain(memory);
  });

  test('the snapshot itself as the overlay, even beside a list of its name', async () => {
    const directory = join(newDirectory(), 'evidence');
    mkdirSync(directory);
    const snapshot = join(directory, 'vm.hxz');
    copyFileSync(base, snapshot);
    // The list of vm.overlay.
    writeFileSync(join(directory, 'vm.meta'), listOf(0, 1));
    const { status } = await withoutChange(snapshot, name, snapshot, '--base', snapshot);
    expect(status).toBe(8);
  });
});

describe.each(['verify', 'repair', 'compact'])('%s while somebody writes', (name) => {
  test('is exit 7, and says who', async () => {
    const path = await overlayOf(twoPages);
    const snapshot = snapshotAt(base);
    const overlay = openOverlay(snapshot, { path, access: 'write', mountpoint: '/mnt/disk' });
    ends.push(() => overlay.close());
    const { status, stderr, stdout } = await withoutChange(path, name, path, '--base', base);
    expect([status, stdout.length]).toEqual([7, 0]);
    expect(stderr).toContain(`process ${process.pid}`);
    expect(stderr).toContain('/mnt/disk');
  });
});

test('a line feed in a path does not look like another line', async () => {
  const path = join(newDirectory(), 'disk\nForged: ok');
  const overlay = openOverlay(snapshotAt(base), { path, access: 'write' });
  await overlay.close();
  for (const name of ['verify', 'repair', 'compact']) {
    const { status, stdout } = await overlayCommand(name, path);
    expect(status).toBe(0);
    expect(stdout.toString()).not.toMatch(/^Forged/m);
  }
});

test.each([[['verify']], [['mend', 'x']], [['verify', 'x', '--force']]])(
  'wrong usage is exit 2: %j',
  async (args) => {
    const { status, stderr } = await overlayCommand(...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^hexz: /);
  },
);
