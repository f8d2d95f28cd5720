import { describe, expect, test } from 'vitest';
import { parseRecipe } from '../../../../src/engine/write/recipe/recipe.js';
import { errorOf } from '../../../support/errors.js';

/** Code, place and message of what is wrong with a recipe. */
function problemOf(text: string) {
  const { code, location, message } = errorOf(() => parseRecipe('r.yaml', text));
  return [code, `${location.line}:${location.column}`, message] as const;
}

const problems: readonly (readonly [string, string, string, RegExp])[] = [
  // What YAML itself refuses, and what recipes leave out of it.
  ['nothing', '', '1:1', /^must be a mapping with keys of: name, disk/],
  ['a list', '- disk', '1:1', /^must be a mapping/],
  ['broken YAML', 'disk: [', '1:8', /^is not YAML: /],
  ['a tab', 'disk:\n\t- zeros: 1', '2:1', /^is not YAML: tabs/],
  ['a key twice', 'name: a\nname: b', '2:1', /^is not YAML: map keys must be unique/],
  ['two documents', 'name: a\n---\nname: b', '2:1', /^is more than one document/],
  ['a tag', 'name: !!js/function a', '1:7', /is not YAML: unresolved tag/],
  [
    'a tag that YAML knows',
    'name: !!binary YWJj',
    '1:16',
    /^tags such as .*binary are not allowed/,
  ],
  ['a key that is no text', 'disk:\n  - zeros: 1\n1: 2', '3:1', /^a key must be a text/],
  ['the key of prototypes', 'disk: [{ zeros: 1 }]\n__proto__: {}', '2:1', /^a key must be a text/],
  ['an alias of nothing', 'disk: *nothing', '1:7', /^there is no anchor &nothing/],
  ['what holds itself', 'disk: &a [{ repeat: { times: 2, content: *a } }]', '1:42', /^an alias/],
  ['depth', `disk: ${'['.repeat(200)}${']'.repeat(200)}`, '1:105', /^is nested too deeply/],
  // Fields.
  ['no stream', 'name: a', '1:1', /^must have a stream: disk, memory or both/],
  [
    'an unknown key',
    'disk: []\ndisc: []',
    '2:1',
    /^unknown key "disc"; allowed: name, disk, memory/,
  ],
  ['no list', 'disk: 5', '1:7', /^disk: must be a list of generators, or a mapping/],
  ['no generator', 'disk:\n  - at: 0', '2:5', /^disk\[0\]: must have a generator, one of: zeros/],
  ['two', 'disk:\n  - zeros: 1\n    text: a', '2:5', /^disk\[0\]: must have one generator, not/],
  ['an unknown one', 'disk:\n  - ones: 1', '2:5', /^disk\[0\]: unknown key "ones"; allowed: at/],
  ['no size', 'disk:\n  - zeros: many', '2:12', /^disk\[0\]\.zeros: must be a size such as/],
  ['a negative size', 'disk:\n  - zeros: -1', '2:12', /^disk\[0\]\.zeros: must be from 0 to/],
  ['a fraction', 'disk:\n  - zeros: 1.5', '2:12', /^disk\[0\]\.zeros: must be a size/],
  ['infinity', 'disk:\n  - zeros: .inf', '2:12', /^disk\[0\]\.zeros: must be a size/],
  ['a huge size', 'disk:\n  - zeros: 17TiB', '2:12', /^disk\[0\]\.zeros: must be from 0 to 17592/],
  [
    'no seed',
    'disk:\n  - random: { length: 4 }',
    '2:13',
    /^disk\[0\]\.random\.seed: is missing; it must be a text/,
  ],
  ['half a byte', 'disk:\n  - pattern: { hex: abc, length: 4 }', '2:21', /\.hex: must be pairs/],
  ['an empty unit', 'disk:\n  - pattern: { text: "", length: 4 }', '2:14', /at least one byte/],
  ['no unit', 'disk:\n  - pattern: { length: 4 }', '2:14', /pattern: must have one of: hex, text/],
  [
    'text of a number',
    'disk:\n  - text: 5',
    '2:11',
    /^disk\[0\]\.text: must be a text, or a mapping/,
  ],
  ['unknown in text', 'disk:\n  - text: { sead: 1, length: 4 }', '2:13', /text.*(sead|seed)/],
  [
    'inside repeat',
    'disk:\n  - repeat:\n      times: 2\n      content:\n        - zeros: x',
    '5:18',
    /^disk\[0\]\.repeat\.content\[0\]\.zeros/,
  ],
  [
    'inside a mapping',
    'disk:\n  length: 9\n  content:\n    - { text: [] }',
    '4:15',
    /^disk\.content\[0\]\.text/,
  ],
  [
    'times',
    'disk:\n  - repeat: { times: -1, content: [] }',
    '2:22',
    /times: must be a whole number/,
  ],
  ['a stream', 'disk: [{ parent: main }]', '1:18', /disk\[0\]\.parent: must be/],
  ['compression', 'disk: []\npack:\n  compression: gzip', '3:16', /must be one of: lz4, zstd/],
  [
    'blocks of nothing',
    'disk: []\npack: { blockSize: 0 }',
    '2:20',
    /pack\.blockSize: must be from 1/,
  ],
  [
    'chunks',
    'disk: []\npack:\n  cdc: { minimum: 9KiB, average: 8KiB }',
    '3:8',
    /the minimum must be below/,
  ],
  ['salt', 'disk: []\npack:\n  encrypt: { password: a, salt: 00 }', '3:33', /salt: must be/],
  ['no salt', 'disk: []\npack:\n  encrypt: { password: a }', '3:12', /encrypt\.salt: is missing/],
  ['a path as name', 'name: ../a\ndisk: []', '1:7', /^name: must be a plain file name/],
  ['a hidden name', 'name: .a\ndisk: []', '1:7', /^name: must be a plain file name/],
  [
    'overlay of memory',
    'memory: []\noverlay: { file: a, writes: [] }',
    '2:10',
    /^overlay: needs a disk/,
  ],
  [
    'name of a list',
    'disk: []\noverlay: { file: a.meta, writes: [] }',
    '2:18',
    /must not end in .meta/,
  ],
  ['a step', 'disk: []\noverlay:\n  file: a\n  writes:\n    - { offset: 0 }', '5:7', /generator/],
  [
    'a place',
    'disk: []\noverlay:\n  file: a\n  writes:\n    - { text: a }',
    '5:7',
    /truncate, offset, find/,
  ],
  [
    'two steps',
    'disk: []\noverlay:\n  file: a\n  writes:\n    - { truncate: 1, text: a }',
    '5:7',
    /alone/,
  ],
  [
    'parents',
    'disk: []\nparent: { thin: false }',
    '2:9',
    /parent: must have one of: recipe, snapshot/,
  ],
  // File systems.
  [
    'ext4 without size',
    'disk: [{ ext4: {} }]',
    '1:16',
    /ext4\.size: is missing; it must be a size/,
  ],
  ['a size between blocks', 'disk: [{ ext4: { size: 1000001 } }]', '1:24', /multiple of 4096/],
  ['block size', 'disk: [{ ext4: { size: 1MiB, blockSize: 3000 } }]', '1:41', /1024, 2048 or 4096/],
  ['uuid', 'disk: [{ ext4: { size: 1MiB, uuid: x } }]', '1:36', /must be a UUID/],
  ['label', 'disk: [{ ext4: { size: 1MiB, label: abcdefghijklmnopq } }]', '1:37', /label: must be/],
  ['journal', 'disk: [{ ext4: { size: 8MiB, journal: 1MiB } }]', '1:39', /1024 blocks/],
  [
    'mode as number',
    'disk:\n  - ext4:\n      size: 1MiB\n      tree:\n        a: { text: a, mode: 0644 }',
    '5:29',
    /"0644"/,
  ],
  ['time', 'disk: [{ ext4: { size: 1MiB, time: 2024-02-30 } }]', '1:36', /must be a time such as/],
  [
    'a late time',
    'disk: [{ ext4: { size: 1MiB, time: 2040-01-01T00:00:00Z } }]',
    '1:36',
    /from 1970 to 2038/,
  ],
  [
    'file as directory',
    'disk: [{ ext4: { size: 1MiB, tree: { a/: text } } }]',
    '1:42',
    /is a directory/,
  ],
  [
    'directory as file',
    'disk: [{ ext4: { size: 1MiB, tree: { a:  } } }]',
    '1:42',
    /ends in a slash/,
  ],
  [
    'two kinds',
    'disk: [{ ext4: { size: 1MiB, tree: { a: { text: a, symlink: b } } } }]',
    '1:41',
    /one of/,
  ],
  [
    'one path twice',
    'disk: [{ ext4: { size: 1MiB, tree: { a: x, a/: {} } } }]',
    '1:48',
    /is there twice/,
  ],
  [
    'ext4 in ext4',
    'disk: [{ ext4: { size: 1MiB, tree: { a: { ext4: { size: 1MiB } } } } }]',
    '1:43',
    /unknown key/,
  ],
];

describe('what a recipe cannot say is told with its place', () => {
  test.each(problems)('%s', (_, text, place, message) => {
    const problem = problemOf(text);
    expect(problem).toEqual(['RECIPE_INVALID', place, expect.stringMatching(message)]);
  });
});

test('depth that no stack would take is refused as well', () => {
  const [code, , message] = problemOf(`disk: ${'['.repeat(20_000)}`);
  expect([code, message]).toEqual(['RECIPE_INVALID', 'is nested too deeply']);
});

test('an error in one line names file, line, column and field', () => {
  const error = errorOf(() => parseRecipe('a/b.yaml', 'disk:\n  - zeros: x\n  - zeros: y\n'));
  expect(error.toLine()).toBe(
    'a/b.yaml:2:12: disk[0].zeros: must be a size such as 4096, 0x1000 or 64KiB (and 1 more)',
  );
  expect(error.toJSON()).toMatchObject({ file: 'a/b.yaml', line: 2, column: 12 });
});

test('aliases can stand for much, not for very much', () => {
  const bomb = (level: number): string => (level === 0 ? 'x' : `*a${level - 1}`);
  const lines = [0, 1, 2].map((level) => `a${level}: &a${level} [${bomb(level)}, ${bomb(level)}]`);
  expect(problemOf(lines.join('\n'))).toEqual([
    'RECIPE_INVALID',
    '2:10',
    'an alias cannot stand for what holds aliases',
  ]);
  const many = (count: number) => `disk:\n  - &z { zeros: 1 }\n${'  - *z\n'.repeat(count)}`;
  expect(parseRecipe('r.yaml', many(100)).spec.disk?.content).toHaveLength(101);
  expect(problemOf(many(101))).toEqual(['LIMIT', '103:5', 'more than 100 aliases']);
});

test('sizes are numbers or texts', () => {
  const sizes = ['4096', '"4096"', '0x1000', '4KiB', '4k', '0.00390625MiB'];
  const text = `disk: [${sizes.map((size) => `{ zeros: ${size} }`).join(', ')}]`;
  for (const { generator } of parseRecipe('r.yaml', text).spec.disk?.content ?? []) {
    expect(generator).toEqual({ kind: 'zeros', length: 4096 });
  }
});

test('what is left out has the defaults of hexz pack', () => {
  expect(parseRecipe('r.yaml', 'disk: []').spec).toEqual({
    name: undefined,
    disk: { length: undefined, content: [], contentPath: [] },
    memory: undefined,
    parent: undefined,
    pack: { compression: 'lz4', blockBytes: 65_536 },
    overlay: undefined,
  });
  expect(parseRecipe('r.yaml', 'disk: []\npack: { cdc: {} }').spec.pack.chunking).toEqual({
    minimumBytes: 16_384,
    averageBytes: 65_536,
    maximumBytes: 131_072,
  });
});
