import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type CliOptions, cliEnvironment, cliPath, jsonOf, runCli } from '../support/cli.js';
import { stateOf } from '../support/directory.js';
import { writeFiles } from '../support/recipeFiles.js';
import { builtRecipe, recipePath } from '../support/recipes.js';
import { temporaryDirectories } from '../support/temporary.js';
import { until } from '../support/until.js';

const newDirectory = temporaryDirectories();

const noise = (length: string) => [{ random: { seed: 1, length } }];
const overlay = { file: 'a.overlay', writes: [{ offset: 0, text: 'x' }] };

/** A directory with a recipe. */
const withRecipe = (recipe: unknown = { disk: noise('1KiB') }) =>
  writeFiles(newDirectory(), { 'a.yaml': recipe });

const build = (cwd: string, args: readonly string[], options: CliOptions = {}) =>
  runCli(['fixture', 'build', ...args], { cwd, ...options });

describe.concurrent('hexz fixture build', () => {
  test('makes files in the current directory, or in another', async () => {
    const directory = withRecipe({ disk: noise('1KiB'), overlay });
    const { status, stdout, stderr } = await build(directory, ['a.yaml']);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.toString()).toMatch(
      /^a\.yaml: not locked\n {2}a\.hxz {2}\d.*KiB\n {2}a\.overlay {2}4\.00 KiB\n/,
    );
    const names = ['a.hxz', 'a.meta', 'a.overlay', 'a.overlay.hexz.json'];
    expect(readdirSync(directory).sort()).toEqual([...names, 'a.yaml']);
    // It need not exist.
    expect(await build(directory, ['a.yaml', '-o', 'some/out'])).toMatchObject({ status: 0 });
    expect(readdirSync(join(directory, 'some/out')).sort()).toEqual(names);
  });

  test('--json tells everything in one document', async () => {
    const directory = withRecipe();
    const result = await build(directory, ['a.yaml', '--json', '--update']);
    expect([result.status, result.stderr]).toEqual([0, '']);
    const { bytes, sha256 } = {
      bytes: expect.any(Number) as unknown,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
    };
    expect(jsonOf(result)).toEqual({
      ok: true,
      fixtures: [
        {
          recipe: 'a.yaml',
          state: 'renewed',
          lock: 'a.lock.json',
          tools: { encoder: expect.stringMatching(/^lz4-napi /) as unknown },
          files: [{ name: 'a.hxz', path: 'a.hxz', bytes, sha256 }],
          differences: [],
          warnings: [],
        },
      ],
    });
  });

  test('makes the same bytes again without touching what is there', async () => {
    const directory = withRecipe({ disk: noise('1KiB'), overlay });
    await build(directory, ['a.yaml', '--update']);
    const before = stateOf(directory);
    for (const options of [[], ['--force'], ['--update'], ['--check']]) {
      const result = await build(directory, ['a.yaml', ...options]);
      // A check has no --force; all others leave everything as it is.
      expect([options, result.status, result.stderr]).toEqual([options, 0, '']);
      expect(stateOf(directory)).toEqual(before);
    }
  });

  test('replaces what is different only with --force', async () => {
    const directory = withRecipe();
    writeFileSync(join(directory, 'a.hxz'), 'mine');
    const refused = await build(directory, ['a.yaml']);
    expect(refused.status).toBe(8);
    expect(refused.stderr).toBe('hexz: a.hxz: the file exists; give --force to replace it\n');
    expect(readFileSync(join(directory, 'a.hxz'), 'utf8')).toBe('mine');
    expect((await build(directory, ['a.yaml', '--force'])).status).toBe(0);
    expect(statSync(join(directory, 'a.hxz')).size).toBeGreaterThan(4096);
    expect(readdirSync(directory).sort()).toEqual(['a.hxz', 'a.yaml']);
  });

  test('replaces no overlay that somebody has open', async () => {
    const directory = withRecipe({ disk: noise('1KiB'), overlay });
    await build(directory, ['a.yaml']);
    writeFiles(directory, { 'a.yaml': { disk: noise('2KiB'), overlay } });
    const before = stateOf(directory);
    const holder = spawn('flock', ['--shared', 'a.overlay', 'cat'], { cwd: directory });
    try {
      await until('the overlay to be locked', () => isLocked(directory));
      const { status, stderr } = await build(directory, ['a.yaml', '--force']);
      expect(status).toBe(7);
      expect(stderr).toMatch(/^hexz: a\.overlay\S*: another program has it open/);
      expect(stateOf(directory)).toEqual(before);
    } finally {
      holder.stdin.end();
      await once(holder, 'close');
    }
  });

  test('a lock file that does not agree is a warning, and a "no" of --check', async () => {
    const directory = withRecipe();
    await build(directory, ['a.yaml', '--update']);
    writeFiles(directory, { 'a.yaml': { disk: noise('2KiB') } });
    const built = await build(directory, ['a.yaml', '--force']);
    expect(built.status).toBe(0);
    expect(built.stderr).toMatch(
      /^hexz: warning: a\.yaml: a\.lock\.json does not agree: a\.hxz should/,
    );
    const before = stateOf(directory);
    const checked = await build(directory, ['a.yaml', '--check', '--json']);
    expect(checked.status).toBe(1);
    expect(checked.stderr).toMatch(
      /^hexz: a\.yaml: a\.hxz should be SHA-256 .*; hexz fixture build --update/,
    );
    expect(jsonOf(checked)).toMatchObject({
      ok: false,
      fixtures: [
        { state: 'mismatch', error: { code: 'FIXTURE_MISMATCH', exitStatus: 1, file: 'a.yaml' } },
      ],
    });
    expect(stateOf(directory)).toEqual(before);
  });

  test('another version of a tool has a code of its own', async () => {
    const directory = withRecipe();
    await build(directory, ['a.yaml', '--update']);
    const lock = readFileSync(join(directory, 'a.lock.json'), 'utf8');
    const other = lock
      .replace(/lz4-napi [\d.]+/, 'lz4-napi 0.0.1')
      .replace(/: "[0-9a-f]{8}/, ': "00000000');
    writeFileSync(join(directory, 'a.lock.json'), other);
    const result = await build(directory, ['a.yaml', '--check', '--json']);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('made with lz4-napi 0.0.1, here is lz4-napi ');
    expect(jsonOf(result)).toMatchObject({
      fixtures: [{ state: 'tool-differs', error: { code: 'FIXTURE_TOOL_DIFFERS' } }],
    });
  });

  test('without a lock file --check says what makes one', async () => {
    const { status, stderr } = await build(withRecipe(), ['a.yaml', '--check']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^hexz: a\.yaml: there is no lock file a\.lock\.json; .*--update/);
  });

  test.each([
    [[], 2],
    [['a.yaml', '--check', '--update'], 2],
    [['a.yaml', '--check', '-o', '.'], 2],
    [['a.yaml', '--check', '--force'], 2],
    [['absent.yaml'], 3],
    [['bad.yaml'], 3],
    [['.'], 3],
    [['pipe.yaml'], 3],
    [['large.yaml'], 4],
    [['loop.yaml'], 4],
    [['a.yaml', '-o', 'a.yaml/out'], 8],
    [['a.yaml', '-o', 'a.yaml'], 8],
  ])('%j ends with status %d', async (args, expected) => {
    const directory = writeFiles(newDirectory(), {
      'a.yaml': { disk: [] },
      'bad.yaml': 'disk: {',
      'large.yaml': '#'.repeat(300_000),
      'loop.yaml': { parent: 'loop.yaml', disk: [] },
    });
    symlinkSync('/dev/null', join(directory, 'pipe.yaml'));
    const { status, stdout, stderr } = await build(directory, args);
    expect([status, stdout.toString()]).toEqual([expected, '']);
    expect(stderr).toMatch(/^hexz: .+\n$/);
  });

  test('a recipe that cannot be made leaves nothing of the others', async () => {
    const directory = writeFiles(newDirectory(), {
      'a.yaml': { disk: noise('1KiB') },
      'bad.yaml': { disk: [{ file: 'absent' }] },
    });
    const { status, stderr } = await build(directory, ['a.yaml', 'bad.yaml']);
    expect(status).toBe(3);
    expect(stderr).toBe(
      'hexz: bad.yaml:2:11: disk[0].file: cannot read absent: no such file or directory\n',
    );
    expect(readdirSync(directory).sort()).toEqual(['a.yaml', 'bad.yaml']);
  });

  test('hostile names come out in one line', async () => {
    const directory = writeFiles(newDirectory(), { 'a\u001b[2J.yaml': { disk: [{ zero: 1 }] } });
    const { stderr } = await build(directory, ['a\u001b[2J.yaml']);
    expect(stderr).toBe(
      'hexz: a\\x1b[2J.yaml:2:5: disk[0]: unknown key "zero"; allowed: at, zeros, pattern, random, text, file, repeat, parent, ext4\n',
    );
  });
});

function isLocked(directory: string): boolean {
  const { ino } = statSync(join(directory, 'a.overlay'));
  return readFileSync('/proc/locks', 'utf8').includes(`:${ino} `);
}

describe('a signal', () => {
  /** Sends it when the stage holds what the condition waits for. */
  async function interrupt(
    recipe: unknown,
    signal: NodeJS.Signals,
    isTime: (stage: string) => boolean,
    options: readonly string[] = [],
  ) {
    const directory = withRecipe(recipe);
    const child = spawn(process.execPath, [cliPath, 'fixture', 'build', 'a.yaml', ...options], {
      cwd: directory,
      env: { ...cliEnvironment(), TMPDIR: directory },
      stdio: 'ignore',
    });
    const closed = once(child, 'close');
    await until('the moment for the signal', () => {
      const stage = readdirSync(directory).find((name) => name.startsWith('.hexz-fixture-'));
      return stage !== undefined && isTime(join(directory, stage));
    });
    child.kill(signal);
    expect(await closed).toEqual([null, signal]);
    expect(readdirSync(directory)).toEqual(['a.yaml']);
  }

  const sizeIn = (directory: string, name: RegExp): number => {
    if (!existsSync(directory)) return 0;
    const found = readdirSync(directory).find((candidate) => name.test(candidate));
    return found === undefined
      ? 0
      : (statSync(join(directory, found), { throwIfNoEntry: false })?.size ?? 0);
  };

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s while a stream is made leaves nothing behind',
    (signal) =>
      interrupt(
        { disk: noise('4GiB') },
        signal,
        (stage) => sizeIn(join(stage, '.work'), /tmp$/) > 1e6,
      ),
  );

  test('while a snapshot is packed', () =>
    interrupt(
      { disk: noise('300MiB'), pack: { compression: 'zstd' } },
      'SIGINT',
      (stage) => existsSync(stage) && sizeIn(stage, /^\.hexz-.*tmp$/) > 1e5,
    ));

  test('while a check is made', () =>
    interrupt(
      { disk: noise('4GiB') },
      'SIGINT',
      (stage) => sizeIn(join(stage, '.work'), /tmp$/) > 1e6,
      ['--check'],
    ));
});

test('what a recipe makes needs little memory, however long it is', async () => {
  const directory = withRecipe({
    disk: { length: '40GiB', content: [{ text: { seed: 1, length: '200MiB' } }] },
    pack: { blockSize: '1MiB' },
  });
  const { status, peakMemoryBytes } = await build(directory, ['a.yaml']);
  expect(status).toBe(0);
  expect(peakMemoryBytes).toBeLessThan(400 * 1024 ** 2);
});

test('an overlay of a recipe can be looked after without naming its base', async () => {
  const { directory } = await builtRecipe('cut-and-grown');
  const copy = newDirectory();
  for (const name of readdirSync(directory)) {
    writeFileSync(join(copy, name), readFileSync(join(directory, name)));
  }
  const { status, stderr } = await runCli([
    'overlay',
    'compact',
    join(copy, 'cut-and-grown.overlay'),
  ]);
  expect([status, stderr]).toEqual([0, '']);
  expect((await build(copy, [recipePath('cut-and-grown')])).status).toBe(8);
});
