import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import pty from '@lydell/node-pty';
import { afterEach, describe, expect, test } from 'vitest';
import type { Overlay } from '../../src/engine/overlay/overlay.js';
import { openOverlay, openSnapshot, Selection } from '../../src/index.js';
import { type CliResult, cliEnvironment, cliPath, runCli } from '../support/cli.js';
import { goldenFixture, goldenOverlays, goldenPath } from '../support/fixtures.js';
import { markedBytes } from '../support/overlay/memoryBase.js';
import { listOf } from '../support/overlay/openOverlays.js';
import { damageBlock, packSnapshot } from '../support/snapshots.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();
const PAGE_BYTES = 4096;
const base = goldenPath('a-lz4-64k-disk.hxz');
const DISK_BYTES = goldenFixture('a-lz4-64k-disk').disk.size;

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** An overlay of a snapshot, closed unless told otherwise. */
async function overlayOf(
  work: (overlay: Overlay) => unknown,
  { snapshotPath = base, name = 'disk.overlay', staysOpen = false } = {},
): Promise<string> {
  const path = join(newDirectory(), name);
  const snapshot = openSnapshot(snapshotPath);
  const overlay = openOverlay(snapshot, { path, access: 'write' });
  await work(overlay);
  const end = async () => {
    await overlay.close();
    snapshot.close();
  };
  if (staysOpen) ends.push(end);
  else await end();
  return path;
}

/** The files of an overlay that the Rust hexz wrote, which says nothing of its base. */
function goldenOverlay(id: string): { path: string; base: string } {
  const golden = goldenOverlays.find((candidate) => candidate.id === id);
  if (golden === undefined) throw new Error(`no golden overlay ${id}`);
  const directory = newDirectory();
  for (const file of [golden.data, golden.meta]) {
    copyFileSync(goldenPath(file), join(directory, basename(file)));
  }
  return { path: join(directory, basename(golden.data)), base: goldenPath(golden.base) };
}

const diff = (...args: string[]): Promise<CliResult> => runCli(['diff', ...args]);
const textOf = ({ stdout }: CliResult): string => stdout.toString();
const linesOf = (result: CliResult): string[] => textOf(result).trimEnd().split('\n');
const jsonLines = (result: CliResult): Record<string, unknown>[] =>
  linesOf(result).map((line) => JSON.parse(line) as Record<string, unknown>);

describe('of an overlay', () => {
  test('the sums are printed, and the exit is 1', async () => {
    const { path, base: snapshot } = goldenOverlay('ov1');
    const result = await diff(path, '--base', snapshot);
    expect([result.status, result.stderr]).toEqual([1, '']);
    for (const line of [
      /Result: +different/,
      /Size before: 300 001 bytes/,
      /Size after: +315 000 bytes/,
      /Dirty: +9 pages \(36.00 KiB\) in 5 extents/,
      /changed: +7 pages/,
      /new: +2 pages/,
      /no-op: +0 pages/,
      /Different: +11 728 bytes/,
      /New: +10 903 bytes/,
      /Grown: +14 999 bytes/,
    ]) {
      expect(textOf(result)).toMatch(line);
    }
    expect(textOf(await diff(path, '--base', snapshot, '--stat'))).toBe(textOf(result));
  });

  test('its base is the one it records', async () => {
    const path = await overlayOf((overlay) => overlay.write(5, Buffer.from('abc')));
    const result = await diff(path);
    expect(result.status).toBe(1);
    expect(textOf(result)).toContain(base);
  });

  test('that holds only what the base has, the exit is 0', async () => {
    const snapshot = openSnapshot(base);
    const bytes = Buffer.alloc(3 * PAGE_BYTES);
    snapshot.readInto('disk', PAGE_BYTES, bytes);
    snapshot.close();
    const path = await overlayOf((overlay) => overlay.write(PAGE_BYTES, bytes));
    const result = await diff(path);
    expect([result.status, result.stderr]).toEqual([0, '']);
    expect(textOf(result)).toMatch(/Result: +same/);
    expect(textOf(result)).toMatch(/no-op: +3 pages/);
    expect(textOf(await diff(path, '--pages'))).toMatch(/^1-3 {2}# 0x1000, 3 pages, equal$/m);
    expect(textOf(await diff(path, '--hex'))).toBe('');
    expect((await diff(path, '--hex')).status).toBe(0);
  });

  test('that is empty, the exit is 0', async () => {
    const path = await overlayOf(() => {});
    expect((await diff(path)).status).toBe(0);
    const json = await diff(path, '--json');
    expect([json.status, jsonLines(json).length]).toEqual([0, 1]);
  });

  test('a disk that was cut, or cut and made longer again, is told', async () => {
    const cut = await overlayOf((overlay) => overlay.truncate(100_000));
    const result = await diff(cut);
    expect(result.status).toBe(1);
    expect(textOf(result)).toMatch(/Removed: +200 001 bytes/);
    const again = await overlayOf((overlay) => {
      overlay.truncate(100_001);
      overlay.truncate(DISK_BYTES);
    });
    const pages = await diff(again, '--pages');
    expect(pages.status).toBe(1);
    expect(textOf(pages)).toMatch(/^# disk cut: 0x186a1\+200000$/m);
    expect(jsonLines(await diff(again, '--json'))).toMatchObject([
      { type: 'range', kind: 'cut', offset: 100_001, length: 200_000 },
      { type: 'summary', same: false, streams: { disk: { cutRanges: 1, cutBytes: 200_000 } } },
    ]);
  });

  test('the lines of --pages are a selection of all that was changed', async () => {
    const { path, base: snapshot } = goldenOverlay('ov1');
    const result = await diff(path, '--base', snapshot, '--pages');
    expect(linesOf(result)).toEqual([
      `# hexz diff --pages: overlay ${path} against ${snapshot}`,
      '0-1  # 0x0, 2 pages, changed: 3 500 bytes different',
      '15-16  # 0xf000, 2 pages, changed: 25 bytes different',
      '32-33  # 0x20000, 2 pages, changed: 8 192 bytes different',
      '73  # 0x49000, 1 page, changed: 11 bytes different, 3 103 new',
      '# disk grown: 0x493e1+14999',
      '75-76  # 0x4b000, 2 pages, new: 7 800 bytes',
    ]);
    const selection = Selection.parse(textOf(result), 'printed');
    const pages = [...selection.partsIn(0, Number.POSITIVE_INFINITY)].flatMap(
      ({ startOffset, endOffset }) =>
        Array.from(
          { length: (endOffset - startOffset) / PAGE_BYTES },
          (_, page) => startOffset / PAGE_BYTES + page,
        ),
    );
    expect(pages).toEqual([0, 1, 15, 16, 32, 33, 73, 75, 76]);
  });

  test('a line feed in a name cannot become a line of the selection', async () => {
    const path = await overlayOf((overlay) => overlay.write(0, Buffer.from('abc')), {
      name: 'a\n7-9\n.overlay',
    });
    const result = await diff(path, '--base', base, '--pages');
    expect([
      ...Selection.parse(textOf(result), 'printed').partsIn(0, Number.POSITIVE_INFINITY),
    ]).toEqual([{ startOffset: 0, endOffset: PAGE_BYTES }]);
  });

  test('in JSON it is a document a line, the last one the sums', async () => {
    const { path, base: snapshot } = goldenOverlay('ov1');
    const result = await diff(path, '--base', snapshot, '--json');
    expect([result.status, result.stderr]).toEqual([1, '']);
    const documents = jsonLines(result);
    expect(documents.map(({ type, kind, offset, length }) => [type, kind, offset, length])).toEqual(
      [
        ['extent', 'changed', 0, 8192],
        ['extent', 'changed', 61_440, 8192],
        ['extent', 'changed', 131_072, 8192],
        ['extent', 'changed', 299_008, 4096],
        ['range', 'grown', 300_001, 14_999],
        ['extent', 'new', 307_200, 7800],
        ['summary', undefined, undefined, undefined],
      ],
    );
    expect(documents.at(-1)).toEqual({
      type: 'summary',
      same: false,
      live: false,
      before: snapshot,
      after: path,
      warnings: [],
      streams: {
        disk: {
          lengthBefore: 300_001,
          lengthAfter: 315_000,
          extents: 5,
          changedPages: 7,
          equalPages: 0,
          newPages: 2,
          differentBytes: 11_728,
          newBytes: 10_903,
          cutRanges: 0,
          cutBytes: 0,
          grownBytes: 14_999,
          removedBytes: 0,
          comparedBytes: 36_472,
        },
      },
    });
    const sums = await diff(path, '--base', snapshot, '--json', '--stat');
    expect(jsonLines(sums)).toEqual([documents.at(-1)]);
    const runs = jsonLines(await diff(path, '--base', snapshot, '--json', '--pages'));
    expect(runs.map(({ type }) => type)).toEqual([
      ...['run', 'run', 'run', 'run', 'range', 'run', 'summary'],
    ]);
  });

  test('that is being written is told as live, as its last flush left it', async () => {
    const path = await overlayOf(
      async (overlay) => {
        overlay.write(0, Buffer.from('flushed'));
        await overlay.sync();
        overlay.write(10 * PAGE_BYTES, Buffer.from('not flushed'));
      },
      { staysOpen: true },
    );
    const result = await diff(path);
    expect([result.status, result.stderr]).toEqual([1, '']);
    expect(textOf(result)).toMatch(/State: +live/);
    expect(textOf(result)).toMatch(/Dirty: +1 page /);
    expect(textOf(await diff(path, '--pages'))).toMatch(/^# live/m);
    expect((await diff(path, '--hex')).stderr).toContain('live');
    expect(jsonLines(await diff(path, '--json')).at(-1)).toMatchObject({ live: true });
  });

  test('what opening met is told', async () => {
    const path = await overlayOf((overlay) => overlay.write(0, Buffer.from('abc')));
    const list = path.replace(/\.overlay$/, '.meta');
    writeFileSync(list, Buffer.concat([readFileSync(list), listOf(9)]));
    const result = await diff(path);
    expect(result.stderr).toMatch(/^hexz: note: another program has written/);
    expect(jsonLines(await diff(path, '--json')).at(-1)).toMatchObject({
      warnings: [expect.stringContaining('another program') as unknown],
    });
  });
});

describe('--hex', () => {
  async function changedAt(...offsets: number[]): Promise<string> {
    const snapshotPath = packSnapshot(join(newDirectory(), 'base.hxz'), {
      disk: Buffer.from('0123456789abcdef'.repeat(2000)),
    });
    return overlayOf(
      (overlay) => {
        for (const offset of offsets) overlay.write(offset, Buffer.from('XY'));
      },
      { snapshotPath },
    );
  }

  test('shows both sides with stars at what changed, in 80 columns', async () => {
    const path = await changedAt(17, 0x108);
    const result = await diff(path, '--hex');
    expect(result.status).toBe(1);
    const lines = linesOf(result);
    expect(lines.slice(1)).toEqual([
      '0x00000000 30 31 32 33 34 35 36 37 01234567| 30 31 32 33 34 35 36 37 01234567',
      '0x00000008 38 39 61 62 63 64 65 66 89abcdef| 38 39 61 62 63 64 65 66 89abcdef',
      '0x00000010 30*31*32 33 34 35 36 37 01234567| 30*58*59 33 34 35 36 37 0XY34567',
      '0x00000018 38 39 61 62 63 64 65 66 89abcdef| 38 39 61 62 63 64 65 66 89abcdef',
      '0x00000020 30 31 32 33 34 35 36 37 01234567| 30 31 32 33 34 35 36 37 01234567',
      '... 26 rows without a change',
      '0x000000f8 38 39 61 62 63 64 65 66 89abcdef| 38 39 61 62 63 64 65 66 89abcdef',
      '0x00000100 30 31 32 33 34 35 36 37 01234567| 30 31 32 33 34 35 36 37 01234567',
      '0x00000108*38*39 61 62 63 64 65 66 89abcdef|*58*59 61 62 63 64 65 66 XYabcdef',
      '0x00000110 30 31 32 33 34 35 36 37 01234567| 30 31 32 33 34 35 36 37 01234567',
      '0x00000118 38 39 61 62 63 64 65 66 89abcdef| 38 39 61 62 63 64 65 66 89abcdef',
    ]);
    for (const line of lines.slice(1)) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('says where one side ends', async () => {
    const snapshotPath = packSnapshot(join(newDirectory(), 'base.hxz'), {
      disk: markedBytes(10, 1),
    });
    const path = await overlayOf((overlay) => overlay.write(20, Buffer.from('end')), {
      snapshotPath,
    });
    const lines = linesOf(await diff(path, '--hex'));
    expect(lines).toContain('grown: 0xa+13');
    expect(lines.some((line) => / {24} {9}\|.*\*65\*6e\*64 /.test(line))).toBe(true);
    const cut = await overlayOf((overlay) => overlay.truncate(4), { snapshotPath });
    expect(linesOf(await diff(cut, '--hex'))).toContain('removed: 0x4+6');
  });

  test('in JSON has the rows that changed', async () => {
    const path = await changedAt(17);
    const rows = jsonLines(await diff(path, '--hex', '--json')).filter(
      ({ type }) => type === 'row',
    );
    expect(rows).toEqual([
      {
        type: 'row',
        stream: 'disk',
        offset: 16,
        before: Buffer.from('0123456789abcdef').toString('hex'),
        after: Buffer.from('0XY3456789abcdef').toString('hex'),
      },
    ]);
  });

  /** What a terminal of that many columns is sent. */
  function onTerminal(
    args: readonly string[],
    columns: number,
    env: Record<string, string> = {},
  ): Promise<string> {
    const terminal = pty.spawn(process.execPath, [cliPath, 'diff', ...args], {
      cols: columns,
      env: { ...cliEnvironment({ TERM: 'xterm', ...env }) } as Record<string, string>,
    });
    let shown = '';
    terminal.onData((data) => {
      shown += data;
    });
    return new Promise((resolve) => terminal.onExit(() => resolve(shown)));
  }

  const withoutColours = (text: string): string[] =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what colours are made of
    text.replace(/\u001b\[[\d;]*[mK]/g, '').split(/\r*\n/);

  test('has colours on a terminal, and as many bytes a row as it has room for', async () => {
    const path = await changedAt(17);
    const narrow = await onTerminal([path, '--hex'], 80);
    expect(narrow).toContain('\u001b[0;35;7m58');
    expect(narrow).not.toContain('*');
    const rowIn = (text: string) =>
      withoutColours(text).find((line) => line.startsWith('0x00000010')) ?? '';
    expect(rowIn(narrow)).toBe(
      '0x00000010 30 31 32 33 34 35 36 37 01234567| 30 58 59 33 34 35 36 37 0XY34567',
    );
    expect(rowIn(await onTerminal([path, '--hex'], 160))).toBe(
      '0x00000010 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 0123456789abcdef' +
        '| 30 58 59 33 34 35 36 37 38 39 61 62 63 64 65 66 0XY3456789abcdef',
    );
    expect(rowIn(await onTerminal([path, '--hex'], 120))).toBe(
      '0x00000010 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66' +
        '| 30 58 59 33 34 35 36 37 38 39 61 62 63 64 65 66',
    );
    const plain = await onTerminal([path, '--hex'], 80, { NO_COLOR: '1' });
    expect(plain).toContain('30*58*59 33');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what colours are made of
    expect(plain).not.toMatch(/\u001b\[[\d;]*m/);
  });
});

describe('of two snapshots', () => {
  const thin = goldenPath('a-thin-l1.hxz');

  test('the sums of each stream are printed', async () => {
    const result = await diff(base, thin);
    expect([result.status, result.stderr]).toEqual([1, '']);
    expect(textOf(result)).toMatch(/Changed: +7 pages .* in 4 extents/);
    expect(textOf(result)).toMatch(/Different: +11 728 bytes/);
    const both = await diff(goldenPath('a-lz4-4k-both.hxz'), goldenPath('a-zstd-64k-both.hxz'));
    expect(textOf(both)).toMatch(/^Disk\n(.*\n)*\nMemory\n/m);
  });

  test('that hold the same, the exit is 0', async () => {
    const flat = goldenPath('a-flatten-l2.hxz');
    const result = await diff(goldenPath('a-thin-l2.hxz'), flat);
    expect([result.status, textOf(result)]).toEqual([0, expect.stringMatching(/Result: +same/)]);
    expect((await diff(flat, flat)).status).toBe(0);
  });

  test('of which one is encrypted, its password is used', async () => {
    const { file, password } = goldenFixture('a-lz4-encrypted');
    const passwordFile = join(newDirectory(), 'password');
    writeFileSync(passwordFile, password ?? '');
    const args = [base, goldenPath(file)];
    expect((await diff(...args)).status).toBe(5);
    const result = await diff(...args, '--password-file', passwordFile, '--cache-size', '1M');
    expect([0, 1]).toContain(result.status);
    expect(result.stderr).toBe('');
  });

  test('in pages, only those of the disk are a selection', async () => {
    const directory = newDirectory();
    const [before, after] = [1, 2].map((seed) =>
      packSnapshot(join(directory, `${seed}.hxz`), {
        disk: markedBytes(PAGE_BYTES, seed),
        memory: markedBytes(3 * PAGE_BYTES, seed),
      }),
    ) as [string, string];
    const result = await diff(before, after, '--pages');
    expect(
      linesOf(result)
        .slice(1)
        .map((line) => line.replace(/ {2}# 0x.*/, '')),
    ).toEqual(['0', '# memory: 0-2']);
  });

  test('a damaged block that both store alike is not noticed, one that differs is exit 4', async () => {
    const directory = newDirectory();
    const disk = markedBytes(4 * 65_536, 1);
    const changed = Buffer.from(disk);
    changed[0] = 0;
    const [before, after] = [disk, changed].map((each, at) =>
      packSnapshot(join(directory, `${at}.hxz`), { disk: each }),
    ) as [string, string];
    for (const path of [before, after]) damageBlock(path, 2);
    expect((await diff(before, after)).status).toBe(1);
    damageBlock(before, 0);
    const result = await diff(before, after, '--json');
    expect(result.status).toBe(4);
    expect(result.stderr).toContain(`${before}: disk stream, block 0`);
    expect(jsonLines(result)).toEqual([
      { error: expect.objectContaining({ code: 'CRC', file: before, exitStatus: 4 }) as unknown },
    ]);
  });
});

describe('usage', () => {
  test.each([
    ['no argument', [], 'argument'],
    ['--base for two snapshots', [base, base, '--base', base], '--base'],
    ['two forms', [base, base, '--hex', '--pages'], 'cannot be used with'],
    ['one snapshot', [base], 'with another one'],
    ['three', [base, base, base], 'too many arguments'],
  ])('%s is exit 2', async (_, args, message) => {
    const result = await diff(...args);
    expect([result.status, result.stdout.length]).toEqual([2, 0]);
    expect(result.stderr).toContain(message);
    const json = await diff(...args, '--json');
    expect(jsonLines(json)).toMatchObject([{ error: { code: 'USAGE' } }]);
  });

  test('an overlay without a record of its base is exit 2, naming --base', async () => {
    const { path } = goldenOverlay('ov2');
    const result = await diff(path);
    expect([result.status, result.stdout.length]).toEqual([2, 0]);
    expect(result.stderr).toContain('--base');
  });

  test('an overlay in the place of a snapshot is told from any other file', async () => {
    const { path, base: snapshot } = goldenOverlay('ov1');
    for (const args of [
      [path, snapshot],
      [snapshot, path],
    ]) {
      const result = await diff(...args);
      expect(result.status).toBe(3);
      expect(result.stderr).toContain('--base');
    }
  });

  test('an overlay or a snapshot that is not there is exit 3', async () => {
    const absent = join(newDirectory(), 'absent');
    for (const args of [[absent], [absent, '--base', base], [base, absent], [absent, base]]) {
      expect((await diff(...args)).status).toBe(3);
    }
  });

  test('an overlay of another snapshot is exit 7, unless that is overruled', async () => {
    const path = await overlayOf((overlay) => overlay.write(0, Buffer.from('abc')));
    const other = goldenPath('a-zstd-1m-disk.hxz');
    expect((await diff(path, '--base', other)).status).toBe(7);
    const forced = await diff(path, '--base', other, '--force');
    expect(forced.status).toBe(1);
    expect(forced.stderr).toContain('made on another snapshot');
  });
});

test('a million extents take little memory, and a reader that stops ends it', async () => {
  const directory = newDirectory();
  const snapshot = packSnapshot(join(directory, 'base.hxz'), { disk: markedBytes(5000, 1) });
  const count = 1_000_000;
  const path = join(directory, 'disk.overlay');
  writeFileSync(path, Buffer.alloc(100, 1));
  writeFileSync(
    join(directory, 'disk.meta'),
    Buffer.concat(
      Array.from({ length: 1000 }, (_, part) => listOf(...pagesOf(part, count / 1000))),
    ),
  );
  // A hole, in which all pages but the first are zero.
  truncateSync(path, count * 2 * PAGE_BYTES);
  const result = await diff(path, '--base', snapshot, '--pages');
  expect([result.status, result.stderr]).toEqual([1, '']);
  expect(linesOf(result)).toHaveLength(count + 2);
  expect(result.peakMemoryBytes).toBeLessThan(300 * 1024 * 1024);
  const script = `'${process.execPath}' '${cliPath}' diff '${path}' --base '${snapshot}' --json | head -n 3`;
  const piped = await run(script);
  expect(piped.stdout.trimEnd().split('\n')).toHaveLength(3);
  expect(piped.stderr).toBe('');
}, 60_000);

const pagesOf = (part: number, count: number): number[] =>
  Array.from({ length: count }, (_, page) => (part * count + page) * 2);

const run = (script: string): Promise<{ stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile('bash', ['-c', script], { env: cliEnvironment() }, (_, stdout, stderr) =>
      resolve({ stdout, stderr }),
    );
  });
