import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChunkSizes } from '../../../src/engine/write/chunking.js';
import { type PackOptions, pack } from '../../../src/engine/write/pack.js';
import { openSnapshot, verifyChain } from '../../../src/index.js';
import { codeOf } from '../../support/errors.js';
import { goldenPath, sha256 } from '../../support/fixtures.js';
import { damageBlock } from '../../support/snapshots.js';
import { packLz4, SnapshotWriter } from '../../support/snapshotWriter.js';
import { expectSameBytes, readStream, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { makePipe } from '../../support/tools.js';

const newDirectory = temporaryDirectories();

/** Noise, text, zeros and repetitions, of a length that is no multiple of anything. */
const content = (): Buffer => {
  const repeated = someBytes(65_536);
  return Buffer.concat([
    someBytes(150_000),
    Buffer.from('some text that compresses well, '.repeat(4000)),
    Buffer.alloc(300_000),
    repeated,
    repeated,
    someBytes(70_001),
  ]);
};

/** Packs bytes; answers where the snapshot is. */
async function packed(
  streams: { disk?: Buffer; memory?: Buffer },
  options: Partial<PackOptions> = {},
): Promise<string> {
  const directory = newDirectory();
  const paths: { disk?: string; memory?: string } = {};
  for (const [name, bytes] of Object.entries(streams) as ['disk' | 'memory', Buffer][]) {
    paths[name] = join(directory, name);
    writeFileSync(join(directory, name), bytes);
  }
  const output = join(directory, 'packed.hxz');
  const made = { ...paths, output, ...options };
  await pack(made);
  return made.output;
}

/** Reads a snapshot, every block of which must be sound. */
function read(path: string, options: Parameters<typeof openSnapshot>[1] = {}) {
  const snapshot = openSnapshot(path, options);
  try {
    for (const { finding } of verifyChain(snapshot))
      expect(finding?.error.toLine()).toBeUndefined();
    const blocks = [...snapshot.blocks('disk'), ...snapshot.blocks('memory')];
    return {
      header: snapshot.header,
      disk: readStream(snapshot, 'disk'),
      memory: readStream(snapshot, 'memory'),
      kinds: blocks.map(({ kind }) => kind),
      places: blocks.filter(({ kind }) => kind === 'data').map(({ storedOffset }) => storedOffset),
    };
  } finally {
    snapshot.close();
  }
}

const chunking: ChunkSizes = { minimumBytes: 2048, averageBytes: 8192, maximumBytes: 32_768 };

describe('what was packed reads as what it was', () => {
  test.each<[string, Partial<PackOptions>]>([
    ['by default', {}],
    ['with zstd', { compression: 'zstd' }],
    ['with the bundled encoders', { encoders: 'bundled' }],
    ['with the bundled zstd', { encoders: 'bundled', compression: 'zstd' }],
    ['in blocks of 4096 bytes', { blockBytes: 4096 }],
    ['in blocks of 1000 bytes', { blockBytes: 1000 }],
    ['in blocks of 3 MiB', { blockBytes: 3 * 1024 * 1024 }],
    ['cut by content', { chunking }],
    ['cut by content, with zstd', { chunking, compression: 'zstd' }],
    ['encrypted', { encryption: { password: 'secret' } }],
    ['encrypted, in threads', { encryption: { password: '' }, workerCount: 2 }],
    ['in three threads', { workerCount: 3, blockBytes: 4096 }],
  ])('%s', async (_name, options) => {
    const [disk, memory] = [content(), content()];
    const path = await packed({ disk, memory }, options);
    const found = read(path, { passwords: options.encryption?.password ?? [] });
    expectSameBytes(found.disk, disk);
    expectSameBytes(found.memory, memory);
    expect(found.header.compression).toBe(options.compression ?? 'lz4');
    expect(found.header.blockSize).toBe(options.blockBytes ?? 65_536);
    expect(found.header.variableBlocks).toBe(options.chunking !== undefined);
    expect(found.header.encryption !== undefined).toBe(options.encryption !== undefined);
    if (found.header.blockSize < 100_000) expect(found.kinds).toContain('zero');
  });

  test('in blocks of one byte', async () => {
    const disk = someBytes(9000);
    expectSameBytes(read(await packed({ disk }, { blockBytes: 1 })).disk, disk);
  });

  test('with any options and contents', async () => {
    const piece = fc.oneof(
      fc.integer({ min: 0, max: 20_000 }).map((length) => Buffer.alloc(length)),
      fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
      fc.integer({ min: 0, max: 9000 }).map((length) => Buffer.alloc(length, 'pattern')),
    );
    const bytes = fc.array(piece, { maxLength: 8 }).map((pieces) => Buffer.concat(pieces));
    await fc.assert(
      fc.asyncProperty(
        fc.record({ disk: bytes, memory: bytes }),
        fc.constantFrom<'lz4' | 'zstd'>('lz4', 'zstd'),
        fc.oneof(fc.integer({ min: 16, max: 20_000 }), fc.constant('chunks' as const)),
        async (streams, compression, cut) => {
          const cutting =
            cut === 'chunks'
              ? { chunking: { minimumBytes: 64, averageBytes: 256, maximumBytes: 1024 } }
              : { blockBytes: cut };
          const found = read(await packed(streams, { compression, ...cutting }));
          expectSameBytes(found.disk, streams.disk);
          expectSameBytes(found.memory, streams.memory);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('blocks', () => {
  test('of one content are stored once, in both streams', async () => {
    const block = someBytes(4096);
    const other = someBytes(4096);
    const disk = Buffer.concat([block, other, block, block]);
    const { places } = read(await packed({ disk, memory: disk }, { blockBytes: 4096 }));
    expect(places).toHaveLength(8);
    expect(new Set(places).size).toBe(2);
  });

  test('of one content are found again beyond the index page they are in', async () => {
    const blocks = Array.from({ length: 5000 }, (_, number) => {
      const block = Buffer.alloc(64);
      block.writeUInt32LE(number + 1);
      return block;
    });
    const disk = Buffer.concat([...blocks, ...blocks]);
    const { places } = read(await packed({ disk }, { blockBytes: 64 }));
    expect(places).toHaveLength(10_000);
    expect(new Set(places).size).toBe(5000);
  });

  test('that are encrypted are never shared, nor do they tell their hash', async () => {
    const disk = Buffer.concat([someBytes(4096), Buffer.alloc(4096, 1), Buffer.alloc(4096, 1)]);
    const path = await packed({ disk }, { blockBytes: 4096, encryption: { password: 'x' } });
    expect(new Set(read(path, { passwords: 'x' }).places).size).toBe(3);
    const snapshot = openSnapshot(path, { passwords: 'x' });
    expect([...snapshot.blocks('disk')].map(({ hash }) => hash)).toEqual(Array(3).fill(undefined));
    snapshot.close();
  });
});

describe('a parent', () => {
  /** A parent, and a disk that differs from it in a few bytes. */
  async function withParent(parentOptions: Partial<PackOptions>, options: Partial<PackOptions>) {
    const disk = content();
    const parent = await packed(
      { disk, memory: disk },
      { ...parentOptions, output: join(newDirectory(), 'parent.hxz') },
    );
    const changed = Buffer.from(disk);
    changed[100_000] = (changed[100_000] as number) ^ 1;
    const longer = Buffer.concat([changed, someBytes(5000)]);
    const passwords = [parentOptions.encryption?.password ?? []].flat();
    const path = await packed(
      { disk: longer, memory: disk },
      { ...options, parent: { path: parent, passwords } },
    );
    const parentDirectories = [join(parent, '..')];
    const found = read(path, { passwords, parentDirectories });
    expectSameBytes(found.disk, longer);
    expectSameBytes(found.memory, disk);
    return found;
  }

  test('lends the blocks that are in the same place', async () => {
    const { kinds, header } = await withParent({}, {});
    expect(kinds.filter((kind) => kind === 'data')).toHaveLength(2);
    expect(kinds).toContain('zero');
    expect(header.parentPaths).toEqual(['parent.hxz']);
  });

  test('is believed in its bytes, not in the hashes that it records', async () => {
    const disk = someBytes(65_536 + 10);
    const path = join(newDirectory(), 'forged.hxz');
    const writer = new SnapshotWriter(path, {}, (plain) => packLz4(Buffer.from(plain).fill(7)));
    writer.addData(disk.subarray(0, 65_536));
    writer.addData(disk.subarray(65_536));
    writer.finish();
    const made = await packed({ disk }, { parent: { path } });
    const snapshot = openSnapshot(made, { parentDirectories: [join(path, '..')] });
    expectSameBytes(readStream(snapshot, 'disk'), disk);
    expect([...snapshot.blocks('disk')].map(({ kind }) => kind)).toEqual(['data', 'data']);
    snapshot.close();
  });

  test('that is damaged lends nothing: packing says so', async () => {
    const disk = someBytes(200_000);
    const path = await packed({ disk }, { output: join(newDirectory(), 'parent.hxz') });
    damageBlock(path, 1);
    await expect(packed({ disk }, { parent: { path } })).rejects.toMatchObject({ code: 'CRC' });
  });

  test('is refused where another file of its name lies beside the output', async () => {
    const directory = newDirectory();
    const encryption = { password: 'x' };
    const [disk, other] = [someBytes(70_000), someBytes(70_000)];
    const path = await packed({ disk }, { encryption, output: join(newDirectory(), 'base.hxz') });
    await packed({ disk: other }, { encryption, output: join(directory, 'base.hxz') });
    const child = packed(
      { disk },
      { output: join(directory, 'child.hxz'), parent: { path, passwords: ['x'] } },
    );
    await expect(child).rejects.toMatchObject({ code: 'USAGE' });
    expect(readdirSync(directory)).toEqual(['base.hxz']);
  });

  test('of the same name, which nobody would find again, is refused', async () => {
    const parent = await packed({ disk: someBytes(100) });
    await expect(
      packed({ disk: someBytes(100) }, { parent: { path: parent } }),
    ).rejects.toMatchObject({ code: 'USAGE' });
  });

  test.each<[string, Partial<PackOptions>, Partial<PackOptions>]>([
    ['with other blocks', { blockBytes: 5000 }, {}],
    ['with another codec', { compression: 'zstd' }, {}],
    ['cut by content', { chunking }, { blockBytes: 4096 }],
    ['that is encrypted', { encryption: { password: 'secret' } }, {}],
  ])('%s lends them too', async (_name, parentOptions, options) => {
    const { kinds } = await withParent(parentOptions, options);
    expect(kinds.filter((kind) => kind === 'data').length).toBeLessThanOrEqual(3);
    expect(kinds).toContain('parent');
  });
});

describe('equal input gives equal bytes', () => {
  test.each<[string, Partial<PackOptions>]>([
    ['lz4', { blockBytes: 4096 }],
    ['zstd', { compression: 'zstd' }],
    ['bundled lz4', { encoders: 'bundled' }],
    ['bundled zstd', { encoders: 'bundled', compression: 'zstd' }],
    ['chunks', { chunking }],
    ['one salt', { encryption: { password: 'p', salt: Buffer.alloc(16, 7) } }],
  ])('whatever the number of threads: %s', async (_name, options) => {
    const streams = { disk: Buffer.concat([content(), content()]), memory: content() };
    const hashes = new Set<string>();
    for (const workerCount of [0, 1, 2, 4]) {
      hashes.add(sha256(readFileSync(await packed(streams, { ...options, workerCount }))));
    }
    expect(hashes.size).toBe(1);
  });

  test.each<[string, Partial<PackOptions>]>([
    ['blocks', {}],
    ['odd blocks', { blockBytes: 5000 }],
    ['chunks', { chunking }],
    ['blocks with a parent', { parent: { path: goldenPath('a-lz4-64k-disk.hxz') } }],
  ])('with holes, without, and from a pipe: %s', async (_name, options) => {
    const directory = newDirectory();
    const path = (name: string) => join(directory, name);
    const [start, end] = [someBytes(70_000), someBytes(9000)];
    writeFileSync(path('sparse'), start);
    const sparse = openSync(path('sparse'), 'r+');
    writeSync(sparse, end, 0, end.length, 700_001);
    ftruncateSync(sparse, 1_000_001);
    closeSync(sparse);
    writeFileSync(path('dense'), readFileSync(path('sparse')));
    makePipe(path('pipe'));
    const hashes = new Set<string>();
    for (const name of ['sparse', 'dense', 'pipe']) {
      const output = path(`${name}.hxz`);
      const packing = pack({ disk: path(name), output, workerCount: 0, ...options });
      if (name === 'pipe') await writeFile(path('pipe'), readFileSync(path('dense')));
      await packing;
      hashes.add(sha256(readFileSync(output)));
    }
    expect(hashes.size).toBe(1);
  });
});

describe('an output', () => {
  test('that exists is replaced only by force', async () => {
    const directory = newDirectory();
    const [disk, output] = [join(directory, 'disk'), join(directory, 'out.hxz')];
    writeFileSync(disk, someBytes(1000));
    writeFileSync(output, 'mine');
    await expect(pack({ disk, output })).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
    expect(readFileSync(output, 'latin1')).toBe('mine');
    await pack({ disk, output, force: true });
    expect(read(output).disk).toHaveLength(1000);
    expect(readdirSync(directory).sort()).toEqual(['disk', 'out.hxz']);
  });

  test.each<[string, (directory: string) => PackOptions, string]>([
    ['the input itself', (at) => ({ disk: join(at, 'disk'), output: join(at, 'disk') }), 'USAGE'],
    ['a directory', (at) => ({ disk: join(at, 'disk'), output: at }), 'OUTPUT_FAILED'],
    ['a device', (at) => ({ disk: join(at, 'disk'), output: '/dev/null' }), 'USAGE'],
    [
      'in no directory',
      (at) => ({ disk: join(at, 'disk'), output: join(at, 'none', 'x') }),
      'OUTPUT_FAILED',
    ],
    ['of nothing', (at) => ({ output: join(at, 'x') }), 'USAGE'],
    [
      'of what is not there',
      (at) => ({ disk: join(at, 'y'), output: join(at, 'x') }),
      'UNREADABLE',
    ],
    [
      'in blocks that cannot be',
      (at) => ({ disk: join(at, 'disk'), output: join(at, 'x'), blockBytes: 0 }),
      'USAGE',
    ],
    [
      'in blocks larger than any may be',
      (at) => ({ disk: join(at, 'disk'), output: join(at, 'x'), blockBytes: 2 ** 27 + 1 }),
      'USAGE',
    ],
  ])('%s is refused, and nothing is left', async (_name, optionsIn, code) => {
    const directory = newDirectory();
    const disk = someBytes(1000);
    writeFileSync(join(directory, 'disk'), disk);
    await expect(
      pack({ force: true, ...optionsIn(directory) }).catch((error: unknown) => {
        throw {
          code: codeOf(() => {
            throw error;
          }),
        };
      }),
    ).rejects.toEqual({ code });
    expect(readFileSync(join(directory, 'disk')).equals(disk)).toBe(true);
    expect(readdirSync(directory)).toEqual(['disk']);
  });

  test('is not made when the signal says so', async () => {
    const directory = newDirectory();
    const [disk, output] = [join(directory, 'disk'), join(directory, 'out.hxz')];
    writeFileSync(disk, someBytes(5_000_000));
    const controller = new AbortController();
    const made = pack({
      disk,
      output,
      workerCount: 2,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(made).rejects.toMatchObject({ name: 'AbortError' });
    expect(readdirSync(directory)).toEqual(['disk']);
  });
});
