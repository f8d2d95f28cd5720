import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { HexzCode } from '../../../src/index.js';
import { errorOf } from '../../support/errors.js';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import {
  everythingIn,
  listOf,
  overlayOpener,
  readRange,
} from '../../support/overlay/openOverlays.js';
import { contentsOf } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { makePipe } from '../../support/tools.js';

const newDirectory = temporaryDirectories();
const open = overlayOpener();
const base = new MemoryBase(markedBytes(10_000, 0));
const newPath = (name = 'disk.overlay'): string => join(newDirectory(), name);

describe('a new overlay', () => {
  test('shows the base', () => {
    const overlay = open(newPath(), base);
    expect([overlay.length, overlay.dirtyPageCount, overlay.warnings]).toEqual([10_000, 0, []]);
    expectSameBytes(contentsOf(overlay), base.bytes);
  });

  test('has three files that only their owner may read', async () => {
    const path = newPath();
    const overlay = open(path, base);
    overlay.write(100, markedBytes(5000, 1));
    await overlay.close();
    const directory = dirname(path);
    expect(readdirSync(directory).sort()).toEqual([
      'disk.meta',
      'disk.overlay',
      'disk.overlay.hexz.json',
    ]);
    for (const name of readdirSync(directory)) {
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    }
  });

  test('is not made in a directory that does not exist', () => {
    const path = join(newDirectory(), 'absent', 'disk.overlay');
    const error = errorOf(() => open(path, base));
    expect(error.code).toBe('OVERLAY_UNUSABLE');
    expect(error.toLine()).toContain('no such file or directory');
  });

  test('may lie over a base of no bytes', async () => {
    const path = newPath();
    const empty = new MemoryBase(Buffer.alloc(0));
    const overlay = open(path, empty);
    expect(overlay.length).toBe(0);
    overlay.write(5, Buffer.from('abc'));
    await overlay.close();
    expectSameBytes(contentsOf(open(path, empty)), Buffer.from('\0\0\0\0\0abc'));
  });
});

describe('with read access', () => {
  async function writtenOverlay(): Promise<string> {
    const path = newPath();
    const overlay = open(path, base);
    overlay.write(4000, markedBytes(300, 1));
    overlay.truncate(9000);
    await overlay.close();
    return path;
  }

  test('the merged disk is seen, and nothing is created or changed', async () => {
    const path = await writtenOverlay();
    const before = everythingIn(dirname(path));
    const overlay = open(path, base, { access: 'read' });
    const expected = Buffer.from(base.bytes.subarray(0, 9000));
    markedBytes(300, 1).copy(expected, 4000);
    expectSameBytes(contentsOf(overlay), expected);
    await overlay.sync();
    await overlay.close();
    expect(everythingIn(dirname(path))).toEqual(before);
  });

  test('write and truncate are refused as READ_ONLY', async () => {
    const path = await writtenOverlay();
    const before = everythingIn(dirname(path));
    const overlay = open(path, base, { access: 'read' });
    for (const change of [
      () => overlay.write(0, Buffer.from('x')),
      () => overlay.truncate(0),
      () => overlay.truncate(9000),
      () => overlay.truncate(20_000),
    ]) {
      const error = errorOf(change);
      expect([error.code, error.errno]).toEqual(['READ_ONLY', 'EROFS']);
    }
    await overlay.close();
    expect(everythingIn(dirname(path))).toEqual(before);
  });

  test('an overlay whose files cannot be written is read all the same', async () => {
    const path = await writtenOverlay();
    for (const name of readdirSync(dirname(path))) chmodSync(join(dirname(path), name), 0o400);
    expect(open(path, base, { access: 'read' }).length).toBe(9000);
  });

  test('an overlay that was not closed is read as it will be opened, and stays as it is', () => {
    const path = newPath();
    writeFileSync(path, markedBytes(4096, 1));
    writeFileSync(path.replace(/overlay$/, 'meta'), Buffer.concat([listOf(0), Buffer.from('abc')]));
    const before = everythingIn(dirname(path));
    const overlay = open(path, base, { access: 'read' });
    expectSameBytes(readRange(overlay, 0, 4096), markedBytes(4096, 1));
    expect(overlay.warnings).toHaveLength(1);
    expect(everythingIn(dirname(path))).toEqual(before);
  });

  test('an overlay that does not exist is not made', () => {
    const path = newPath();
    const error = errorOf(() => open(path, base, { access: 'read' }));
    expect(error.code).toBe('UNREADABLE');
    expect(error.location.file).toBe(path);
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  test('no list is made where it is missing', () => {
    const path = newPath();
    writeFileSync(path, '');
    errorOf(() => open(path, base, { access: 'read' }));
    expect(readdirSync(dirname(path))).toEqual(['disk.overlay']);
  });
});

describe('what is no overlay is refused', () => {
  test.each<[string, (path: string) => void]>([
    ['a directory', (path) => mkdirSync(path)],
    ['a pipe, without waiting for a writer', (path) => makePipe(path)],
    ['a device', (path) => symlinkSync('/dev/null', path)],
  ])('%s', (_name, make) => {
    for (const access of ['read', 'write'] as const) {
      const path = newPath();
      make(path);
      const error = errorOf(() => open(path, base, { access }));
      expect(error.code).toBe('OVERLAY_UNUSABLE');
      expect(error.location.file).toBe(path);
      expect(readdirSync(dirname(path))).toEqual(['disk.overlay']);
    }
  });

  test('a name that ends in .meta', () => {
    const path = newPath('disk.meta');
    expect(errorOf(() => open(path, base)).code).toBe('OVERLAY_UNUSABLE');
    expect(existsSync(path)).toBe(false);
  });

  test.each<[string, HexzCode, (from: string, to: string) => void]>([
    ['a symbolic link', 'OVERLAY_UNUSABLE', (from, to) => symlinkSync(from, to)],
    ['a hard link', 'OVERLAY_DAMAGED', linkSync],
  ])('a list that is the data file by %s', (_name, code, link) => {
    for (const access of ['read', 'write'] as const) {
      const path = newPath();
      writeFileSync(path, markedBytes(4096, 1));
      link(path, path.replace(/overlay$/, 'meta'));
      expect(errorOf(() => open(path, base, { access })).code).toBe(code);
      expectSameBytes(readFileSync(path), markedBytes(4096, 1));
    }
  });
});

describe('a base', () => {
  async function overlayOn(identity: string): Promise<string> {
    const path = newPath();
    const overlay = open(path, new MemoryBase(base.bytes, identity));
    overlay.write(0, Buffer.from('abc'));
    await overlay.close();
    return path;
  }

  test('of another identity is refused, and nothing is changed', async () => {
    const path = await overlayOn('one');
    const before = everythingIn(dirname(path));
    for (const access of ['read', 'write'] as const) {
      const error = errorOf(() => open(path, new MemoryBase(base.bytes, 'another'), { access }));
      expect([error.code, error.exitStatus]).toEqual(['WRONG_BASE', 7]);
      expect(error.message).toContain('/base.hxz');
      expect(error.hint).toContain('--force');
    }
    expect(everythingIn(dirname(path))).toEqual(before);
  });

  test('of another identity is taken with force', async () => {
    const path = await overlayOn('one');
    const other = new MemoryBase(markedBytes(10_000, 7), 'another');
    const overlay = open(path, other, { force: true });
    expectSameBytes(readRange(overlay, 0, 3), Buffer.from('abc'));
    expectSameBytes(readRange(overlay, 5000, 5000), other.bytes.subarray(5000));
  });

  test('of the same identity and another length is read within its bounds', async () => {
    const path = await overlayOn('one');
    const overlay = open(path, new MemoryBase(markedBytes(6000, 0), 'one'), { access: 'read' });
    expect(
      contentsOf(overlay)
        .subarray(6000)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  test('is not asked for its identity where there is none to compare with', async () => {
    const path = newPath();
    writeFileSync(path, '');
    writeFileSync(path.replace(/overlay$/, 'meta'), '');
    const unknown = new MemoryBase(base.bytes);
    unknown.identity = () => {
      throw new Error('not needed');
    };
    expect(open(path, unknown, { access: 'read' }).length).toBe(10_000);
  });
});

describe('an overlay that is temporary', () => {
  test('leaves nothing behind', async () => {
    const path = newPath();
    const overlay = open(path, base);
    overlay.write(100, markedBytes(5000, 1));
    await overlay.sync();
    await overlay.remove();
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  test('may have lost its files already', async () => {
    const directory = join(newDirectory(), 'gone');
    mkdirSync(directory);
    const overlay = open(join(directory, 'disk'), base);
    rmSync(directory, { recursive: true });
    await overlay.remove();
  });
});
