import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { errorOf } from '../../support/errors.js';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import {
  everythingIn,
  listOf,
  overlayOpener,
  readRange,
} from '../../support/overlay/openOverlays.js';
import { type Change, SimulatedFiles } from '../../support/overlay/simulatedFiles.js';
import { contentsOf, OVERLAY_PATH } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const open = overlayOpener();
const newBase = (): MemoryBase => new MemoryBase(markedBytes(20_000, 0));
const newPath = (name = 'disk.overlay'): string => join(newDirectory(), name);

const openSimulated = (files: SimulatedFiles, base: MemoryBase): Overlay =>
  Overlay.open({ path: OVERLAY_PATH, base, access: 'write' }, { files, bootId: 'first' });

// One test at least for each weakness of the Rust hexz that concerns an overlay.
describe('1: a base that cannot be read while a page is seeded', () => {
  test.each([
    ['before what is written', 100, 3996],
    ['behind what is written', 0, 3],
    ['on both sides', 100, 3],
    ['in the last of several pages', 4096, 8000],
    ['in the first of several pages', 100, 8000],
  ])('fails the write and changes nothing: %s', (_name, offset, length) => {
    const files = new SimulatedFiles();
    const base = newBase();
    const overlay = openSimulated(files, base);
    base.damagedFrom = 0;
    const error = errorOf(() => overlay.write(offset, markedBytes(length, 1)));
    expect([error.code, error.errno]).toEqual(['CRC', 'EIO']);
    expect(overlay.dirtyPageCount).toBe(0);
    base.damagedFrom = Number.POSITIVE_INFINITY;
    expectSameBytes(contentsOf(overlay), base.bytes);
  });

  test('does not matter for whole pages', () => {
    const base = newBase();
    const overlay = open(newPath(), base);
    base.damagedFrom = 0;
    overlay.write(4096, markedBytes(8192, 1));
    overlay.write(16_384, markedBytes(3616, 2)); // The rest of the base is the whole of its last page.
    expectSameBytes(readRange(overlay, 4096, 8192), markedBytes(8192, 1));
  });
});

describe('2: a base that cannot be read', () => {
  test('fails the read, and dirty pages are read nevertheless', () => {
    const base = newBase();
    const overlay = open(newPath(), base);
    overlay.write(4096, markedBytes(4096, 1));
    base.damagedFrom = 0;
    for (const [offset, length] of [
      [0, 1],
      [4095, 2],
      [8191, 2],
      [19_999, 1],
      [0, 20_000],
    ] as const) {
      const error = errorOf(() => overlay.readInto(offset, Buffer.alloc(length)));
      expect([error.code, error.errno]).toEqual(['CRC', 'EIO']);
    }
    expectSameBytes(readRange(overlay, 4096, 4096), markedBytes(4096, 1));
  });
});

describe('3: a page that the data file holds in part', () => {
  test.each([1, 100, 511, 4095])('of %i bytes is read as far as it goes', (count) => {
    const path = newPath();
    const data = markedBytes(24_576 + count, 1);
    writeFileSync(path, data);
    writeFileSync(path.replace(/overlay$/, 'meta'), listOf(6));
    const overlay = open(path, newBase(), { access: 'read' });
    expect(overlay.length).toBe(24_576 + count);
    expectSameBytes(readRange(overlay, 24_576, 4096), data.subarray(24_576));
    expectSameBytes(
      readRange(overlay, 20_000, 4577),
      Buffer.concat([Buffer.alloc(4576), data.subarray(24_576, 24_577)]),
    );
  });

  test('is whole when hexz has closed the overlay, so that the Rust hexz can read it', async () => {
    const path = newPath();
    const overlay = open(path, newBase());
    overlay.write(30_000, Buffer.from('abc'));
    expect(overlay.length).toBe(30_003);
    await overlay.close();
    expect(statSync(path).size % 4096).toBe(0);
    expect(open(path, newBase()).length).toBe(30_003);
  });
});

describe('4: order', () => {
  const numberOf = (files: SimulatedFiles, path: string): number => {
    const change = files.journal.find((each) => each.kind === 'create' && each.path === path);
    return change?.kind === 'create' ? change.file : -1;
  };
  const since = (files: SimulatedFiles, from: number): readonly Change[] =>
    files.journal.slice(from);

  test('the bytes of a page are written before its entry', () => {
    const files = new SimulatedFiles();
    const overlay = openSimulated(files, newBase());
    const from = files.journal.length;
    overlay.write(5000, markedBytes(10_000, 1));
    const written = since(files, from).map((change) => (change.kind === 'write' ? change.file : 0));
    const list = numberOf(files, '/disk.meta');
    expect(written.at(-1)).toBe(list);
    expect(written.filter((file) => file === list)).toHaveLength(1);
  });

  test('a sync puts data, then list, then side file on the disk', async () => {
    const files = new SimulatedFiles();
    const overlay = openSimulated(files, newBase());
    overlay.write(5000, markedBytes(10_000, 1));
    const from = files.journal.length;
    await overlay.sync();
    const changes = since(files, from);
    const place = (isIt: (change: Change) => boolean): number => changes.findIndex(isIt);
    const data = numberOf(files, OVERLAY_PATH);
    const list = numberOf(files, '/disk.meta');
    const places = [
      place((change) => change.kind === 'sync' && change.file === data),
      place((change) => change.kind === 'sync' && change.file === list),
      place((change) => change.kind === 'rename' && change.to === `${OVERLAY_PATH}.hexz.json`),
      place((change) => change.kind === 'syncDirectory'),
    ];
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  test('a sync without anything new still reaches the disk', async () => {
    const files = new SimulatedFiles();
    const overlay = openSimulated(files, newBase());
    overlay.write(0, markedBytes(4096, 1));
    await overlay.sync();
    overlay.write(0, markedBytes(4096, 2));
    const from = files.journal.length;
    await overlay.sync();
    const data = numberOf(files, OVERLAY_PATH);
    expect(since(files, from)).toContainEqual(
      expect.objectContaining({ kind: 'sync', file: data }),
    );
  });
});

test('5: a torn entry is cut off before others are appended', async () => {
  const path = newPath();
  const list = path.replace(/overlay$/, 'meta');
  writeFileSync(path, markedBytes(8192, 1));
  writeFileSync(list, Buffer.concat([listOf(1), Buffer.from([7, 7, 7])]));
  const overlay = open(path, newBase());
  overlay.write(0, markedBytes(4096, 2));
  await overlay.close();
  expectSameBytes(readFileSync(list), listOf(1, 0));
});

describe('6: what belongs together', () => {
  test('two writers never have one overlay', () => {
    const path = newPath();
    open(path, newBase());
    expect(errorOf(() => open(path, newBase())).code).toBe('OVERLAY_LOCKED');
  });

  test('an overlay does not lie on another snapshot', async () => {
    const path = newPath();
    await open(path, newBase()).close();
    const other = new MemoryBase(markedBytes(20_000, 5), 'another');
    expect(errorOf(() => open(path, other)).code).toBe('WRONG_BASE');
  });
});

describe('7: the exact size', () => {
  test('stays when the last, partial page of the base is written', async () => {
    const path = newPath();
    const overlay = open(path, newBase());
    overlay.write(19_999, Buffer.from('x'));
    expect(overlay.length).toBe(20_000);
    await overlay.close();
    expect(open(path, newBase()).length).toBe(20_000);
  });

  test.each([0, 1, 4095, 4096, 4097, 19_999, 20_000, 20_001, 20_480, 50_001])(
    '%i is that of a disk that was truncated to it',
    async (length) => {
      const path = newPath();
      const overlay = open(path, newBase());
      overlay.truncate(length);
      expect(overlay.length).toBe(length);
      await overlay.close();
      const again = open(path, newBase());
      expect([again.length, again.warnings]).toEqual([length, []]);
      const expected = Buffer.alloc(length);
      newBase().bytes.copy(expected);
      expectSameBytes(contentsOf(again), expected);
    },
  );

  test('of a disk that was cut and grew again leaves zeros, not the base', async () => {
    const path = newPath();
    const overlay = open(path, newBase());
    overlay.write(10_000, markedBytes(5000, 1));
    overlay.truncate(12_001);
    overlay.truncate(30_000);
    const expected = Buffer.alloc(30_000);
    newBase().bytes.copy(expected, 0, 0, 10_000);
    markedBytes(5000, 1).copy(expected, 10_000, 0, 2001);
    expectSameBytes(contentsOf(overlay), expected);
    overlay.write(18_000, Buffer.from('abc'));
    Buffer.from('abc').copy(expected, 18_000);
    await overlay.close();
    expectSameBytes(contentsOf(open(path, newBase())), expected);
  });
});

test('8: the files are for their owner alone, whatever the umask says', async () => {
  const before = process.umask(0);
  try {
    const path = newPath();
    const overlay = open(path, newBase());
    overlay.write(0, Buffer.from('secret'));
    await overlay.close();
    const directory = dirname(path);
    const modes = readdirSync(directory).map(
      (name) => statSync(join(directory, name)).mode & 0o777,
    );
    expect(modes).toEqual([0o600, 0o600, 0o600]);
  } finally {
    process.umask(before);
  }
});

describe('9: names that meet', () => {
  test('a data file cannot be its own list', () => {
    const path = newPath('disk.meta');
    expect(errorOf(() => open(path, newBase())).code).toBe('OVERLAY_UNUSABLE');
    expect(existsSync(path)).toBe(false);
  });

  test('foo.img does not take over the list of foo.overlay', async () => {
    const path = newPath('foo.overlay');
    const overlay = open(path, newBase());
    overlay.write(0, Buffer.from('abc'));
    await overlay.close();
    const before = everythingIn(dirname(path));
    const error = errorOf(() => open(join(dirname(path), 'foo.img'), newBase()));
    expect(error.exitStatus).toBe(7);
    expect(everythingIn(dirname(path))).toEqual(before);
  });
});

describe('10: a disk that is full', () => {
  test.each([
    ['the data file', 0, 0],
    ['the data file, after a part', 0, 0.5],
    ['the list', 1, 0],
    ['the list, after a part', 1, 0.5],
  ])('while %s is written leaves what was there', async (_name, after, writtenShare) => {
    const files = new SimulatedFiles();
    const base = newBase();
    const overlay = openSimulated(files, base);
    overlay.write(0, markedBytes(100, 1));
    const expected = Buffer.from(contentsOf(overlay));
    const fault = { operations: ['write'], code: 'ENOSPC', isLasting: true } as const;
    files.failNext({ ...fault, after, writtenShare });
    for (let attempt = 0; attempt < 3; attempt++) {
      const error = errorOf(() => overlay.write(8192, markedBytes(30_000, 2)));
      expect([error.code, error.errno]).toEqual(['NO_SPACE', 'ENOSPC']);
      expectSameBytes(contentsOf(overlay), expected);
      expect(overlay.dirtyPageCount).toBe(1);
    }
    files.endFault();
    overlay.write(8192, markedBytes(30_000, 2));
    await overlay.close();
    const again = openSimulated(files, base);
    expect([again.length, again.dirtyPageCount]).toEqual([38_192, 9]);
    expectSameBytes(readRange(again, 8192, 30_000), markedBytes(30_000, 2));
  });
});

describe('11: a list that was deleted', () => {
  test.each([
    ['with', false],
    ['without', true],
  ])('is not taken for an overlay without changes, %s a side file', async (_name, removesSide) => {
    const path = newPath();
    const overlay = open(path, newBase());
    overlay.write(0, Buffer.from('abc'));
    await overlay.close();
    const list = path.replace(/overlay$/, 'meta');
    rmSync(list);
    if (removesSide) rmSync(`${path}.hexz.json`);
    for (const access of ['read', 'write'] as const) {
      const error = errorOf(() => open(path, newBase(), { access }));
      expect([error.code, error.exitStatus]).toEqual(['OVERLAY_DAMAGED', 7]);
      expect(error.location.file).toBe(list);
    }
    expect(existsSync(list)).toBe(false);
  });
});
