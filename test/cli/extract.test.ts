import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSnapshot } from '../../src/index.js';
import { jsonOf, runCli } from '../support/cli.js';
import { goldenFixture, goldenPath, malformedPath, sha256 } from '../support/fixtures.js';
import { SnapshotWriter } from '../support/snapshotWriter.js';
import { expectSameBytes, readStream } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();

const file = goldenPath('a-lz4-4k-both.hxz');
const snapshot = openSnapshot(file);
const disk = readStream(snapshot, 'disk');
snapshot.close();

const extractDisk = (...args: string[]) => runCli(['extract', file, '--stream', 'disk', ...args]);

describe.concurrent('every kind of golden file', () => {
  test.each([
    'a-lz4-1m-both',
    'a-zstd-64k-both',
    'a-zstd-memory-only',
    'a-zstd-dict-encrypted',
    'a-thin-l2',
    'a4-lz4-cdc',
    'a4-thin',
    'b-chain-2',
    'b-lz4-dir-memory',
    's-thin-uncovered',
  ])('%s comes out of the pipe as what was packed', async (id) => {
    const fixture = goldenFixture(id);
    const env = fixture.password === null ? {} : { HEXZ_PASSWORD: fixture.password };
    for (const stream of ['disk', 'memory'] as const) {
      if (fixture[stream].size === 0) continue;
      const args = ['extract', goldenPath(fixture.file), '--stream', stream];
      const { status, stdout, stderr } = await runCli(args, { env });
      expect([status, stderr]).toEqual([0, '']);
      expect([stdout.length, sha256(stdout)]).toEqual([
        fixture[stream].size,
        fixture[stream].sha256,
      ]);
    }
  });

  test.each(['a-lz4-64k-disk', 'a-zstd-dict', 'a4-zstd-dict-encrypted'])(
    '%s comes out the same without the libraries of the system',
    async (id) => {
      const fixture = goldenFixture(id);
      const env = { HEXZ_CODECS: 'bundled', HEXZ_PASSWORD: fixture.password ?? '' };
      const args = ['extract', goldenPath(fixture.file), '--stream', 'disk', '--cache-size', '0'];
      const { status, stdout } = await runCli(args, { env });
      expect([status, sha256(stdout)]).toEqual([0, fixture.disk.sha256]);
    },
  );
});

describe.concurrent('a range', () => {
  test.each([
    [['--offset', '0x1000'], 0x1000, disk.length],
    [['--offset', '8k', '--length', '10'], 8192, 8202],
    [['--offset', '4KB', '--length', '1.5K'], 4096, 4096 + 1536],
    [['--length', '100'], 0, 100],
    [['--length', '0'], 0, 0],
    [['--offset', '40961'], 40_961, 40_961],
  ])('%j', async (args, start, end) => {
    const { status, stdout, stderr } = await extractDisk(...args);
    expect([status, stderr]).toEqual([0, '']);
    expectSameBytes(stdout, disk.subarray(start, end));
  });

  test('that reaches behind the end ends there, and says so', async () => {
    const { status, stdout, stderr } = await extractDisk('--offset', '40000', '--length', '1G');
    expect([status, stderr]).toEqual([
      0,
      expect.stringMatching(/^hexz: note: [^\n]+ends[^\n]+\n$/),
    ]);
    expectSameBytes(stdout, disk.subarray(40_000));
  });

  test.each([
    ['--offset', '40962'],
    ['--offset', '-1'],
    ['--offset', 'x'],
    ['--offset', '1e3'],
    ['--offset', '9007199254740993'],
    ['--length', ''],
    ['--length', '5 k'],
    ['--length', '0x'],
  ])('%s %j is a usage error', async (...args) => {
    const { status, stdout, stderr } = await extractDisk(...args);
    expect([status, stdout.length]).toEqual([2, 0]);
    expect(stderr).toMatch(/^hexz: .*--(offset|length)/);
  });
});

describe.concurrent('what cannot be extracted', () => {
  test('is a stream that is not there, with a hint at the other', async () => {
    const path = goldenPath('a-lz4-64k-disk.hxz');
    const { status, stdout, stderr } = await runCli(['extract', path, '--stream', 'memory']);
    expect([status, stdout.length]).toEqual([3, 0]);
    expect(stderr).toBe(`hexz: ${path}: the snapshot has no memory stream; it has a disk stream\n`);
  });

  test('is a damaged block: the bytes before it are all there is, and no file is left', async () => {
    const path = malformedPath('crc-flip.hxz');
    const directory = newDirectory();
    const target = join(directory, 'disk');
    const toFile = await runCli(['extract', path, '--stream', 'disk', '-o', target]);
    expect([toFile.status, toFile.stdout.length]).toEqual([4, 0]);
    expect(toFile.stderr).toContain('disk stream, block 2');
    expect(readdirSync(directory)).toEqual([]);
    const toPipe = await runCli(['extract', path, '--stream', 'disk']);
    expect(toPipe.status).toBe(4);
    expect(toPipe.stdout.length).toBeLessThanOrEqual(8192);
  });
});

describe.concurrent('a file', () => {
  test('gets the bytes, and --json tells which', async () => {
    const target = join(newDirectory(), 'disk');
    const result = await extractDisk('-o', target, '--json', '--offset', '1k');
    expect(result.status).toBe(0);
    expectSameBytes(readFileSync(target), disk.subarray(1024));
    expect(jsonOf(result)).toEqual({
      path: file,
      stream: 'disk',
      offset: 1024,
      length: disk.length - 1024,
      output: target,
    });
  });

  test('is sparse where the snapshot is', async () => {
    const directory = newDirectory();
    const source = join(directory, 'sparse.hxz');
    const writer = new SnapshotWriter(source);
    writer.addZero(100 * 2 ** 20);
    writer.addData(Buffer.alloc(70_000, 'data'));
    writer.addData(Buffer.alloc(2 ** 20));
    for (let block = 0; block < 100; block++) writer.addZero(100 * 2 ** 20);
    writer.finish();
    const target = join(directory, 'disk');
    const { status } = await runCli(['extract', source, '--stream', 'disk', '-o', target]);
    expect(status).toBe(0);
    const { size, blocks } = statSync(target);
    expect(size).toBe(101 * 100 * 2 ** 20 + 70_000 + 2 ** 20);
    expect(blocks * 512).toBeLessThan(200_000);
  });

  test('that exists is kept, and replaced with --force', async () => {
    const directory = newDirectory();
    const target = join(directory, 'disk');
    writeFileSync(target, 'precious');
    const refused = await extractDisk('-o', target);
    expect([refused.status, readFileSync(target, 'utf8')]).toEqual([8, 'precious']);
    expect(refused.stderr).toBe(`hexz: ${target}: the file exists; give --force to replace it\n`);
    const forced = await extractDisk('-o', target, '--force');
    expect(forced.status).toBe(0);
    expectSameBytes(readFileSync(target), disk);
    expect(readdirSync(directory)).toEqual(['disk']);
  });

  test('is never the very snapshot, also not with --force', async () => {
    const directory = newDirectory();
    const copy = join(directory, 'copy.hxz');
    writeFileSync(copy, readFileSync(file));
    const { status } = await runCli(['extract', copy, '--stream', 'disk', '-o', copy]);
    expect([status, sha256(readFileSync(copy))]).toEqual([8, sha256(readFileSync(file))]);
    const forced = await runCli(['extract', copy, '--stream', 'disk', '-o', copy, '--force']);
    expect([forced.status, sha256(readFileSync(copy))]).toEqual([2, sha256(readFileSync(file))]);
  });

  test('of an encrypted snapshot, or of one over an encrypted parent, is for its owner only', async () => {
    const directory = newDirectory();
    const fixture = goldenFixture('s-lz4-encrypted');
    const child = join(directory, 'child.hxz');
    const writer = new SnapshotWriter(child, { parentPaths: [goldenPath(fixture.file)] });
    writer.addParent(100);
    writer.finish();
    const env = { HEXZ_PASSWORD: fixture.password ?? '' };
    for (const source of [goldenPath(fixture.file), child]) {
      const target = join(newDirectory(), 'secret');
      const { status } = await runCli(['extract', source, '--stream', 'disk', '-o', target], {
        env,
      });
      expect([status, statSync(target).mode & 0o777]).toEqual([0, 0o600]);
    }
    const plain = join(newDirectory(), 'plain');
    await extractDisk('-o', plain);
    expect(statSync(plain).mode & 0o777).toBe(0o666 & ~process.umask());
  });
});

test('--json without -o is a usage error: the bytes are on standard output', async () => {
  const { status, stderr } = await extractDisk('--json');
  expect([status, stderr]).toEqual([
    2,
    'hexz: --json needs -o FILE: standard output carries the bytes\n',
  ]);
});
