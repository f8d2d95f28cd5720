import { createCipheriv, createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openSnapshot } from '../../../../src/index.js';
import { sha256 } from '../../../support/fixtures.js';
import {
  buildErrorOf,
  buildRecipe,
  builtStream,
  writeFiles,
} from '../../../support/recipeFiles.js';
import { expectSameBytes, readRange } from '../../../support/streams.js';
import { temporaryDirectories } from '../../../support/temporary.js';

const newDirectory = temporaryDirectories();

async function diskOf(content: unknown, files: Readonly<Record<string, unknown>> = {}) {
  const directory = writeFiles(newDirectory(), { 'r.yaml': { disk: content }, ...files });
  await buildRecipe(directory);
  return builtStream(directory, 'disk');
}

/** The documented algorithm, written down once more. */
function randomBytes(seed: string, length: number): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

describe('generators', () => {
  test('zeros, pattern, text', async () => {
    const disk = await diskOf([
      { zeros: '1KiB' },
      { pattern: { hex: '01 02 03', length: 8 } },
      { text: 'é\0' },
      { pattern: { text: 'ab', length: 3 } },
    ]);
    const rest = Buffer.from([1, 2, 3, 1, 2, 3, 1, 2, 0xc3, 0xa9, 0, 0x61, 0x62, 0x61]);
    expectSameBytes(disk, Buffer.concat([Buffer.alloc(1024), rest]));
  });

  test('random is AES-256 in counter mode under the SHA-256 of the seed', async () => {
    const disk = await diskOf([
      { random: { seed: 'tide', length: 200_001 } },
      { random: { seed: 7, length: 16 } },
    ]);
    const expected = [randomBytes('tide', 200_001), randomBytes('7', 16)];
    expectSameBytes(disk, Buffer.concat(expected));
    // And for ever.
    expect(disk.toString('hex', 0, 16)).toBe('ac418ae9bf1440bf78d460e44c237647');
  });

  test('text of a seed is lines of words', async () => {
    const disk = await diskOf([{ text: { seed: 'tide', length: 100_000 } }]);
    const lines = disk.toString('latin1').split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(72);
    expect(lines[5]).toMatch(/^[a-z]+( [a-z]+)+$/);
    const again = await diskOf([{ text: { seed: 'tide', length: 5000 } }]);
    expectSameBytes(again, disk.subarray(0, 5000));
    expect(sha256(disk)).toBe('475795da446c6e71a4a7436681b49469de3387261b16a724dd222cabab07d929');
  });

  test('a file beside the recipe, or a range of it', async () => {
    const disk = await diskOf(
      [{ file: 'a/b.txt' }, { file: { path: './a/b.txt', offset: 2, length: '3' } }],
      { 'a/b.txt': '0123456789' },
    );
    expect(disk.toString()).toBe('0123456789234');
  });

  test('what stands at an offset, and the length of a stream', async () => {
    const disk = await diskOf({
      length: 20,
      content: [{ text: 'a' }, { at: 4, text: 'bc' }, { text: 'd' }, { at: 0xa, text: 'e' }],
    });
    expect(disk.toString()).toBe('a\0\0\0bcd\0\0\0e\0\0\0\0\0\0\0\0\0');
  });

  test('a stream of nothing', async () => {
    expect(await diskOf([])).toHaveLength(0);
  });
});

/** A generator as the recipe has it, and what it makes. */
type Model = readonly [recipe: unknown, bytes: Buffer];

const small = fc.nat(5000);
const leaf: fc.Arbitrary<Model> = fc.oneof(
  small.map((length): Model => [{ zeros: length }, Buffer.alloc(length)]),
  fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), small).map(([unit, length]): Model => {
    const hex = Buffer.from(unit).toString('hex');
    return [{ pattern: { hex, length } }, Buffer.alloc(length, unit)];
  }),
  fc
    .tuple(fc.string(), fc.nat(100_000))
    .map(([seed, length]): Model => [{ random: { seed, length } }, randomBytes(seed, length)]),
  fc
    .string({ unit: 'grapheme', maxLength: 50 })
    .map((text): Model => [{ text }, Buffer.from(text)]),
);

const { generator } = fc.letrec<{ generator: Model; list: readonly [unknown[], Buffer] }>(
  (tie) => ({
    generator: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.tuple(fc.nat(4), tie('list')).map(([times, [content, bytes]]): Model => {
        const all = Buffer.concat(Array<Buffer>(times).fill(bytes));
        return [{ repeat: { times, content } }, all];
      }),
    ),
    list: fc
      .array(fc.tuple(fc.option(fc.nat(3000)), tie('generator')), { maxLength: 4 })
      .map((items) => {
        const content: unknown[] = [];
        let bytes: Buffer = Buffer.alloc(0);
        for (const [gap, [recipe, own]] of items) {
          const start = bytes.length + (gap ?? 0);
          content.push({ ...(gap === null ? {} : { at: start }), ...(recipe as object) });
          bytes = Buffer.concat([bytes, Buffer.alloc(gap ?? 0), own]);
        }
        return [content, bytes] as const;
      }),
  }),
);

test('any recipe of generators makes what a simple model makes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(generator, { maxLength: 4 }),
      fc.constantFrom(512, 4096, 65_536),
      async (models, blockSize) => {
        const recipe = { disk: models.map(([own]) => own), pack: { blockSize } };
        const directory = writeFiles(newDirectory(), { 'r.yaml': recipe });
        await buildRecipe(directory);
        const expected = Buffer.concat(models.map(([, bytes]) => bytes));
        expectSameBytes(builtStream(directory, 'disk'), expected);
      },
    ),
    { numRuns: 40 },
  );
});

describe('limits', () => {
  const recipe = (text: string) => writeFiles(newDirectory(), { 'r.yaml': text });

  test.each([
    [
      'what overlaps',
      'disk:\n  - text: abc\n  - { at: 2, text: d }',
      'RECIPE_INVALID 3:11 disk[1].at: lies before the end of what stands before it (3)',
    ],
    [
      'a stream shorter than its contents',
      'disk:\n  length: 2\n  content: [{ text: abc }]',
      'RECIPE_INVALID 2:11 disk.length: its contents have 3 bytes',
    ],
    [
      'a disk beyond what an overlay can hold',
      'disk:\n  - zeros: 16TiB\n  - zeros: 1',
      'LIMIT 2:3 disk: more than 17592186044416 bytes',
    ],
    [
      'data that no disk would hold',
      'disk:\n  - random: { seed: 1, length: 16TiB }',
      'LIMIT 2:13 disk[0].random: more than 68719476736 bytes that are not zeros',
    ],
    [
      'much of little',
      `memory:\n  - repeat:\n      times: 4294967296\n      content: [{ text: "${'x'.repeat(99)}" }]`,
      'LIMIT 3:7 memory[0].repeat: more than 68719476736 bytes that are not zeros',
    ],
    [
      'much of much of nothing',
      'disk:\n  - repeat:\n      times: 4294967296\n      content: [{ zeros: 16TiB }]',
      'LIMIT 3:7 disk[0].repeat: more than 17592186044416 bytes',
    ],
    [
      'blocks without end',
      'disk: [{ zeros: 1TiB }]\npack: { blockSize: 512 }',
      'LIMIT 1:7 disk: more than 16777216 blocks',
    ],
    [
      'a range behind the end',
      'disk:\n  - file: { path: r.yaml, offset: 1MiB }',
      expect.stringMatching(/^RECIPE_INVALID 2:11 disk\[0\]\.file: reaches behind the end, at \d+/),
    ],
    [
      'the stream of no parent',
      'disk: [{ parent: disk }]',
      'RECIPE_INVALID 1:18 disk[0].parent: the recipe has no parent',
    ],
  ])('%s', async (_, text, expected) => {
    const directory = recipe(text);
    expect(await buildErrorOf(directory)).toEqual(expected);
    expect(readdirSync(join(directory, 'out'))).toEqual([]);
  });

  test('64 GiB of holes are made in no time and take no room', async () => {
    const directory = recipe(
      'disk: { length: 64GiB, content: [{ at: 9GiB, text: here }] }\npack: { blockSize: 16MiB }',
    );
    await buildRecipe(directory);
    expect(statSync(join(directory, 'out', 'r.hxz')).size).toBeLessThan(1024 ** 2);
    const snapshot = openSnapshot(join(directory, 'out', 'r.hxz'));
    expect(snapshot.streamLength('disk')).toBe(64 * 1024 ** 3);
    const range = readRange(snapshot, 'disk', 9 * 1024 ** 3 - 1, 6);
    expect(range.toString('latin1')).toBe('\0here\0');
    snapshot.close();
  });
});
