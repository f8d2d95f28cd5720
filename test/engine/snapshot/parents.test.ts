import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSnapshot } from '../../../src/index.js';
import { errorOf } from '../../support/errors.js';
import { patchStreamLength } from '../../support/patch.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { expectSameBytes, readStream, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const content = someBytes(3000);

function writeBase(path: string, plain = content): void {
  const writer = new SnapshotWriter(path);
  writer.addData(plain);
  writer.finish();
}

function writeThin(path: string, ...parentPaths: string[]): void {
  const writer = new SnapshotWriter(path, { parentPaths });
  writer.addParent(content.length);
  writer.finish();
}

function expectReads(path: string, parentDirectories: string[] = []): void {
  const snapshot = openSnapshot(path, { parentDirectories });
  expectSameBytes(readStream(snapshot, 'disk'), content);
  snapshot.close();
}

/** A directory with an empty directory in it. */
function newDirectoryWith(name: string): { directory: string; sub: string } {
  const directory = newDirectory();
  const sub = join(directory, name);
  mkdirSync(sub);
  return { directory, sub };
}

describe('a parent is found', () => {
  test('at an absolute path', () => {
    const base = join(newDirectory(), 'base.hxz');
    const thin = join(newDirectory(), 'thin.hxz');
    writeBase(base);
    writeThin(thin, base);
    expectReads(thin);
  });

  test('at a path relative to the child, wherever the process runs', () => {
    const { directory, sub } = newDirectoryWith('bases');
    writeBase(join(sub, 'base.hxz'));
    writeThin(join(directory, 'thin.hxz'), 'bases/base.hxz');
    expectReads(join(directory, 'thin.hxz'));
  });

  test('beside the child, after both were moved', () => {
    const old = newDirectory();
    const { directory } = newDirectoryWith('unused');
    writeBase(join(old, 'base.hxz'));
    writeThin(join(old, 'thin.hxz'), join(old, 'base.hxz'));
    for (const name of ['base.hxz', 'thin.hxz']) renameSync(join(old, name), join(directory, name));
    expectReads(join(directory, 'thin.hxz'));
  });

  test('in a given directory, by its path or by its last component', () => {
    const { directory, sub } = newDirectoryWith('deep');
    writeBase(join(sub, 'base.hxz'));
    const [byPath, byName] = [newDirectory(), newDirectory()];
    writeThin(join(byPath, 'thin.hxz'), 'deep/base.hxz');
    writeThin(join(byName, 'thin.hxz'), '/nowhere/at/all/base.hxz');
    expectReads(join(byPath, 'thin.hxz'), [newDirectory(), directory]);
    expectReads(join(byName, 'thin.hxz'), [newDirectory(), sub]);
  });

  test('for every file of the chain', () => {
    const [bases, middles] = [newDirectory(), newDirectory()];
    writeBase(join(bases, 'base.hxz'));
    writeThin(join(middles, 'middle.hxz'), '/gone/base.hxz');
    const thin = join(newDirectory(), 'thin.hxz');
    writeThin(thin, '/gone/middle.hxz');
    expectReads(thin, [bases, middles]);
  });

  test('at the stored path before anywhere else', () => {
    const { directory, sub } = newDirectoryWith('right');
    writeBase(join(sub, 'base.hxz'));
    writeBase(join(directory, 'base.hxz'), someBytes(3000));
    writeThin(join(directory, 'thin.hxz'), 'right/base.hxz');
    expectReads(join(directory, 'thin.hxz'), [directory]);
  });

  test('behind a directory that has its name', () => {
    const { directory } = newDirectoryWith('base.hxz');
    const bases = newDirectory();
    writeBase(join(bases, 'base.hxz'));
    writeThin(join(directory, 'thin.hxz'), 'base.hxz');
    expectReads(join(directory, 'thin.hxz'), [bases]);
  });

  test('through a symbolic link', () => {
    const directory = newDirectory();
    writeBase(join(directory, 'real'));
    symlinkSync('real', join(directory, 'base.hxz'));
    writeThin(join(directory, 'thin.hxz'), 'base.hxz');
    expectReads(join(directory, 'thin.hxz'));
  });
});

describe('a parent with the same name as its child, that is not at its stored path', () => {
  const writeChild = (): string => {
    const thin = join(newDirectory(), 'disk.hxz');
    writeThin(thin, '/gone/disk.hxz');
    return thin;
  };

  test('is looked for in the given directories', () => {
    const bases = newDirectory();
    writeBase(join(bases, 'disk.hxz'));
    expectReads(writeChild(), [bases]);
  });

  test('is missing, rather than its own grandchild', () => {
    const directory = newDirectory();
    const thin = join(directory, 'disk.hxz');
    writeThin(thin, 'middle.hxz');
    writeThin(join(directory, 'middle.hxz'), '/gone/disk.hxz');
    const error = errorOf(() => openSnapshot(thin));
    expect([error.code, error.location.file]).toEqual([
      'PARENT_MISSING',
      join(directory, 'middle.hxz'),
    ]);
  });

  test('is missing, rather than its own descendant', () => {
    expect(errorOf(() => openSnapshot(writeChild())).code).toBe('PARENT_MISSING');
  });
});

describe('a chain that cannot be opened', () => {
  test('names the child and the parent that is missing', () => {
    const thin = join(newDirectory(), 'thin.hxz');
    writeThin(thin, '/gone/base.hxz');
    const error = errorOf(() => openSnapshot(thin));
    expect(error.code).toBe('PARENT_MISSING');
    expect(error.location.file).toBe(thin);
    expect(error.message).toContain('/gone/base.hxz');
    expect(error.hint).toContain('--parent-dir');
  });

  test('names both files of a cycle, also through another name', () => {
    const directory = newDirectory();
    const [first, second] = [join(directory, 'first.hxz'), join(directory, 'second.hxz')];
    symlinkSync('first.hxz', join(directory, 'alias.hxz'));
    writeThin(first, 'second.hxz');
    writeThin(second, 'alias.hxz');
    const error = errorOf(() => openSnapshot(first));
    expect(error.code).toBe('PARENT_CYCLE');
    expect(error.location.file).toBe(second);
    expect(error.message).toContain(join(directory, 'alias.hxz'));
  });

  test('names the parent that is damaged', () => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'base.hxz'), Buffer.alloc(5000, 1));
    writeThin(join(directory, 'thin.hxz'), 'base.hxz');
    const error = errorOf(() => openSnapshot(join(directory, 'thin.hxz')));
    expect([error.code, error.location.file]).toEqual(['BAD_MAGIC', join(directory, 'base.hxz')]);
  });

  const openFiles = '/proc/self/fd';
  test.skipIf(!existsSync(openFiles))('leaves none of its files open', () => {
    const directory = newDirectory();
    writeThin(join(directory, 'c.hxz'), 'b.hxz');
    writeThin(join(directory, 'b.hxz'), 'a.hxz');
    const before = readdirSync(openFiles).length;
    errorOf(() => openSnapshot(join(directory, 'c.hxz')));
    writeThin(join(directory, 'a.hxz'), 'c.hxz');
    errorOf(() => openSnapshot(join(directory, 'c.hxz')));
    writeBase(join(directory, 'a.hxz'));
    openSnapshot(join(directory, 'c.hxz')).close();
    expect(readdirSync(openFiles)).toHaveLength(before);
  });
});

describe('depth', () => {
  function writeChainOf(parents: number): string {
    const directory = newDirectory();
    writeBase(join(directory, '0.hxz'));
    for (let number = 1; number <= parents; number++) {
      writeThin(join(directory, `${number}.hxz`), `${number - 1}.hxz`);
    }
    return join(directory, `${parents}.hxz`);
  }

  test('of 32 generations of parents is read', () => {
    expectReads(writeChainOf(32));
  });

  test('beyond is a LIMIT', () => {
    expect(errorOf(() => openSnapshot(writeChainOf(33))).code).toBe('LIMIT');
  });
});

describe('what a parent does not have reads as zeros', () => {
  test('bytes behind its end', () => {
    const directory = newDirectory();
    writeBase(join(directory, 'base.hxz'), content.subarray(0, 1000));
    writeThin(join(directory, 'thin.hxz'), 'base.hxz');
    const snapshot = openSnapshot(join(directory, 'thin.hxz'));
    const expected = Buffer.concat([content.subarray(0, 1000), Buffer.alloc(2000)]);
    expectSameBytes(readStream(snapshot, 'disk'), expected);
    expect(snapshot.runAt('disk', 1000)).toEqual({ kind: 'zero', length: 2000 });
    snapshot.close();
  });

  test('a whole stream', () => {
    const directory = newDirectory();
    writeBase(join(directory, 'base.hxz'));
    const writer = new SnapshotWriter(join(directory, 'thin.hxz'), { parentPaths: ['base.hxz'] });
    writer.addZero(10);
    writer.beginMemory();
    writer.addParent(500);
    writer.finish();
    const snapshot = openSnapshot(join(directory, 'thin.hxz'));
    expectSameBytes(readStream(snapshot, 'memory'), Buffer.alloc(500));
    snapshot.close();
  });
});

test('bytes that no block of the child covers come from the parent', () => {
  const directory = newDirectory();
  writeBase(join(directory, 'base.hxz'));
  const thin = join(directory, 'thin.hxz');
  const writer = new SnapshotWriter(thin, { parentPaths: ['base.hxz'] });
  writer.addZero(100);
  writer.finish();
  patchStreamLength(thin, 'disk', 4000);
  const snapshot = openSnapshot(thin);
  const expected = Buffer.concat([Buffer.alloc(100), content.subarray(100), Buffer.alloc(1000)]);
  expectSameBytes(readStream(snapshot, 'disk'), expected);
  snapshot.close();
});

test('a parent named by two children of one chain is opened once', () => {
  const directory = newDirectory();
  writeBase(join(directory, 'base.hxz'));
  const thin = (name: string, ...parentPaths: string[]) => {
    const writer = new SnapshotWriter(join(directory, name), { layout: 'B', parentPaths });
    writer.addZero(1);
    writer.finish();
  };
  thin('left.hxz', 'base.hxz');
  thin('right.hxz', 'base.hxz');
  thin('top.hxz', 'left.hxz', 'right.hxz');
  const snapshot = openSnapshot(join(directory, 'top.hxz'));
  expect(snapshot.chain().map(({ path }) => path)).toEqual(
    ['top.hxz', 'left.hxz', 'base.hxz', 'right.hxz'].map((name) => join(directory, name)),
  );
  snapshot.close();
});
