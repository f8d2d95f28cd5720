import { randomBytes } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { createTrainer } from '../../../src/engine/codec/zstdTraining.js';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { Selection } from '../../../src/engine/overlay/selection.js';
import { baseDiskOf } from '../../../src/engine/volume/volume.js';
import { type CommitOptions, commit } from '../../../src/engine/write/commit.js';
import type { CommitReport } from '../../../src/engine/write/commitOutput.js';
import { type PackOptions, pack } from '../../../src/engine/write/pack.js';
import { openSnapshot, verifyChain } from '../../../src/index.js';
import { goldenOverlays, goldenPath, sha256 } from '../../support/fixtures.js';
import { requires } from '../../support/requires.js';
import { damageBlock } from '../../support/snapshots.js';
import { expectSameBytes, readStream, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { runTool } from '../../support/tools.js';
import { type Change, changeDisk, diskUnder } from '../../support/write/changedOverlay.js';

const newDirectory = temporaryDirectories();
const PAGE = 4096;

interface Scene {
  readonly base: string;
  readonly overlay: string;
  readonly output: string;
  /** What base and overlay show together. */
  readonly disk: Buffer;
  readonly memory: Buffer;
}

/** A packed base, and an overlay with changes. */
async function scene(
  disk: Buffer,
  changes: readonly Change[],
  options: Partial<PackOptions> & { readonly memoryBytes?: Buffer } = {},
): Promise<Scene> {
  const directory = newDirectory();
  const [base, overlay] = [join(directory, 'base.hxz'), join(directory, 'changes.overlay')];
  const memory = options.memoryBytes ?? Buffer.alloc(0);
  writeFileSync(join(directory, 'disk'), disk);
  writeFileSync(join(directory, 'memory'), memory);
  const inputs = { disk: join(directory, 'disk'), memory: join(directory, 'memory') };
  await pack({ ...inputs, output: base, ...options });
  const passwords = options.encryption?.password ?? [];
  const changed = await changeDisk(base, overlay, changes, passwords);
  return { base, overlay, output: join(directory, 'out.hxz'), disk: changed, memory };
}

async function commitScene(
  { base, overlay, output }: Pick<Scene, 'base' | 'overlay' | 'output'>,
  options: Partial<CommitOptions> = {},
): Promise<CommitReport> {
  const snapshot = openSnapshot(base, {
    passwords: options.passwords ?? [],
    parentDirectories: options.parentDirectories ?? [],
  });
  try {
    return await commit(snapshot, { overlay, output, ...options });
  } finally {
    snapshot.close();
  }
}

/** Reads a snapshot, every block of whose chain must be sound. */
function read(path: string, options: Parameters<typeof openSnapshot>[1] = {}) {
  const snapshot = openSnapshot(path, options);
  try {
    for (const { finding } of verifyChain(snapshot))
      expect(finding?.error.toLine()).toBeUndefined();
    return {
      header: snapshot.header,
      disk: readStream(snapshot, 'disk'),
      memory: readStream(snapshot, 'memory'),
      blocks: [...snapshot.blocks('disk')],
      parents: snapshot.parents.length,
    };
  } finally {
    snapshot.close();
  }
}

/** Noise with some zeros and some text. */
const content = (): Buffer =>
  Buffer.concat([
    someBytes(150_000),
    Buffer.alloc(200_000),
    Buffer.from('some text, '.repeat(9000)),
    someBytes(40_001),
  ]);

const someChanges = (): Change[] => [
  { kind: 'write', offset: 3, bytes: someBytes(10) },
  { kind: 'write', offset: 199_990, bytes: someBytes(9000) },
  { kind: 'write', offset: 400_000, bytes: Buffer.alloc(70_000) },
];

const variants: readonly [string, Partial<CommitOptions>][] = [
  ['thick', {}],
  ['thick, with zstd', { compression: 'zstd' }],
  ['thick, in small blocks', { blockBytes: 4096 }],
  ['thick, in odd blocks', { blockBytes: 5000 }],
  ['thin', { thin: true }],
  ['thin, in odd blocks', { thin: true, blockBytes: 5000 }],
  ['thin, with zstd', { thin: true, compression: 'zstd' }],
  ['encrypted', { encryption: { password: 'new' } }],
  ['thin and encrypted', { thin: true, encryption: { password: 'new' } }],
  ['thick, everything verified', { verifiesAll: true }],
  ['thin, everything verified', { thin: true, verifiesAll: true }],
];

const canTrain = createTrainer() !== undefined;
if (!canTrain)
  console.warn('skipped what needs a trained dictionary: no libzstd, or it may not be used');

describe('a commit reads as base and changes', () => {
  test.each(variants)('%s', async (_name, options) => {
    const given = await scene(content(), someChanges(), { memoryBytes: content() });
    const report = await commitScene(given, options);
    const found = read(given.output, { passwords: 'new' });
    expectSameBytes(found.disk, given.disk);
    expectSameBytes(found.memory, given.memory);
    expect(found.parents).toBe(options.thin === true ? 1 : 0);
    expect(found.header.encryption !== undefined).toBe(options.encryption !== undefined);
    expect(report).toMatchObject({ overlay: 'deleted', remainingPages: 0 });
    expect(report.committedPages).toBeGreaterThan(20);
    expect(readdirSync(join(given.base, '..')).sort()).toEqual([
      'base.hxz',
      'disk',
      'memory',
      'out.hxz',
    ]);
  });

  test.each<[string, Partial<PackOptions>]>([
    ['of zstd', { compression: 'zstd' }],
    ...(canTrain
      ? [
          [
            'of a dictionary',
            { compression: 'zstd', trainsDictionary: true, blockBytes: 4096 },
          ] as [string, Partial<PackOptions>],
        ]
      : []),
    [
      'cut by content',
      { chunking: { minimumBytes: 2048, averageBytes: 8192, maximumBytes: 32_768 } },
    ],
    ['in odd blocks', { blockBytes: 1000 }],
    ['that is encrypted', { encryption: { password: 'old' } }],
  ])('on a base %s', async (_name, packing) => {
    for (const options of [
      {},
      { thin: true },
      { compression: 'zstd', blockBytes: 4096 },
    ] as const) {
      const given = await scene(content(), someChanges(), { ...packing, memoryBytes: content() });
      await commitScene(given, { ...options, passwords: ['old'] });
      const found = read(given.output, { passwords: 'old' });
      expectSameBytes(found.disk, given.disk);
      expectSameBytes(found.memory, given.memory);
    }
  });

  const changes = fc.array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('write' as const),
          offset: fc.nat(60_000),
          bytes: fc
            .uint8Array({ minLength: 1, maxLength: 9000 })
            .map((bytes) => Buffer.from(bytes)),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('write' as const),
          offset: fc.nat(60_000),
          bytes: fc.integer({ min: 1, max: 9000 }).map((length) => Buffer.alloc(length)),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('truncate' as const), length: fc.nat(80_000) }),
      },
    ),
    { maxLength: 6 },
  );

  test('thin as thick as flattened, whatever base, changes and options', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          disk: fc
            .array(
              fc.oneof(
                fc.uint8Array({ maxLength: 9000 }).map((bytes) => Buffer.from(bytes)),
                fc.nat(20_000).map((length) => Buffer.alloc(length)),
              ),
              { minLength: 1, maxLength: 6 },
            )
            .map((pieces) => Buffer.concat([Buffer.from('x'), ...pieces])),
          first: changes,
          second: changes,
          baseBlocks: fc.constantFrom(512, 1000, 4096, 5000, 65_536),
          blocks: fc.constantFrom(512, 1000, 4096, 5000, 65_536),
          compression: fc.constantFrom<'lz4' | 'zstd'>('lz4', 'zstd'),
          isChunked: fc.boolean(),
        }),
        async ({ disk, first, second, baseBlocks, blocks, compression, isChunked }) => {
          const chunking = { minimumBytes: 64, averageBytes: 1024, maximumBytes: 4096 };
          const one = await scene(disk, first, {
            compression,
            blockBytes: baseBlocks,
            ...(isChunked ? { chunking } : {}),
          });
          const thin = { ...one, output: join(newDirectory(), 'thin.hxz') };
          await commitScene(thin, {
            thin: true,
            blockBytes: blocks,
            compression,
            keepsOverlay: true,
          });
          expectSameBytes(read(thin.output).disk, one.disk);
          await commitScene(one, { blockBytes: blocks });
          expectSameBytes(read(one.output).disk, one.disk);
          // A second level, thin and flattened.
          const overlay = join(newDirectory(), 'second.overlay');
          const twice = await changeDisk(thin.output, overlay, second);
          const two = { base: thin.output, overlay, output: join(newDirectory(), 'two.hxz') };
          await commitScene(two, { thin: true, keepsOverlay: true, blockBytes: baseBlocks });
          expectSameBytes(read(two.output).disk, twice);
          const flat = { ...two, output: join(newDirectory(), 'flat.hxz') };
          await commitScene(flat, { compression, verifiesAll: true });
          const flattened = read(flat.output);
          expectSameBytes(flattened.disk, twice);
          expect(flattened.parents).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  test.each(goldenOverlays.map((overlay) => [overlay.id, overlay] as const))(
    'of overlay %s of the Rust hexz',
    async (_id, golden) => {
      for (const thin of [false, true]) {
        const output = join(newDirectory(), 'out.hxz');
        const given = { base: goldenPath(golden.base), overlay: goldenPath(golden.data), output };
        await commitScene(given, { thin, keepsOverlay: true });
        const { disk } = read(output);
        // Of what the Rust hexz has written the size is known in whole pages only.
        const { size, sha256: expected } = golden.applied_disk;
        expect(disk.length - size).toBeLessThan(PAGE);
        expect(sha256(disk.subarray(0, size))).toBe(expected);
      }
    },
  );
});

describe('blocks that did not change', () => {
  test('are copied as they are stored, not decoded', async () => {
    const disk = randomBytes(40 * 65_536);
    const given = await scene(disk, [{ kind: 'write', offset: 70_000, bytes: someBytes(10) }]);
    const report = await commitScene(given);
    expect(report.streams.disk).toMatchObject({ copiedBlocks: 39, encodedBlocks: 1 });
    const [ours, theirs] = [read(given.output).blocks, read(given.base).blocks];
    expect(ours.map(({ checksum }) => checksum).filter((_, block) => block !== 1)).toEqual(
      theirs.map(({ checksum }) => checksum).filter((_, block) => block !== 1),
    );
  });

  test('and are shared are copied once', async () => {
    const block = someBytes(65_536);
    const disk = Buffer.concat([block, someBytes(65_536), block, block]);
    const given = await scene(disk, [{ kind: 'write', offset: 70_000, bytes: someBytes(10) }]);
    const { streams } = await commitScene(given);
    expect(streams.disk).toMatchObject({ copiedBlocks: 1, sharedBlocks: 2, encodedBlocks: 1 });
    expectSameBytes(read(given.output).disk, given.disk);
  });

  test('and are damaged in the base fail the commit', async () => {
    const given = await scene(someBytes(400_000), someChanges());
    damageBlock(given.base, 4);
    const before = readFileSync(given.overlay);
    await expect(commitScene(given)).rejects.toMatchObject({ code: 'CRC' });
    expect(existsSync(given.output)).toBe(false);
    expectSameBytes(readFileSync(given.overlay), before);
  });

  test('are not even read for a thin commit', async () => {
    const given = await scene(someBytes(400_000), [
      { kind: 'write', offset: 0, bytes: someBytes(9) },
    ]);
    damageBlock(given.base, 4);
    const report = await commitScene(given, { thin: true });
    expect(report.streams.disk).toMatchObject({ encodedBlocks: 1, parentBlocks: 6 });
  });
});

describe('the memory', () => {
  const changes: Change[] = [{ kind: 'write', offset: 5, bytes: someBytes(5) }];

  test.each([false, true])('is replaced (thin: %s)', async (thin) => {
    const memory = content();
    const given = await scene(content(), changes, { memoryBytes: content() });
    const file = join(newDirectory(), 'memory');
    writeFileSync(file, memory);
    await commitScene(given, { thin, memory: file });
    expectSameBytes(read(given.output).memory, memory);
  });

  test('is left out', async () => {
    const given = await scene(content(), changes, { memoryBytes: content() });
    await commitScene(given, { dropsMemory: true });
    expect(read(given.output).header.hasMemory).toBe(false);
  });
});

describe('a thin snapshot', () => {
  test.each([false, true])(
    'of many index pages borrows all but what changed (everything verified: %s)',
    async (verifiesAll) => {
      const disk = randomBytes(10_000 * 64 + 5);
      const changes: Change[] = [0, 262_100, 300_000, 640_000].map((offset) => ({
        kind: 'write',
        offset,
        bytes: randomBytes(70),
      }));
      const given = await scene(disk, changes, { blockBytes: 64 });
      const base = read(given.base).blocks;
      await commitScene(given, { thin: true, blockBytes: 64, verifiesAll });
      const { disk: committed, blocks } = read(given.output);
      expectSameBytes(committed, given.disk);
      const borrowed = blocks.filter(({ kind }) => kind === 'parent');
      // Four pages of 64 blocks have changed, and the 18 blocks of the last page.
      expect(blocks.length - borrowed.length).toBe(4 * 64 + 18);
      for (const { blockIndex, hash, offset, storedLength, checksum } of borrowed) {
        expect(hash).toEqual(base[blockIndex]?.hash);
        expect({ offset, storedLength, checksum }).toEqual({
          offset: blockIndex * 64,
          storedLength: 0,
          checksum: 0,
        });
      }
    },
  );

  test('finds its base when both have moved', async () => {
    const given = await scene(content(), someChanges());
    await commitScene(given, { thin: true });
    const elsewhere = newDirectory();
    mkdirSync(join(elsewhere, 'new'));
    const moved = join(elsewhere, 'new', 'child.hxz');
    renameSync(given.output, moved);
    renameSync(given.base, join(elsewhere, 'new', 'base.hxz'));
    rmSync(join(given.base, '..'), { recursive: true });
    expectSameBytes(read(moved).disk, given.disk);
  });
});

describe('a selection', () => {
  const disk = someBytes(40 * PAGE);
  const marked = (page: number): Change => ({
    kind: 'write',
    offset: page * PAGE,
    bytes: Buffer.alloc(PAGE, page + 1),
  });

  async function selected(text: string, options: Partial<CommitOptions> = {}) {
    const given = await scene(disk, [2, 3, 7, 20].map(marked), { blockBytes: 8192 });
    const report = await commitScene(given, {
      blockBytes: 8192,
      selection: Selection.parse(text, 'selection'),
      ...options,
    });
    return { given, report, out: read(given.output).disk };
  }

  /** The disk with just these pages of the overlay. */
  function with_(pages: readonly number[]): Buffer {
    const expected = Buffer.from(disk);
    for (const page of pages) expected.fill(page + 1, page * PAGE, (page + 1) * PAGE);
    return expected;
  }

  test.each([false, true])(
    'is committed alone; the rest lies on the output (thin: %s)',
    async (thin) => {
      const { given, report, out } = await selected('3 # keep\n7-19', { thin });
      expectSameBytes(out, with_([3, 7]));
      expect(report).toMatchObject({ overlay: 'rebound', committedPages: 2, remainingPages: 2 });
      expectSameBytes(await diskUnder(given.output, given.overlay), with_([2, 3, 7, 20]));
      const snapshot = openSnapshot(given.output);
      const overlay = Overlay.open({
        path: given.overlay,
        base: baseDiskOf(snapshot),
        access: 'read',
      });
      expect([...overlay.extents()]).toEqual([
        { pageIndex: 2, pageCount: 1 },
        { pageIndex: 20, pageCount: 1 },
      ]);
      await overlay.close();
      snapshot.close();
      await expect(diskUnder(given.base, given.overlay)).rejects.toMatchObject({
        code: 'WRONG_BASE',
      });
    },
  );

  test('leaves the overlay on its base where that is wanted', async () => {
    const { given, report, out } = await selected('3', { keepsOverlay: true });
    expectSameBytes(out, with_([3]));
    expect(report.overlay).toBe('kept');
    expectSameBytes(await diskUnder(given.base, given.overlay), given.disk);
  });

  test('of bytes takes those bytes, and their page stays in the overlay', async () => {
    const { given, report, out } = await selected(`${2 * PAGE + 10}+20`);
    const expected = Buffer.from(disk);
    expected.fill(3, 2 * PAGE + 10, 2 * PAGE + 30);
    expectSameBytes(out, expected);
    expect(report).toMatchObject({ committedPages: 1, remainingPages: 4 });
    expectSameBytes(await diskUnder(given.output, given.overlay), given.disk);
  });

  test('of everything leaves no overlay', async () => {
    const { given, report, out } = await selected('0-39');
    expectSameBytes(out, given.disk);
    expect(report.overlay).toBe('deleted');
    expect(existsSync(given.overlay)).toBe(false);
  });

  test('of nothing commits the size of a disk that has changed', async () => {
    const given = await scene(disk, [{ kind: 'truncate', length: 50 * PAGE }]);
    const selection = Selection.parse('# nothing', 'selection');
    const report = await commitScene(given, { selection });
    expect(report).toMatchObject({ committedPages: 0, overlay: 'deleted' });
    expect(read(given.output).disk).toHaveLength(50 * PAGE);
  });

  test('of clean pages is refused', async () => {
    await expect(selected('4-6')).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('keeps the size of the disk', async () => {
    const given = await scene(disk, [
      marked(2),
      { kind: 'write', offset: 50 * PAGE + 7, bytes: Buffer.from('end') },
    ]);
    await commitScene(given, { selection: Selection.parse('2', 'selection') });
    const out = read(given.output).disk;
    const expected = Buffer.alloc(50 * PAGE + 10);
    with_([2]).copy(expected);
    expectSameBytes(out, expected);
    expectSameBytes(await diskUnder(given.output, given.overlay), given.disk);
  });
});

describe('nothing is changed', () => {
  /** Every file of a scene with its contents. */
  const filesOf = ({ base }: Scene): Record<string, string> => {
    const directory = join(base, '..');
    return Object.fromEntries(
      readdirSync(directory).map((name) => [name, sha256(readFileSync(join(directory, name)))]),
    );
  };

  test.each<[string, (given: Scene) => Partial<CommitOptions>, string]>([
    ['the output is the base', ({ base }) => ({ output: base, force: true }), 'USAGE'],
    ['the output is the overlay', ({ overlay }) => ({ output: overlay, force: true }), 'USAGE'],
    [
      'the output has the name of a file that the overlay may come to have',
      ({ overlay }) => {
        const directory = join(newDirectory(), 'link');
        symlinkSync(join(overlay, '..'), directory);
        return { output: join(directory, 'changes.overlay.hexz.json.tmp') };
      },
      'USAGE',
    ],
    ['the output exists', ({ base }) => ({ output: join(base, '..', 'disk') }), 'OUTPUT_EXISTS'],
    ['blocks cannot be', () => ({ blockBytes: -1 }), 'USAGE'],
    ['the memory is not there', () => ({ memory: '/nowhere/memory' }), 'UNREADABLE'],
    ['the directory is not there', () => ({ output: '/nowhere/out.hxz' }), 'OUTPUT_FAILED'],
    ['memory is both replaced and dropped', () => ({ memory: 'x', dropsMemory: true }), 'USAGE'],
  ])('when %s', async (_name, optionsFor, code) => {
    const given = await scene(content(), someChanges());
    const before = filesOf(given);
    await expect(commitScene(given, optionsFor(given))).rejects.toMatchObject({ code });
    expect(filesOf(given)).toEqual(before);
  });

  test('when the list of pages is missing', async () => {
    const given = await scene(content(), someChanges());
    rmSync(join(given.overlay, '..', 'changes.meta'));
    const before = filesOf(given);
    await expect(commitScene(given)).rejects.toMatchObject({ code: 'OVERLAY_DAMAGED' });
    expect(filesOf(given)).toEqual(before);
  });

  test('when the list of pages is damaged', async () => {
    const given = await scene(content(), someChanges());
    const list = join(given.overlay, '..', 'changes.meta');
    const bytes = readFileSync(list);
    bytes.fill(0xee, 0, 16);
    writeFileSync(list, bytes);
    const before = filesOf(given);
    for (const keepsOverlay of [false, true]) {
      await expect(commitScene(given, { keepsOverlay })).rejects.toMatchObject({
        code: 'OVERLAY_DAMAGED',
      });
    }
    expect(filesOf(given)).toEqual(before);
  });

  test('when the overlay is of another snapshot', async () => {
    const given = await scene(content(), someChanges());
    const other = await scene(content(), []);
    await expect(commitScene({ ...given, base: other.base })).rejects.toMatchObject({
      code: 'WRONG_BASE',
    });
  });

  test('when the output has the name that the side file of an overlay of the Rust hexz would have', async () => {
    const directory = newDirectory();
    for (const name of ['ov1.overlay', 'ov1.meta']) {
      copyFileSync(goldenPath(`overlay/${name}`), join(directory, name));
    }
    const given = {
      base: goldenPath('a-lz4-64k-disk.hxz'),
      overlay: join(directory, 'ov1.overlay'),
      output: join(directory, 'ov1.overlay.hexz.json'),
    };
    await expect(commitScene(given)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(commitScene(given, { keepsOverlay: true })).rejects.toMatchObject({
      code: 'USAGE',
    });
    expect(readdirSync(directory).sort()).toEqual(['ov1.meta', 'ov1.overlay']);
  });

  test('while somebody has the overlay open', async () => {
    const given = await scene(content(), someChanges());
    const snapshot = openSnapshot(given.base);
    const overlay = Overlay.open({
      path: given.overlay,
      base: baseDiskOf(snapshot),
      access: 'read',
    });
    await expect(commitScene(given)).rejects.toMatchObject({ code: 'OVERLAY_LOCKED' });
    const report = await commitScene(given, { keepsOverlay: true });
    expect(report.overlay).toBe('kept');
    await overlay.close();
    snapshot.close();
  });
});

describe('an overlay that cannot be changed any more when the snapshot is made', () => {
  const mounted: string[] = [];
  afterEach(() => {
    for (const directory of mounted.splice(0)) expect(runTool('umount', directory)).toBe(true);
  });

  /** The golden overlay in a file system of its own. */
  function onSmallDisk(): { directory: string; given: Pick<Scene, 'base' | 'overlay' | 'output'> } {
    const directory = newDirectory();
    expect(runTool('mount', '-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', directory)).toBe(true);
    mounted.push(directory);
    for (const name of ['ov1.overlay', 'ov1.meta']) {
      copyFileSync(goldenPath(`overlay/${name}`), join(directory, name));
    }
    const base = goldenPath('a-lz4-64k-disk.hxz');
    const output = join(newDirectory(), 'out.hxz');
    return { directory, given: { base, overlay: join(directory, 'ov1.overlay'), output } };
  }

  test.runIf(requires('root', 'tmpfs'))('because of a full disk, shows all it had', async () => {
    const { directory, given } = onSmallDisk();
    const selection = Selection.parse('0\n1\n', 'selection');
    fillDisk(join(directory, 'filling'));
    const failed = commitScene(given, { selection });
    await expect(failed).rejects.toMatchObject({ code: 'NO_SPACE' });
    await expect(failed).rejects.toThrow(`${given.output} is complete, but the overlay`);
    rmSync(join(directory, 'filling'));
    const { applied_disk: wanted } = goldenOverlays.find(({ id }) => id === 'ov1') ?? {};
    const shown = await diskUnder(given.base, given.overlay);
    expect(sha256(shown.subarray(0, wanted?.size))).toBe(wanted?.sha256);
    const { disk } = read(given.output);
    expectSameBytes(disk.subarray(0, 2 * PAGE), shown.subarray(0, 2 * PAGE));
  });

  test.runIf(requires('root', 'chattr'))(
    'because its directory gives nothing away, is kept, and that is said',
    async () => {
      const given = await scene(content(), someChanges());
      const output = join(newDirectory(), 'out.hxz');
      const directory = join(given.overlay, '..');
      expect(runTool('chattr', '+a', directory)).toBe(true);
      try {
        const report = await commitScene({ ...given, output });
        expect(report.overlay).toBe('kept');
        expect(report.remainingPages).toBe(report.committedPages);
        expect(report.warnings).toEqual([expect.stringContaining('could not be deleted')]);
      } finally {
        runTool('chattr', '-a', directory);
      }
      expectSameBytes(await diskUnder(given.base, given.overlay), given.disk);
      expectSameBytes(read(output).disk, given.disk);
    },
  );
});

/** Writes until there is no space left. */
function fillDisk(path: string): void {
  const descriptor = openSync(path, 'w');
  try {
    for (;;) writeSync(descriptor, Buffer.alloc(4096, 1));
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(descriptor);
  }
}
