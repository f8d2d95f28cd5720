import {
  appendFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { OverlayFinding } from '../../../src/engine/overlay/findings.js';
import {
  compactOverlay,
  recordedBasePath,
  repairOverlay,
  verifyOverlay,
} from '../../../src/engine/overlay/maintenance.js';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { PAGE_BYTES } from '../../../src/engine/overlay/pages.js';
import { HexzError } from '../../../src/index.js';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import { everythingIn, listOf, overlayOpener } from '../../support/overlay/openOverlays.js';
import { contentsOf } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const open = overlayOpener();
const BASE_PAGES = 10;
const base = new MemoryBase(markedBytes(BASE_PAGES * PAGE_BYTES + 100, 0));
const newPath = (): string => join(newDirectory(), 'disk.overlay');
const listPath = (path: string): string => join(dirname(path), 'disk.meta');
const sidePath = (path: string): string => `${path}.hexz.json`;
const page = (index: number): number => index * PAGE_BYTES;
const noise = (pages: number, seed = 1): Buffer => markedBytes(page(pages), seed);

type Work = (overlay: Overlay) => unknown;

/** An overlay that was written and closed. */
async function closed(work: Work): Promise<string> {
  const path = newPath();
  const overlay = open(path, base);
  await work(overlay);
  await overlay.close();
  return path;
}

/** What a writer leaves that is killed; in another boot, what a power cut leaves that lost nothing. */
async function abandoned(work: Work, bootId?: string): Promise<string> {
  const path = newPath();
  const environment = bootId === undefined ? {} : { bootId };
  const overlay = Overlay.open({ path, base, access: 'write' }, environment);
  const copy = newDirectory();
  try {
    await work(overlay);
    cpSync(dirname(path), copy, { recursive: true });
  } finally {
    await overlay.close();
  }
  return join(copy, 'disk.overlay');
}

/** An overlay of the Rust hexz: data file and list, nothing beside them. */
function foreign(data: Buffer, list: Buffer): string {
  const path = newPath();
  writeFileSync(path, data);
  writeFileSync(listPath(path), list);
  return path;
}

async function contentsAt(path: string): Promise<Buffer> {
  const overlay = Overlay.open({ path, base, access: 'read' });
  try {
    return contentsOf(overlay);
  } finally {
    await overlay.close();
  }
}

async function rejection(promise: Promise<unknown>): Promise<HexzError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof HexzError) return error;
    throw error;
  }
  throw new Error('expected a HexzError, but nothing was thrown');
}

const briefly = (findings: readonly OverlayFinding[]): readonly unknown[] =>
  findings.map(({ kind, isDamage, count }) => [kind, isDamage, count]);

const appended =
  (bytes: Buffer) =>
  (path: string): string => {
    appendFileSync(listPath(path), bytes);
    return path;
  };

const threeWrites: Work = (overlay) => {
  overlay.write(10, Buffer.from('abc'));
  overlay.write(page(3) - 5, noise(2));
  overlay.write(base.length + 1000, Buffer.from('behind the end'));
};

interface Case {
  readonly name: string;
  readonly make: () => string | Promise<string>;
  readonly findings: readonly unknown[];
  readonly actions: readonly (string | RegExp)[];
}

const cases: readonly Case[] = [
  { name: 'nothing wrong', make: () => closed(threeWrites), findings: [], actions: [] },
  { name: 'no changes at all', make: () => closed(() => {}), findings: [], actions: [] },
  {
    name: 'a writer that was killed',
    make: () => abandoned(threeWrites),
    findings: [['not-closed', false, 1]],
    actions: [/closed/],
  },
  {
    name: 'a writer that was killed while it appended to the list',
    make: async () => appended(Buffer.from([7, 0, 0]))(await abandoned(threeWrites)),
    findings: [
      ['torn-list', true, 3],
      ['not-closed', false, 1],
    ],
    actions: [/cut 3 bytes/, /closed/],
  },
  {
    name: 'a writer that was killed after a cut and growth',
    make: () =>
      abandoned((overlay) => {
        overlay.write(page(2), noise(3));
        overlay.truncate(page(3) + 77);
        overlay.truncate(page(8) + 1);
        overlay.write(page(4), noise(1));
      }),
    findings: [['not-closed', false, 1]],
    actions: [/closed/],
  },
  {
    name: 'pages that no fsync confirmed',
    make: () =>
      abandoned(async (overlay) => {
        overlay.write(0, noise(2));
        await overlay.sync();
        overlay.write(page(5), noise(3));
        overlay.write(page(12), noise(1));
      }, 'another boot'),
    findings: [['unconfirmed', true, 4]],
    actions: [/dropped 4 pages that no fsync/],
  },
  {
    name: 'pages that no fsync confirmed, and a torn list',
    make: async () =>
      appended(Buffer.alloc(5))(
        await abandoned(async (overlay) => {
          overlay.write(0, noise(2));
          await overlay.sync();
          overlay.write(page(5), noise(1));
        }, 'another boot'),
      ),
    findings: [
      ['torn-list', true, 5],
      ['unconfirmed', true, 1],
    ],
    actions: [/cut 5 bytes/, /dropped 1 page that no fsync/],
  },
  {
    name: 'a torn list of the Rust hexz',
    make: () => foreign(noise(2), Buffer.concat([listOf(0, 1), Buffer.alloc(7, 1)])),
    findings: [['torn-list', true, 7]],
    actions: [/cut 7 bytes/],
  },
  {
    name: 'a list of nothing but a torn entry',
    make: () => foreign(Buffer.alloc(0), Buffer.alloc(1, 1)),
    findings: [['torn-list', true, 1]],
    actions: [/cut 1 byte /],
  },
  {
    name: 'duplicates',
    make: () => foreign(noise(3), listOf(2, 0, 2, 2, 0)),
    findings: [['duplicates', false, 3]],
    actions: [/removed 3 entries .*again/],
  },
  {
    name: 'entries out of range',
    make: () => foreign(noise(3), listOf(2, 2 ** 32, 2n ** 64n - 1n, 2n ** 53n)),
    findings: [['out-of-range', true, 3]],
    actions: [/removed 3 entries .*beyond/],
  },
  {
    name: 'pages behind the end',
    make: () =>
      closed((overlay) => {
        overlay.write(page(1), noise(1));
        overlay.write(page(7), noise(2));
        overlay.write(page(20), noise(1));
        overlay.truncate(page(5) + 123);
      }),
    findings: [['behind-end', false, 3]],
    actions: [/removed 3 pages behind the end/],
  },
  {
    name: 'everything in one list',
    make: () =>
      foreign(
        noise(3),
        Buffer.concat([listOf(1, 1, BASE_PAGES + 1, 2 ** 40, 2, 5), Buffer.alloc(4, 9)]),
      ),
    findings: [
      ['torn-list', true, 4],
      ['duplicates', false, 1],
      ['out-of-range', true, 1],
      ['behind-end', false, 1],
    ],
    actions: [
      /cut 4 bytes/,
      /removed 1 entry .*again/,
      /removed 1 entry .*beyond/,
      /removed 1 page behind/,
    ],
  },
];

describe.each(cases)('$name', ({ make, findings, actions }) => {
  test('is found, and nothing changes', async () => {
    const path = await make();
    const before = everythingIn(dirname(path));
    const expected = await contentsAt(path);
    const report = await verifyOverlay(path, base);
    expect(briefly(report.findings)).toEqual(findings);
    expect(report.diskLength).toBe(expected.length);
    await verifyOverlay(path);
    expect(everythingIn(dirname(path))).toEqual(before);
  });

  test('is mended, and the disk stays the same', async () => {
    const path = await make();
    const expected = Buffer.from(await contentsAt(path));
    const { dirtyPages } = await verifyOverlay(path, base);
    const change = await repairOverlay(path, base);
    expect(change).toEqual({
      diskLength: expected.length,
      dirtyPages,
      actions: actions.map((action) => expect.stringMatching(action) as string),
    });
    expectSameBytes(await contentsAt(path), expected);
    expect(await verifyOverlay(path, base)).toEqual({
      diskLength: expected.length,
      dirtyPages,
      findings: [],
    });
    expect(statSync(listPath(path)).size).toBe(dirtyPages * 8);
    expect((await repairOverlay(path, base)).actions).toEqual([]);
    expectSameBytes(await contentsAt(path), expected);
  });

  test('is compacted, and the disk stays the same', async () => {
    const path = await make();
    const expected = Buffer.from(await contentsAt(path));
    await compactOverlay(path, base);
    expectSameBytes(await contentsAt(path), expected);
    const again = await compactOverlay(path, base);
    expect([again.diskLength, again.actions]).toEqual([expected.length, []]);
  });
});

describe('a torn list of a closed overlay', () => {
  test('is damage, and written by somebody else', async () => {
    const path = appended(Buffer.alloc(6))(await closed(threeWrites));
    const expected = Buffer.from(await contentsAt(path));
    const { findings } = await verifyOverlay(path, base);
    expect(briefly(findings)).toEqual([
      ['torn-list', true, 6],
      ['foreign-writes', false, 1],
    ]);
    expect((await repairOverlay(path, base)).actions[0]).toMatch(/cut 6 bytes/);
    expect((await verifyOverlay(path, base)).findings).toEqual([]);
    expectSameBytes(await contentsAt(path), expected);
  });
});

describe('what another program wrote', () => {
  /** The data file holds two pages; the base is larger. */
  async function writtenOn(): Promise<string> {
    const path = await closed((overlay) => overlay.write(0, noise(1)));
    appendFileSync(path, noise(1, 2));
    return appended(listOf(1))(path);
  }

  test('counts, and is only worth a note', async () => {
    const path = await writtenOn();
    const report = await verifyOverlay(path, base);
    expect(briefly(report.findings)).toEqual([['foreign-writes', false, 1]]);
    expect([report.diskLength, report.dirtyPages]).toEqual([base.length, 2]);
  });

  test('leaves a size that only the base can tell', async () => {
    const report = await verifyOverlay(await writtenOn());
    expect(briefly(report.findings)).toEqual([['foreign-writes', false, 1]]);
    expect(report.diskLength).toBe(null);
  });

  test('is taken over by repair', async () => {
    const path = await writtenOn();
    const expected = Buffer.from(await contentsAt(path));
    await repairOverlay(path, base);
    expect((await verifyOverlay(path, base)).findings).toEqual([]);
    expectSameBytes(await contentsAt(path), expected);
  });
});

describe('without the base', () => {
  test('the size of an overlay of the Rust hexz is not known', async () => {
    const path = foreign(noise(3), listOf(0, 2));
    expect(await verifyOverlay(path)).toEqual({ diskLength: null, dirtyPages: 2, findings: [] });
  });

  test('pages that the data file does not hold are dirty all the same', async () => {
    // The Rust hexz cut its data file: page 5 reads as zeros there.
    const path = foreign(noise(1), listOf(0, 5));
    expect((await verifyOverlay(path, base)).dirtyPages).toBe(2);
    expect((await verifyOverlay(path)).dirtyPages).toBe(2);
  });

  test('the size that is recorded is told', async () => {
    const path = await closed((overlay) => overlay.truncate(12_345));
    expect(await verifyOverlay(path)).toEqual({ diskLength: 12_345, dirtyPages: 0, findings: [] });
    expect(recordedBasePath(path)).toBe(base.path);
  });

  test('nothing records one beside files of the Rust hexz', () => {
    expect(recordedBasePath(foreign(noise(1), listOf(0)))).toBe(undefined);
  });
});

test('a power cut that lost nothing is told as well, and mended', async () => {
  const path = await abandoned(async (overlay) => {
    overlay.write(0, noise(2));
    await overlay.sync();
  }, 'another boot');
  const expected = Buffer.from(await contentsAt(path));
  const { findings } = await verifyOverlay(path, base);
  expect(briefly(findings)).toEqual([['not-closed', false, 1]]);
  expect((await repairOverlay(path, base)).actions).toHaveLength(1);
  expect((await verifyOverlay(path, base)).findings).toEqual([]);
  expectSameBytes(await contentsAt(path), expected);
});

describe('a wrong base', () => {
  const other = new MemoryBase(markedBytes(base.length + 5000, 9), 'another identity');

  test('is damage to verify, and refused by what would change something', async () => {
    const path = await closed(threeWrites);
    const before = everythingIn(dirname(path));
    const { findings } = await verifyOverlay(path, other);
    expect(briefly(findings)).toEqual([['wrong-base', true, 1]]);
    expect(findings[0]?.message).toContain(base.path);
    for (const action of [repairOverlay, compactOverlay]) {
      expect((await rejection(action(path, other))).code).toBe('WRONG_BASE');
    }
    expect(everythingIn(dirname(path))).toEqual(before);
  });

  test('is right from then on with force', async () => {
    const path = await closed(threeWrites);
    const { diskLength } = await verifyOverlay(path);
    expect((await repairOverlay(path, other, true)).diskLength).toBe(diskLength);
    expect((await verifyOverlay(path, other)).findings).toEqual([]);
    expect((await rejection(repairOverlay(path, base))).code).toBe('WRONG_BASE');
  });
});

describe('a side file that cannot be read', () => {
  async function withoutSideFile(text = '{"version": 1,'): Promise<string> {
    const path = await closed(threeWrites);
    writeFileSync(sidePath(path), text);
    return path;
  }

  test.each(['', '{"version": 1,', 'null', '{"version": 1}', '\0\0\0'])(
    'is damage, set aside by repair: %j',
    async (text) => {
      const path = await withoutSideFile(text);
      const before = everythingIn(dirname(path));
      const report = await verifyOverlay(path, base);
      expect(briefly(report.findings)).toEqual([['unreadable', true, 1]]);
      expect(report.findings[0]?.message).toContain(sidePath(path));
      expect([report.diskLength, report.dirtyPages]).toEqual([null, 0]);
      expect(recordedBasePath(path)).toBe(undefined);
      expect(everythingIn(dirname(path))).toEqual(before);

      const { actions, diskLength, dirtyPages } = await repairOverlay(path, base);
      const setAside = readdirSync(dirname(path)).find((name) => name.includes('damaged')) ?? '';
      expect(actions).toEqual([expect.stringContaining(setAside)]);
      expect(readFileSync(join(dirname(path), setAside), 'utf8')).toBe(text);
      expect(await verifyOverlay(path, base)).toEqual({ diskLength, dirtyPages, findings: [] });
      expect((await repairOverlay(path, base)).actions).toEqual([]);
      // Of the three writes each byte is there; the size is that of the padded data file.
      const contents = await contentsAt(path);
      expect(contents.length).toBe(Math.ceil((base.length + 1014) / PAGE_BYTES) * PAGE_BYTES);
      expect(contents.toString('latin1', 10, 13)).toBe('abc');
      expect(contents.includes('behind the end', base.length + 1000)).toBe(true);
    },
  );

  test('is refused by compact, without a change', async () => {
    const path = await withoutSideFile();
    const before = everythingIn(dirname(path));
    expect((await rejection(compactOverlay(path, base))).code).toBe('OVERLAY_DAMAGED');
    expect(everythingIn(dirname(path))).toEqual(before);
  });

  test('of a newer hexz is refused, without a change', async () => {
    const path = await withoutSideFile('{"version": 2}');
    const before = everythingIn(dirname(path));
    for (const action of [verifyOverlay, repairOverlay, compactOverlay]) {
      expect((await rejection(action(path, base))).code).toBe('OVERLAY_UNUSABLE');
    }
    expect(everythingIn(dirname(path))).toEqual(before);
  });

  test('stays where it is while somebody has the overlay open', async () => {
    const path = await withoutSideFile();
    rmSync(sidePath(path));
    const reader = open(path, base, { access: 'read' });
    writeFileSync(sidePath(path), 'rubbish');
    const before = everythingIn(dirname(path));
    expect((await rejection(repairOverlay(path, base))).code).toBe('OVERLAY_LOCKED');
    expect(everythingIn(dirname(path))).toEqual(before);
    await reader.close();
  });

  test('stays where it is when repair cannot go on: the list is missing', async () => {
    const path = await withoutSideFile();
    rmSync(listPath(path));
    const before = everythingIn(dirname(path));
    expect((await rejection(repairOverlay(path, base))).code).toBe('OVERLAY_DAMAGED');
    expect(everythingIn(dirname(path))).toEqual(before);
  });
});

describe('files that are missing', () => {
  test('the list: damage, which nothing mends', async () => {
    const path = await closed(threeWrites);
    rmSync(listPath(path));
    const before = everythingIn(dirname(path));
    for (const given of [base, undefined]) {
      const report = await verifyOverlay(path, given);
      expect(briefly(report.findings)).toEqual([['unreadable', true, 1]]);
      expect(report.findings[0]?.message).toContain(listPath(path));
    }
    for (const action of [repairOverlay, compactOverlay]) {
      expect((await rejection(action(path, base))).code).toBe('OVERLAY_DAMAGED');
    }
    expect(everythingIn(dirname(path))).toEqual(before);
  });

  test('all of them: nothing is made', async () => {
    const path = newPath();
    for (const action of [verifyOverlay, repairOverlay, compactOverlay]) {
      const error = await rejection(action(path, base));
      expect([error.code, error.location.file]).toEqual(['UNREADABLE', path]);
      expect(everythingIn(dirname(path))).toEqual([]);
    }
  });
});

describe('compact', () => {
  const blocksOf = (path: string): number => statSync(path).blocks;
  const listed = (path: string): readonly number[] => {
    const bytes = readFileSync(listPath(path));
    return Array.from({ length: bytes.length / 8 }, (_, entry) =>
      Number(bytes.readBigUInt64LE(entry * 8)),
    );
  };

  test('drops what the base has, and gives the room back', async () => {
    const large = new MemoryBase(markedBytes(page(300), 4));
    const path = newPath();
    const overlay = open(path, large);
    overlay.write(0, noise(300, 5));
    overlay.write(page(10), large.bytes.subarray(page(10), page(200)));
    await overlay.close();
    const contents = large.bytes;
    noise(300, 5).copy(contents, 0, 0, page(10));
    noise(300, 5).copy(contents, page(200), page(200));
    const before = blocksOf(path);
    const { findings } = await verifyOverlay(path, large);
    // The base has become what the overlay shows, so all of it is equal.
    expect(briefly(findings)).toEqual([['equal-to-base', false, 300]]);
    expect(await compactOverlay(path, large)).toEqual({
      diskLength: page(300),
      dirtyPages: 0,
      actions: [expect.stringMatching(/dropped 300 pages equal to the base/) as string],
    });
    expect(statSync(path).size).toBe(page(300));
    expect(before - blocksOf(path)).toBeGreaterThanOrEqual(299 * 8);
    const after = open(path, large, { access: 'read' });
    expectSameBytes(contentsOf(after), contents);
  });

  test('keeps pages that differ in one byte', async () => {
    const path = await closed((overlay) => {
      overlay.write(0, base.bytes.subarray(0, page(6)));
      overlay.write(page(1), Buffer.from([(base.bytes[page(1)] ?? 0) ^ 1]));
      overlay.write(page(5) - 1, Buffer.from([(base.bytes[page(5) - 1] ?? 0) ^ 1]));
    });
    const expected = Buffer.from(await contentsAt(path));
    const before = blocksOf(path);
    const { findings } = await verifyOverlay(path, base);
    expect(briefly(findings)).toEqual([['equal-to-base', false, 4]]);
    const { dirtyPages, actions } = await compactOverlay(path, base);
    expect([dirtyPages, actions.length, listed(path)]).toEqual([2, 1, [1, 4]]);
    expect(blocksOf(path)).toBeLessThan(before);
    expectSameBytes(await contentsAt(path), expected);
    expect((await verifyOverlay(path, base)).findings).toEqual([]);
  });

  test('where the disk was cut, keeps zeros in whose place the Rust hexz would show the base', async () => {
    const path = await closed((overlay) => {
      overlay.write(0, noise(10));
      overlay.truncate(page(2) + 2000);
      overlay.truncate(page(9) + 5);
      overlay.write(0, base.bytes.subarray(0, page(1)));
      // As the base shows here: the rest of the page is zero.
      overlay.write(page(2), base.bytes.subarray(page(2), page(2) + 2000));
      overlay.write(page(4), Buffer.alloc(PAGE_BYTES));
      overlay.write(page(5), base.bytes.subarray(page(5), page(6)));
    });
    const expected = Buffer.from(await contentsAt(path));
    await compactOverlay(path, base);
    // The cut left pages 3 and 6 to 9 in the list; they are zeros, too.
    expect(listed(path)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expectSameBytes(await contentsAt(path), expected);
    expect((await verifyOverlay(path, base)).findings).toEqual([]);
    const writer = open(path, base);
    writer.truncate(page(12));
    const grown = Buffer.alloc(page(12));
    expected.copy(grown);
    expectSameBytes(contentsOf(writer), grown);
  });

  test('behind the end of the base drops zeros, and the disk keeps its size', async () => {
    const end = page(20) + 17;
    const path = await closed((overlay) => {
      overlay.write(base.length - 10, base.bytes.subarray(base.length - 10));
      overlay.write(page(15), Buffer.alloc(page(2)));
      overlay.write(page(17), noise(1));
      overlay.write(end - 7, Buffer.alloc(7));
    });
    const expected = Buffer.from(await contentsAt(path));
    expect(expected.length).toBe(end);
    const { diskLength, dirtyPages } = await compactOverlay(path, base);
    expect([diskLength, dirtyPages, listed(path)]).toEqual([end, 1, [17]]);
    expectSameBytes(await contentsAt(path), expected);
    // Without the side file, the Rust hexz goes by the data file.
    expect(statSync(path).size).toBe(page(21));
  });

  test('takes an overlay of the Rust hexz whose data file ends in the middle of a page', async () => {
    const data = Buffer.concat([base.bytes.subarray(0, page(2)), noise(1).subarray(0, 100)]);
    const path = foreign(data, listOf(2, 0, 1));
    const expected = Buffer.from(await contentsAt(path));
    expect((await compactOverlay(path, base)).dirtyPages).toBe(1);
    expectSameBytes(await contentsAt(path), expected);
  });

  test('keeps what it cannot compare, because the base is damaged there', async () => {
    const damaged = new MemoryBase(base.bytes);
    const path = await closed((overlay) => overlay.write(0, base.bytes.subarray(0, page(4))));
    damaged.damagedFrom = page(2);
    expect((await compactOverlay(path, damaged)).dirtyPages).toBe(2);
    expectSameBytes(await contentsAt(path), base.bytes);
  });

  test('says what opening dropped after a power cut', async () => {
    const path = await abandoned(async (overlay) => {
      overlay.write(0, noise(2));
      await overlay.sync();
      overlay.write(page(5), noise(3));
    }, 'another boot');
    const { actions } = await compactOverlay(path, base);
    expect(actions).toEqual([expect.stringMatching(/dropped 3 pages that no fsync/)]);
  });
});

describe('while somebody has it open', () => {
  test('for writing, all of them refuse', async () => {
    const path = await closed(threeWrites);
    const writer = open(path, base, { mountpoint: '/mnt/disk' });
    const before = everythingIn(dirname(path));
    for (const action of [verifyOverlay, repairOverlay, compactOverlay]) {
      const error = await rejection(action(path, base));
      expect([error.code, error.hint]).toEqual([
        'OVERLAY_LOCKED',
        expect.stringContaining('/mnt/disk'),
      ]);
    }
    expect(everythingIn(dirname(path))).toEqual(before);
    await writer.close();
    expect((await verifyOverlay(path, base)).findings).toEqual([]);
  });

  test('for reading, verify looks, and what would change something refuses', async () => {
    const path = await closed(threeWrites);
    open(path, base, { access: 'read' });
    expect((await verifyOverlay(path, base)).findings).toEqual([]);
    for (const action of [repairOverlay, compactOverlay]) {
      expect((await rejection(action(path, base))).code).toBe('OVERLAY_LOCKED');
    }
  });
});
