import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { jsonOf, runCli } from '../support/cli.js';
import { goldenFixture, goldenFixtures, goldenPath, malformedPath } from '../support/fixtures.js';
import { SnapshotWriter } from '../support/snapshotWriter.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();

const REFERENCE_KEYS = [
  'path',
  'version',
  'compression',
  'block_size',
  'encrypted',
  'has_disk',
  'has_memory',
  'variable_blocks',
  'original_size',
  'compressed_size',
  'compression_ratio',
  'index_offset',
  'primary_pages',
  'secondary_pages',
];

function writeThin(...parentPaths: string[]): string {
  const path = join(newDirectory(), 'thin.hxz');
  const writer = new SnapshotWriter(path, { layout: 'B', parentPaths });
  writer.addZero(1000);
  writer.finish();
  return path;
}

describe.concurrent('info --json', () => {
  test.each([
    'a-lz4-4k-both',
    'a-zstd-encrypted-signed',
    'a-zstd-dict',
    'a-lz4-meta-signed',
    'a-thin-l2',
    'a4-zstd-dict-encrypted',
    'b-zstd-dir',
    's-b-two-parents',
    's-lz4-over-4g',
    'a-lz4-empty-disk',
  ])('tells what the manifest says of %s, without its password', async (id) => {
    const fixture = goldenFixture(id);
    const result = await runCli(['info', goldenPath(fixture.file), '--json']);
    expect([result.status, result.stderr]).toEqual([0, '']);
    const { disk, memory } = fixture;
    const size = disk.size + memory.size;
    const document = jsonOf(result);
    expect(Object.keys(document).slice(0, REFERENCE_KEYS.length)).toEqual(REFERENCE_KEYS);
    expect(document).toMatchObject({
      path: goldenPath(fixture.file),
      version: 1,
      compression: fixture.compression === 'lz4' ? 'Lz4' : 'Zstd',
      block_size: fixture.block_size,
      encrypted: fixture.encrypted,
      has_disk: fixture.has_disk,
      has_memory: fixture.has_memory,
      variable_blocks: fixture.variable_blocks,
      original_size: size,
      compressed_size: fixture.file_size,
      compression_ratio: Number((size / fixture.file_size).toFixed(2)),
      primary_pages: disk.pages,
      secondary_pages: memory.pages,
      generation: fixture.generation,
      problems: [],
    });
    const parents = document.parents as { stored_path: string; found: boolean }[];
    expect(parents.map((parent) => [parent.stored_path, parent.found])).toEqual(
      (fixture.parent ?? []).map((path) => [path, true]),
    );
    const metadata = document.metadata as { text: string } | null;
    expect(metadata?.text ?? null).toBe(fixture.metadata);
    expect(document.signature !== null).toBe(fixture.signed);
    const dictionary = document.dictionary as { length: number } | null;
    expect(dictionary?.length ?? null).toBe(fixture.dictionary_length);
  });

  test('--blocks adds the counts of both streams', async () => {
    const fixture = goldenFixture('s-lz4-short-pages');
    const result = await runCli(['info', goldenPath(fixture.file), '--json', '--blocks']);
    const streams = jsonOf(result).streams as Record<string, { blocks: Record<string, number> }>;
    for (const stream of ['disk', 'memory'] as const) {
      const { data_blocks: data, zero_blocks: zero, parent_refs: parent } = fixture[stream];
      expect(streams[stream]?.blocks).toMatchObject({ data, zero, parent });
    }
  });

  test('tells the parameters of encryption and chunking', async () => {
    const encrypted = jsonOf(await runCli(['info', goldenPath('s-lz4-encrypted.hxz'), '--json']));
    expect(encrypted.encryption).toMatchObject({ cipher: 'AES-256-GCM', iterations: 100_000 });
    const chunked = jsonOf(await runCli(['info', goldenPath('b-lz4-file.hxz'), '--json']));
    expect(chunked.chunking).toEqual({
      average_bytes: 65_536,
      minimum_bytes: 16_384,
      maximum_bytes: 262_144,
    });
  });
});

describe.concurrent('parents', () => {
  test('that are missing are reported, and are no error', async () => {
    const path = writeThin('/gone/base.hxz');
    const result = await runCli(['info', path, '--json']);
    expect(result.status).toBe(0);
    expect(jsonOf(result).parents).toMatchObject([
      {
        stored_path: '/gone/base.hxz',
        found: false,
        path: null,
        error: { code: 'PARENT_MISSING' },
      },
    ]);
    const text = await runCli(['info', path]);
    expect(text.status).toBe(0);
    expect(text.stdout.toString()).toMatch(/\/gone\/base\.hxz\n.*not found.*--parent-dir/);
  });

  test('are looked for in --parent-dir, which may be repeated', async () => {
    const path = writeThin('/gone/a-lz4-4k-both.hxz');
    const directories = ['--parent-dir', newDirectory(), '--parent-dir', goldenPath('.')];
    const result = await runCli(['info', path, '--json', ...directories]);
    expect(jsonOf(result).parents).toMatchObject([
      { found: true, path: goldenPath('a-lz4-4k-both.hxz'), generation: 'A', encrypted: false },
    ]);
  });
});

describe.concurrent('damaged references', () => {
  test.each(['dictionary-past-eof', 'metadata-huge', 'page-offset-overflow', 'iterations-max'])(
    '%s are reported as problems, and are no error',
    async (id) => {
      const path = malformedPath(`${id}.hxz`);
      const result = await runCli(['info', path, '--json']);
      expect([result.status, result.stderr]).toEqual([0, '']);
      expect(jsonOf(result).problems).toHaveLength(1);
      const text = await runCli(['info', path]);
      expect(text.status).toBe(0);
      expect(text.stdout.toString()).toMatch(/Problems.*\n {2}(LIMIT|BAD_OFFSET): /);
    },
  );
});

describe.concurrent('what a file says cannot reach the terminal as anything but text', () => {
  const ESCAPES = ['\u001b[31m', '\u0007', '\u009b2J', '\u202e', '\u2028', '\r', '\u007f'];

  test('in the text of info and verify', async () => {
    const path = writeThin(`a${ESCAPES.join('b')}c.hxz`);
    for (const command of ['info', 'verify']) {
      const { stdout, stderr } = await runCli([command, path]);
      const text = stdout.toString() + stderr;
      expect(text).toContain('\\x1b[31mb\\x07b\\x9b2Jb\\u202eb\\u2028b\\x0d');
      for (const sequence of ESCAPES) expect(text).not.toContain(sequence.charAt(0));
    }
  });

  test('in JSON, which says the same after it was parsed', async () => {
    const storedPath = `a${ESCAPES.join('b')}c.hxz`;
    const result = await runCli(['info', writeThin(storedPath), '--json']);
    expect(jsonOf(result).parents).toMatchObject([{ stored_path: storedPath }]);
    for (const sequence of ESCAPES)
      expect(result.stdout.toString()).not.toContain(sequence.charAt(0));
  });

  test('and cannot look like another line of the report', async () => {
    const path = writeThin('x\nForged: yes\n  Forged: yes');
    for (const command of ['info', 'verify']) {
      const { stdout, stderr } = await runCli([command, path]);
      expect(stdout.toString() + stderr).not.toMatch(/^ *Forged/m);
    }
  });
});

describe.concurrent('the text of info', () => {
  test.each(goldenFixtures.filter(({ id }) => id.startsWith('a4-')))(
    'shows path, generation and sizes of $id',
    async ({ file, disk }) => {
      const { status, stdout } = await runCli(['info', goldenPath(file), '--blocks']);
      const text = stdout.toString();
      expect(status).toBe(0);
      expect(text).toContain(goldenPath(file));
      expect(text).toMatch(/Generation: +A4/);
      expect(text.replaceAll(' ', '')).toContain(`(${disk.size}bytes)`);
      expect(text).toContain('Blocks of disk');
    },
  );
});
