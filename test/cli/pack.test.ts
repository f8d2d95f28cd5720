import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openSnapshot, verifyChain } from '../../src/index.js';
import { type CliOptions, cliEnvironment, cliPath, jsonLinesOf, runCli } from '../support/cli.js';
import { goldenFixture, goldenPath } from '../support/fixtures.js';
import { ORDINARY_USER, requires } from '../support/requires.js';
import { expectSameBytes, readStream, someBytes } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';
import { onTerminal } from '../support/terminal.js';
import { makePipe, runTool } from '../support/tools.js';
import { until } from '../support/until.js';

const newDirectory = temporaryDirectories();

const DISK = Buffer.concat([someBytes(150_000), Buffer.alloc(200_000), someBytes(40_001)]);
const MEMORY = someBytes(90_000);

/** A directory with a disk and a memory to pack. */
function newInputs(): string {
  const directory = newDirectory();
  writeFileSync(join(directory, 'disk'), DISK);
  writeFileSync(join(directory, 'memory'), MEMORY);
  return directory;
}

const pack = (cwd: string, args: readonly string[], options: CliOptions = {}) =>
  runCli(['pack', ...args], { cwd, ...options });

/** Reads a snapshot, every block of which must be sound. */
function read(path: string, passwords: string | readonly string[] = []) {
  const snapshot = openSnapshot(path, { passwords });
  try {
    for (const { finding } of verifyChain(snapshot)) expect(finding).toBeUndefined();
    return { disk: readStream(snapshot, 'disk'), memory: readStream(snapshot, 'memory') };
  } finally {
    snapshot.close();
  }
}

interface Refusal {
  readonly args: string;
  readonly status: number;
  readonly code: string;
  readonly env?: Record<string, string>;
  readonly input?: Buffer;
}

describe.concurrent('pack refuses', () => {
  const out = '-o out.hxz';
  const zstd = '--compression zstd --train-dict';
  const refusals: readonly Refusal[] = [
    { args: out, status: 2, code: 'USAGE' },
    { args: '--disk disk', status: 2, code: 'USAGE' },
    { args: `--disk - --memory - ${out}`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} --compression none`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} --block-size 0`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} --block-size -1`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} --block-size 1.5`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} --block-size 129M`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} --min-chunk 4096`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} --cdc --min-chunk 63`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} --cdc --max-chunk 65536`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} --salt ${'0'.repeat(32)}`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} --encrypt --salt 00`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} --encrypt --salt ${'g'.repeat(32)}`, status: 2, code: 'USAGE' },
    { args: `--disk disk ${out} more`, status: 2, code: 'USAGE' },
    { args: '--disk disk -o disk --force', status: 2, code: 'USAGE' },
    { args: '--disk disk -o link --force', status: 2, code: 'USAGE' },
    { args: '--disk disk -o /dev/null', status: 2, code: 'USAGE' },
    { args: '--disk disk -o pipe', status: 2, code: 'USAGE' },
    { args: '--disk disk -o parent.hxz --force --parent parent.hxz', status: 2, code: 'USAGE' },
    { args: `--disk - ${out} ${zstd}`, status: 2, code: 'USAGE', input: DISK },
    { args: `--disk absent ${out}`, status: 3, code: 'UNREADABLE' },
    { args: `--disk . ${out}`, status: 3, code: 'UNREADABLE' },
    { args: `--disk disk --memory absent ${out}`, status: 3, code: 'UNREADABLE' },
    { args: `--disk /dev/zero ${out}`, status: 3, code: 'UNREADABLE' },
    { args: `--disk disk ${out} --parent absent.hxz`, status: 3, code: 'UNREADABLE' },
    { args: `--disk disk ${out} --parent memory`, status: 3, code: 'BAD_MAGIC' },
    { args: `--disk disk ${out} --encrypt --password-file absent`, status: 3, code: 'UNREADABLE' },
    { args: `--disk disk ${out} --encrypt`, status: 5, code: 'PASSWORD_REQUIRED' },
    { args: `--disk disk ${out} --parent secret.hxz`, status: 5, code: 'PASSWORD_REQUIRED' },
    {
      args: `--disk disk ${out} --parent secret.hxz`,
      status: 5,
      code: 'AUTH',
      env: { HEXZ_PASSWORD: 'wrong' },
    },
    { args: '--disk disk -o memory', status: 8, code: 'OUTPUT_EXISTS' },
    { args: '--disk disk -o dangling', status: 8, code: 'OUTPUT_EXISTS' },
    { args: '--disk disk -o absent/out.hxz', status: 8, code: 'OUTPUT_FAILED' },
    { args: '--disk disk -o memory/out.hxz', status: 8, code: 'OUTPUT_FAILED' },
    { args: '--disk disk -o . --force', status: 8, code: 'OUTPUT_FAILED' },
    { args: `--disk disk -o ${'n'.repeat(256)}`, status: 8, code: 'OUTPUT_FAILED' },
    {
      args: `--disk disk ${out} ${zstd}`,
      status: 8,
      code: 'CODEC_MISSING',
      env: { HEXZ_CODECS: 'bundled' },
    },
  ];

  test.each(refusals)('$args: $status $code', async ({ args, status, code, env = {}, input }) => {
    const directory = newInputs();
    copyFileSync(goldenPath('a-lz4-64k-disk.hxz'), join(directory, 'parent.hxz'));
    copyFileSync(goldenPath('a-lz4-encrypted.hxz'), join(directory, 'secret.hxz'));
    symlinkSync('disk', join(directory, 'link'));
    symlinkSync('nowhere', join(directory, 'dangling'));
    makePipe(join(directory, 'pipe'));
    const before = readdirSync(directory);
    const options = { env, ...(input === undefined ? {} : { input }) };
    const result = await pack(directory, [...args.split(' '), '--json'], options);
    expect(result.status).toBe(status);
    expect(result.stderr).toMatch(/^hexz: [^\n]+\n$/);
    expect(jsonLinesOf(result)).toEqual([
      { error: expect.objectContaining({ code, exitStatus: status }) as unknown },
    ]);
    expect(readdirSync(directory)).toEqual(before);
    expectSameBytes(readFileSync(join(directory, 'disk')), DISK);
    expectSameBytes(readFileSync(join(directory, 'memory')), MEMORY);
  });
});

describe.concurrent('pack', () => {
  test('says what it made', async () => {
    const directory = newInputs();
    const args = ['--disk', 'disk', '--memory', 'memory', '-o', 'out.hxz', '--message', 'a note'];
    const { status, stdout, stderr } = await pack(directory, args);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.toString()).toMatch(/^Packed out\.hxz\n {2}Size: .*\n {2}Blocks: .*\n/);
    const found = read(join(directory, 'out.hxz'));
    expectSameBytes(found.disk, DISK);
    expectSameBytes(found.memory, MEMORY);
    const { stdout: told } = await runCli(['info', join(directory, 'out.hxz')]);
    expect(told.toString()).toContain('a note');
    expect(readdirSync(directory).sort()).toEqual(['disk', 'memory', 'out.hxz']);
  });

  test('prints JSON lines, the last of which is the result', async () => {
    const directory = newInputs();
    const result = await pack(directory, ['--disk', 'disk', '-o', 'out.hxz', '--json']);
    expect([result.status, result.stderr]).toEqual([0, '']);
    const lines = jsonLinesOf(result);
    const progress = lines.slice(0, -1);
    expect(progress.map(({ type }) => type)).toEqual(progress.map(() => 'progress'));
    expect(new Set(progress.map(({ phase }) => phase))).toEqual(new Set(['write', 'check']));
    expect(lines.at(-1)).toMatchObject({
      type: 'result',
      output: 'out.hxz',
      fileBytes: statSync(join(directory, 'out.hxz')).size,
      streams: { disk: { length: DISK.length, encodedBlocks: 4, zeroBlocks: 2 } },
      warnings: [],
    });
  });

  test('says nothing with --silent', async () => {
    const directory = newInputs();
    const { status, stdout, stderr } = await pack(directory, ['--disk', 'disk', '-o', 'x', '-s']);
    expect([status, stdout.toString(), stderr]).toEqual([0, '', '']);
  });

  test('draws its progress on a terminal, and clears it away', async () => {
    const directory = newDirectory();
    const disk = join(directory, 'disk');
    writeFileSync(disk, Buffer.alloc(2 ** 28, someBytes(2 ** 20)));
    const out = join(directory, 'out.hxz');
    const args = [cliPath, 'pack', '--disk', disk, '-o', out, '--compression', 'zstd'];
    const { status, shown } = await onTerminal(args, /\?/g, []);
    expect(status).toBe(0);
    expect(shown).toMatch(/pack █*·* +\d+ % {2}[\d.]+ [KMG]iB\/s {2}\d+ s left/);
    expect(shown.slice(shown.lastIndexOf('\u001b[K'))).toContain('Packed ');
    const silent = await onTerminal([...args, '--force', '--silent'], /\?/g, []);
    expect(silent).toEqual({ status: 0, shown: '' });
  });

  test('replaces a file with --force, and leaves its permissions', async () => {
    const directory = newInputs();
    const out = join(directory, 'out.hxz');
    writeFileSync(out, 'old');
    chmodSync(out, 0o600);
    const { status } = await pack(directory, ['--disk', 'disk', '-o', 'out.hxz', '--force']);
    expect(status).toBe(0);
    expectSameBytes(read(out).disk, DISK);
    expect(statSync(out).mode & 0o777).toBe(0o600);
  });

  test.each(['new\nline', '\u001b[31mred', '\u202egnp.exe', '-o', ' ', '--json', 'ünïcödé 雪'])(
    'shows the name %j as it may be shown',
    async (name) => {
      const directory = newDirectory();
      writeFileSync(join(directory, name), DISK);
      const out = `${name}.hxz`;
      const args = [`--disk=${name}`, `--output=${out}`];
      const { status, stdout, stderr } = await pack(directory, args);
      expect([status, stderr]).toEqual([0, '']);
      expectSameBytes(read(join(directory, out)).disk, DISK);
      const again = await pack(directory, [...args, '--json']);
      expect(again.status).toBe(8);
      expect(again.stderr.split('\n')).toHaveLength(2);
      for (const text of [stdout.toString(), again.stderr, again.stdout.toString()]) {
        expect(text).not.toMatch(/[^\n\P{Cc}]|\u202e/u);
      }
      expect(jsonLinesOf(again)).toMatchObject([{ error: { code: 'OUTPUT_EXISTS', file: out } }]);
    },
  );
});

describe.concurrent('pack from a pipe', () => {
  test.each(['-', '/dev/stdin'])('named %s', (name) => {
    const directory = newInputs();
    const command = `cat disk | '${process.execPath}' '${cliPath}' pack --disk ${name} -o out.hxz`;
    const options = { cwd: directory, env: cliEnvironment(), encoding: 'utf8' } as const;
    const { status, stderr } = spawnSync('sh', ['-c', command], options);
    expect([status, stderr]).toEqual([0, '']);
    expectSameBytes(read(join(directory, 'out.hxz')).disk, DISK);
  });

  test('takes the memory from it', async () => {
    const directory = newInputs();
    const args = ['--disk', 'disk', '--memory', '-', '-o', 'out.hxz', '--cdc'];
    expect((await pack(directory, args, { input: MEMORY })).status).toBe(0);
    expectSameBytes(read(join(directory, 'out.hxz')).memory, MEMORY);
  });

  test('with a name of its own', async () => {
    const directory = newInputs();
    makePipe(join(directory, 'pipe'));
    const packed = pack(directory, ['--disk', 'pipe', '-o', 'out.hxz']);
    const writer = spawn('sh', ['-c', 'cat disk > pipe'], { cwd: directory, stdio: 'ignore' });
    await once(writer, 'exit');
    expect((await packed).status).toBe(0);
    expectSameBytes(read(join(directory, 'out.hxz')).disk, DISK);
  });

  test('that gives nothing, or nothing that there is', async () => {
    const directory = newDirectory();
    const empty = await pack(directory, ['--disk', '-', '-o', 'o.hxz'], { input: Buffer.alloc(0) });
    expect(empty.status).toBe(0);
    expect(read(join(directory, 'o.hxz')).disk).toHaveLength(0);
    const closed = spawnSync(
      'sh',
      ['-c', `'${process.execPath}' '${cliPath}' pack --disk - -o c.hxz <&-`],
      {
        cwd: directory,
        env: cliEnvironment(),
        encoding: 'utf8',
      },
    );
    // Node puts /dev/null in its place.
    expect([closed.status, closed.stderr]).toEqual([0, '']);
  });
});

describe.concurrent('what pack prints', () => {
  /** Runs it with standard output led elsewhere. */
  async function redirected(directory: string, stdout: number | 'pipe', ...args: string[]) {
    const child = spawn(process.execPath, [cliPath, 'pack', ...args], {
      cwd: directory,
      env: cliEnvironment(),
      stdio: ['ignore', stdout, 'pipe'],
    });
    child.stdout?.destroy();
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const [status] = (await once(child, 'close')) as [number | null];
    return { status, stderr };
  }

  const full = openSync('/dev/full', 'w');
  afterAll(() => closeSync(full));

  test.each([[[]], [['--json']]])('need not be read to the end (%j)', async (options) => {
    const directory = newInputs();
    const args = ['--disk', 'disk', '-o', 'out.hxz', ...options];
    expect(await redirected(directory, 'pipe', ...args)).toEqual({ status: 0, stderr: '' });
    expectSameBytes(read(join(directory, 'out.hxz')).disk, DISK);
    expect(readdirSync(directory).sort()).toEqual(['disk', 'memory', 'out.hxz']);
  });

  test.each([[[]], [['--json']]])(
    'and cannot be written shows in the status (%j)',
    async (options) => {
      const directory = newInputs();
      const args = ['--disk', 'disk', '-o', 'out.hxz', ...options];
      expect(await redirected(directory, full, ...args)).toEqual({
        status: 8,
        stderr: 'hexz: standard output: cannot write it: no space left on the device\n',
      });
      expectSameBytes(read(join(directory, 'out.hxz')).disk, DISK);
    },
  );
});

describe.concurrent('pack of a large and sparse disk', () => {
  test('takes seconds, and little memory', async () => {
    const directory = newDirectory();
    const disk = join(directory, 'disk');
    writeFileSync(disk, DISK);
    truncateSync(disk, 2 ** 40);
    const args = ['--disk', 'disk', '-o', 'out.hxz', '--block-size', '1M', '--json'];
    const startedAt = performance.now();
    const result = await pack(directory, args);
    expect([result.status, result.stderr]).toEqual([0, '']);
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    expect(result.peakMemoryBytes).toBeLessThan(300 * 2 ** 20);
    expect(jsonLinesOf(result).at(-1)).toMatchObject({
      streams: { disk: { length: 2 ** 40, encodedBlocks: 1, zeroBlocks: 2 ** 20 - 1 } },
    });
  });

  test('cut by content reads nothing of the hole either', async () => {
    const directory = newDirectory();
    const disk = join(directory, 'disk');
    writeFileSync(disk, DISK);
    truncateSync(disk, 2 ** 30);
    const result = await pack(directory, ['--disk', 'disk', '-o', 'out.hxz', '--cdc']);
    expect(result.status).toBe(0);
    expect(result.peakMemoryBytes).toBeLessThan(300 * 2 ** 20);
    const snapshot = openSnapshot(join(directory, 'out.hxz'));
    expect(snapshot.streamLength('disk')).toBe(2 ** 30);
    const start = Buffer.alloc(DISK.length);
    snapshot.readInto('disk', 0, start);
    expectSameBytes(start, DISK);
    snapshot.close();
  });
});

describe.concurrent('pack --encrypt', () => {
  const args = ['--disk', 'disk', '-o', 'out.hxz', '--encrypt'];
  const out = (directory: string) => join(directory, 'out.hxz');

  test('takes the password from the environment', async () => {
    const directory = newInputs();
    const { status } = await pack(directory, args, { env: { HEXZ_PASSWORD: '' } });
    expect(status).toBe(0);
    expectSameBytes(read(out(directory), '').disk, DISK);
  });

  test('takes it from a file before that', async () => {
    const directory = newInputs();
    writeFileSync(join(directory, 'password'), 'pässwörd\n');
    const files = ['--password-file', 'password'];
    const result = await pack(directory, [...args, ...files], { env: { HEXZ_PASSWORD: 'x' } });
    expect(result.status).toBe(0);
    expectSameBytes(read(out(directory), 'pässwörd').disk, DISK);
  });

  test('asks for it twice on a terminal', async () => {
    const directory = newInputs();
    const command = [cliPath, 'pack', '--disk', join(directory, 'disk'), '-o', out(directory)];
    const prompt = /New password of [^:]*: |The same once more: /g;
    const answers = ['typed\r', 'typed\r'];
    const { status, shown } = await onTerminal([...command, '--encrypt'], prompt, answers);
    expect(status).toBe(0);
    expect(shown.match(prompt)).toHaveLength(2);
    expectSameBytes(read(out(directory), 'typed').disk, DISK);
  });

  test('gives other bytes every time, but for a salt that was given', async () => {
    const env = { HEXZ_PASSWORD: 'secret' };
    const make = async (...more: string[]) => {
      const directory = newInputs();
      expect((await pack(directory, [...args, ...more], { env })).status).toBe(0);
      return readFileSync(out(directory));
    };
    const salt = ['--salt', '000102030405060708090A0b0c0d0e0f'];
    expectSameBytes(await make(...salt), await make(...salt));
    expect((await make()).equals(await make())).toBe(false);
  });
});

describe.concurrent('pack --parent', () => {
  test('borrows what is the same in the same place, and records the bare name', async () => {
    const directory = newInputs();
    const golden = goldenFixture('a-lz4-64k-disk');
    copyFileSync(goldenPath(golden.file), join(directory, golden.file));
    const parent = openSnapshot(join(directory, golden.file));
    const changed = readStream(parent, 'disk');
    parent.close();
    changed.fill(1, 70_000, 70_100);
    writeFileSync(join(directory, 'changed'), changed);
    const args = ['--disk', 'changed', '-o', 'out.hxz', '--parent', `./${golden.file}`, '--json'];
    const result = await pack(directory, args);
    expect([result.status, result.stderr]).toEqual([0, '']);
    expect(jsonLinesOf(result).at(-1)).toMatchObject({
      streams: { disk: { encodedBlocks: 1, parentBlocks: 4 } },
      warnings: [],
    });
    const snapshot = openSnapshot(join(directory, 'out.hxz'));
    expect(snapshot.header.parentPaths).toEqual([golden.file]);
    expectSameBytes(readStream(snapshot, 'disk'), changed);
    snapshot.close();
  });

  test('says that the parent must be kept beside it, and that an encrypted one was readable', async () => {
    const directory = newInputs();
    const secret = goldenPath('a-lz4-encrypted.hxz');
    const result = await pack(directory, ['--disk', 'disk', '-o', 'out.hxz', '--parent', secret], {
      env: { HEXZ_PASSWORD: goldenFixture('a-lz4-encrypted').password ?? '' },
    });
    expect(result.status).toBe(0);
    expect(result.stderr.match(/^hexz: warning: /gm)).toHaveLength(3);
    expect(result.stderr).toContain('--parent-dir');
  });
});

describe('pack that fails on the way', () => {
  let small: string | undefined;
  afterAll(() => {
    if (small !== undefined) expect(runTool('umount', small)).toBe(true);
  });

  test.runIf(requires('root', 'tmpfs'))(
    'for want of space is exit 8, and leaves nothing',
    async () => {
      const directory = newDirectory();
      writeFileSync(join(directory, 'disk'), someBytes(2 ** 22));
      small = newDirectory();
      expect(runTool('mount', '-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', small)).toBe(true);
      const out = join(small, 'out.hxz');
      for (const options of [[], ['--cdc'], ['--compression', 'zstd']]) {
        const result = await pack(directory, ['--disk', 'disk', '-o', out, '--json', ...options]);
        expect(result.status).toBe(8);
        expect(result.stderr).toBe(`hexz: ${out}: cannot write it: no space left on the device\n`);
        expect(jsonLinesOf(result).at(-1)).toMatchObject({ error: { code: 'OUTPUT_FAILED' } });
        expect(readdirSync(small)).toEqual([]);
      }
    },
  );

  test.runIf(requires('root', 'a checkout that everybody can read'))(
    'where nobody may write is exit 8',
    async () => {
      const directory = newInputs();
      chmodSync(directory, 0o755);
      const outputs = join(directory, 'outputs');
      mkdirSync(outputs);
      const args = ['--disk', 'disk', '-o', 'outputs/out.hxz'];
      const result = await pack(directory, args, { uid: ORDINARY_USER });
      expect([result.status, result.stderr]).toEqual([
        8,
        'hexz: outputs/out.hxz: cannot write it: permission denied\n',
      ]);
      expect(readdirSync(outputs)).toEqual([]);
    },
  );

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'by %s, waiting for its input',
    async (signal) => {
      const directory = newDirectory();
      const child = spawn(process.execPath, [cliPath, 'pack', '--disk', '-', '-o', 'out.hxz'], {
        cwd: directory,
        env: cliEnvironment(),
        stdio: ['pipe', 'ignore', 'pipe'],
      });
      // It may end before it has read all of that.
      child.stdin.on('error', () => {});
      child.stdin.write(DISK);
      await until('the temporary file', () => readdirSync(directory).length > 0);
      child.kill(signal);
      const [status, endedBy] = (await once(child, 'close')) as [number | null, string | null];
      expect([status, endedBy]).toEqual([null, signal]);
      expect(readdirSync(directory)).toEqual([]);
    },
  );

  test('because a thread ends, leaves nothing', async () => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'disk'), Buffer.alloc(2 ** 28, someBytes(2 ** 20)));
    const result = await pack(directory, ['--disk', 'disk', '-o', 'out.hxz', '--json'], {
      before: `
        import threads from 'node:worker_threads';
        import { syncBuiltinESMExports } from 'node:module';
        if (threads.isMainThread) {
          const { Worker } = threads;
          threads.Worker = class extends Worker {
            constructor(...parameters) {
              super(...parameters);
              this.once('message', () => this.terminate());
            }
          };
          syncBuiltinESMExports();
        }
      `,
    });
    expect(result.status).toBe(70);
    expect(jsonLinesOf(result).at(-1)).toMatchObject({ error: { code: 'INTERNAL' } });
    expect(readdirSync(directory)).toEqual(['disk']);
  });

  test('because the input became shorter, is exit 3', async () => {
    const directory = newDirectory();
    const disk = join(directory, 'disk');
    writeFileSync(disk, Buffer.alloc(2 ** 26, someBytes(2 ** 20)));
    const result = await pack(directory, ['--disk', 'disk', '-o', 'out.hxz'], {
      before: `
        import fs from 'node:fs';
        import { syncBuiltinESMExports } from 'node:module';
        const { readSync } = fs;
        let reads = 0;
        fs.readSync = (descriptor, target, ...rest) => {
          if (target.length >= 65536 && ++reads === 5) fs.truncateSync(${JSON.stringify(disk)}, 2 ** 21);
          return readSync(descriptor, target, ...rest);
        };
        syncBuiltinESMExports();
      `,
    });
    expect([result.status, result.stderr]).toEqual([
      3,
      'hexz: disk: cannot read it: it became shorter while it was read\n',
    ]);
    expect(readdirSync(directory)).toEqual(['disk']);
  });
});
