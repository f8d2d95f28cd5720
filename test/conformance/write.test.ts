import { copyFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeSnapshot } from '../../src/engine/snapshot/information.js';
import { type Block, openSnapshot, type StreamName } from '../../src/index.js';
import { runCli } from '../support/cli.js';
import { type GoldenFixture, goldenFixtures, goldenPath } from '../support/fixtures.js';
import { requires } from '../support/requires.js';
import { expectSameBytes, readStream } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';

/*
 * What the Rust hexz has written is made once more, with the command that it was made with, and compared block by
 * block. That needs no Rust hexz; `writeReference.test.ts` does.
 */

const newDirectory = temporaryDirectories();

/** Golden files that a command of the versions 0.4 and 0.5 has made. */
const madeBy = (command: 'pack' | 'commit'): GoldenFixture[] =>
  goldenFixtures.filter((fixture) => fixture.generation !== 'B' && wordsOf(fixture)[0] === command);

/** The words of a command, without its program. A message is the rest of the line. */
function wordsOf({ command }: GoldenFixture): string[] {
  const words = command.replace(/^hexz (data |vm )?/, '');
  const [options = '', message] = words.split(' --message ');
  return [...options.split(' '), ...(message === undefined ? [] : ['--message', message])];
}

/** Runs a command, which must succeed and may warn. */
async function run(
  directory: string,
  args: readonly string[],
  password: string | null = null,
): Promise<void> {
  const env: Record<string, string> = password === null ? {} : { HEXZ_PASSWORD: password };
  const { status, stderr } = await runCli(args, { cwd: directory, env });
  expect([status, stderr.replaceAll(/^hexz: warning: .*\n/gm, '')]).toEqual([0, '']);
}

interface Contents {
  readonly disk: Buffer;
  readonly memory: Buffer;
  readonly blocks: Readonly<Record<StreamName, readonly Block[]>>;
}

function contentsOf(path: string, password: string | null = null): Contents {
  const snapshot = openSnapshot(path, { passwords: password ?? [] });
  try {
    return {
      disk: readStream(snapshot, 'disk'),
      memory: readStream(snapshot, 'memory'),
      blocks: { disk: [...snapshot.blocks('disk')], memory: [...snapshot.blocks('memory')] },
    };
  } finally {
    snapshot.close();
  }
}

interface Shape {
  readonly kind: string;
  readonly offset: number;
  readonly length: number;
  readonly hash: string | undefined;
}

/**
 * Where the blocks of a stream begin and end, and what is in them. Blocks of zeros that the Rust hexz has stored count as such,
 * and the empty block that it puts behind some streams does not count.
 */
function shapesOf(contents: Contents, stream: StreamName): Shape[] {
  const shapes: Shape[] = [];
  for (const { kind, offset, length, hash } of contents.blocks[stream]) {
    if (length === 0) continue;
    const bytes = contents[stream].subarray(offset, offset + length);
    const isZero = kind === 'data' && bytes.every((byte) => byte === 0);
    if (isZero) shapes.push({ kind: 'zero', offset, length, hash: undefined });
    else shapes.push({ kind, offset, length, hash: hash?.toString('hex') });
  }
  return shapes;
}

describe('packed with the command of the Rust hexz', () => {
  const streams = ['disk', 'memory'] as const;

  test.for(madeBy('pack').map((fixture) => [fixture.id, fixture] as const))(
    '%s has its blocks',
    async ([_id, golden], { skip }) => {
      if (golden.command.includes('--train-dict') && !requires('libzstd')) skip();
      const directory = newDirectory();
      const theirs = contentsOf(goldenPath(golden.file), golden.password);
      for (const stream of streams) writeFileSync(join(directory, `${stream}.img`), theirs[stream]);
      await run(directory, wordsOf(golden), golden.password);
      const ours = contentsOf(join(directory, golden.file), golden.password);
      for (const stream of streams) {
        expectSameBytes(ours[stream], theirs[stream]);
        const found = shapesOf(ours, stream);
        // The version 0.4 stores no hashes.
        const isHashed = golden.generation !== 'A4';
        expect(found.map((shape) => (isHashed ? shape : { ...shape, hash: undefined }))).toEqual(
          shapesOf(theirs, stream),
        );
        expect(ours.blocks[stream].every(({ length }) => length > 0)).toBe(true);
      }
    },
  );

  test.each(['b-lz4-file', 'b-zstd-file', 'b-lz4-serial', 'b-lz4-encrypted', 'b-lz4-zeros'])(
    '%s is cut as by the version 0.8, too',
    async (id) => {
      const golden = goldenFixtures.find((fixture) => fixture.id === id) as GoldenFixture;
      const directory = newDirectory();
      const theirs = contentsOf(goldenPath(golden.file), golden.password);
      writeFileSync(join(directory, 'disk'), theirs.disk);
      const sizes = ['--min-chunk', '16384', '--avg-chunk', '65536', '--max-chunk', '262144'];
      await run(directory, ['pack', '--disk', 'disk', '-o', 'ours.hxz', '--cdc', ...sizes]);
      const boundariesOf = (contents: Contents) =>
        shapesOf(contents, 'disk').map(({ kind, offset, length, hash }) => ({
          kind,
          offset,
          length,
          hash: golden.encrypted ? undefined : hash,
        }));
      expect(boundariesOf(contentsOf(join(directory, 'ours.hxz')))).toEqual(boundariesOf(theirs));
    },
  );
});

describe('committed with the command of the Rust hexz', () => {
  /** A directory with what a command needs. */
  function prepare(golden: GoldenFixture): string {
    const directory = newDirectory();
    const [, base = '', overlay = ''] = wordsOf(golden);
    for (const file of [base, ...parentsOf(base)])
      copyFileSync(goldenPath(file), join(directory, file));
    for (const file of [overlay, overlay.replace('.overlay', '.meta')]) {
      copyFileSync(goldenPath(join('overlay', file)), join(directory, file));
    }
    return directory;
  }

  function parentsOf(file: string): readonly string[] {
    const parents = goldenFixtures.find((fixture) => fixture.file === file)?.parent ?? [];
    return parents.flatMap((parent) => [parent, ...parentsOf(parent)]);
  }

  const commits = madeBy('commit').map((fixture) => [fixture.id, fixture] as const);

  test.each(commits)('%s has its disk, its blocks and its message', async (_id, golden) => {
    const directory = prepare(golden);
    const words = wordsOf(golden);
    const base = contentsOf(join(directory, words[1] ?? ''));
    await run(directory, words);
    const path = join(directory, golden.file);
    const [ours, theirs] = [contentsOf(path), contentsOf(goldenPath(golden.file))];
    expectSameBytes(ours.disk, theirs.disk);
    // The Rust hexz loses it.
    expectSameBytes(ours.memory, base.memory);

    const [found, wanted] = [shapesOf(ours, 'disk'), shapesOf(theirs, 'disk')];
    const baseShapes = shapesOf(base, 'disk');
    const withoutHash = (shapes: Shape[]) => shapes.map((shape) => ({ ...shape, hash: undefined }));
    expect(withoutHash(found)).toEqual(withoutHash(wanted));
    found.forEach((shape, block) => {
      const { kind, offset, length } = shape;
      const hash = wanted[block]?.hash;
      const isOwn = baseShapes.some((one) => one.offset === offset && one.length === length);
      // That of another block says nothing; the Rust hexz records it all the same.
      if (kind === 'parent' && !isOwn) expect(shape.hash).toBeUndefined();
      else if (golden.generation !== 'A4') expect(shape.hash).toBe(hash);
    });

    const snapshot = openSnapshot(path);
    expect(snapshot.header.parentPaths.map((parent) => basename(parent))).toEqual(
      golden.parent ?? [],
    );
    expect(snapshot.parents.length).toBe(golden.parent?.length ?? 0);
    snapshot.close();
    expect(describeSnapshot(path).metadataText ?? null).toBe(golden.metadata);
  });

  test('some of the references carry hashes', () => {
    const thin = commits.map(([, golden]) => golden).filter(({ parent }) => parent !== null);
    const hashes = thin.map(
      ({ file }) =>
        contentsOf(goldenPath(file)).blocks.disk.filter(
          ({ kind, hash }) => kind === 'parent' && hash !== undefined,
        ).length,
    );
    expect(Math.max(...hashes)).toBeGreaterThan(0);
  });
});
