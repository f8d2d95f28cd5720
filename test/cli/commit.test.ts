import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openSnapshot, verifyChain } from '../../src/index.js';
import {
  type CliOptions,
  type CliResult,
  cliEnvironment,
  cliPath,
  jsonLinesOf,
  runCli,
} from '../support/cli.js';
import { stateOf } from '../support/directory.js';
import { goldenPath } from '../support/fixtures.js';
import { mounts } from '../support/mounts.js';
import { ORDINARY_USER, requires } from '../support/requires.js';
import { packSnapshot } from '../support/snapshots.js';
import { expectSameBytes, readStream, someBytes } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';
import { onTerminal } from '../support/terminal.js';
import { runTool } from '../support/tools.js';
import { changeDisk, changeLargeDisk, diskUnder } from '../support/write/changedOverlay.js';

const newDirectory = temporaryDirectories();
const PAGE = 4096;
const DISK = Buffer.concat([someBytes(150_000), Buffer.alloc(200_000), someBytes(40_001)]);
const MEMORY = someBytes(90_000);

interface Scene {
  readonly directory: string;
  /** What base and overlay show together. */
  readonly disk: Buffer;
}

/** A directory with a base, and an overlay whose pages 0, 7 and 8 are dirty. */
async function newScene(password?: string): Promise<Scene> {
  const directory = newDirectory();
  const base = join(directory, 'base.hxz');
  packSnapshot(base, { disk: DISK, memory: MEMORY }, password === undefined ? {} : { password });
  const changes = [
    { kind: 'write', offset: 3, bytes: Buffer.from('first') },
    { kind: 'write', offset: 8 * PAGE - 10, bytes: someBytes(20) },
  ] as const;
  const disk = await changeDisk(base, join(directory, 'o.overlay'), changes, password ?? []);
  return { directory, disk };
}

const FILES = ['base.hxz', 'o.meta', 'o.overlay', 'o.overlay.hexz.json'];

const commit = (cwd: string, args: readonly string[], options: CliOptions = {}) =>
  runCli(['commit', 'base.hxz', 'o.overlay', 'out.hxz', ...args], { cwd, ...options });

/** Reads a snapshot, every block of whose chain must be sound. */
function read(path: string, passwords: string | readonly string[] = []) {
  const snapshot = openSnapshot(path, { passwords });
  try {
    for (const { finding } of verifyChain(snapshot)) expect(finding).toBeUndefined();
    return {
      disk: readStream(snapshot, 'disk'),
      memory: readStream(snapshot, 'memory'),
      isEncrypted: snapshot.header.encryption !== undefined,
    };
  } finally {
    snapshot.close();
  }
}

const outOf = (directory: string, passwords: string | readonly string[] = []) =>
  read(join(directory, 'out.hxz'), passwords);

const resultOf = (result: CliResult) => jsonLinesOf(result).at(-1);

interface Refusal {
  readonly args: string;
  readonly status: number;
  readonly code: string;
  readonly env?: Record<string, string>;
}

describe.concurrent('commit refuses', () => {
  const files = 'base.hxz o.overlay out.hxz';
  const refusals: readonly Refusal[] = [
    { args: 'base.hxz o.overlay', status: 2, code: 'USAGE' },
    { args: `${files} more`, status: 2, code: 'USAGE' },
    { args: `${files} --thin --flatten`, status: 2, code: 'USAGE' },
    { args: `${files} --memory base.hxz --drop-memory`, status: 2, code: 'USAGE' },
    { args: `${files} --compression gzip`, status: 2, code: 'USAGE' },
    { args: `${files} --block-size 0`, status: 2, code: 'USAGE' },
    { args: `${files} --block-size 1T`, status: 2, code: 'USAGE' },
    { args: `${files} --select clean`, status: 2, code: 'USAGE' },
    { args: `${files} --select broken`, status: 2, code: 'USAGE' },
    { args: 'base.hxz o.overlay base.hxz --force', status: 2, code: 'USAGE' },
    { args: 'base.hxz o.overlay o.overlay --force', status: 2, code: 'USAGE' },
    { args: 'base.hxz o.overlay o.meta --force', status: 2, code: 'USAGE' },
    { args: 'base.hxz o.overlay o.overlay.hexz.json --force', status: 2, code: 'USAGE' },
    { args: 'base.hxz o.overlay o.overlay.hexz.json.tmp', status: 2, code: 'USAGE' },
    { args: 'base.hxz o.overlay /dev/null', status: 2, code: 'USAGE' },
    { args: `absent.hxz o.overlay out.hxz`, status: 3, code: 'UNREADABLE' },
    { args: `base.hxz absent out.hxz`, status: 3, code: 'UNREADABLE' },
    { args: `clean o.overlay out.hxz`, status: 3, code: 'BAD_MAGIC' },
    { args: `memory.hxz o.overlay out.hxz`, status: 3, code: 'NO_STREAM' },
    { args: `${files} --select absent`, status: 3, code: 'UNREADABLE' },
    { args: `${files} --memory absent`, status: 3, code: 'UNREADABLE' },
    { args: `${files} --encrypt --password-file absent`, status: 3, code: 'UNREADABLE' },
    { args: `damaged.hxz o.overlay out.hxz`, status: 4, code: 'BAD_HEADER' },
    { args: `${files} --encrypt`, status: 5, code: 'PASSWORD_REQUIRED' },
    { args: `secret.hxz o.overlay out.hxz`, status: 5, code: 'PASSWORD_REQUIRED' },
    {
      args: `secret.hxz o.overlay out.hxz`,
      status: 5,
      code: 'AUTH',
      env: { HEXZ_PASSWORD: 'wrong' },
    },
    { args: `other.hxz o.overlay out.hxz`, status: 7, code: 'WRONG_BASE' },
    { args: `base.hxz damaged.overlay out.hxz`, status: 7, code: 'OVERLAY_DAMAGED' },
    { args: 'base.hxz o.overlay other.hxz', status: 8, code: 'OUTPUT_EXISTS' },
    { args: 'base.hxz o.overlay absent/out.hxz', status: 8, code: 'OUTPUT_FAILED' },
  ];

  test.each(refusals)('$args: $status $code', async ({ args, status, code, env = {} }) => {
    const { directory } = await newScene();
    const path = (name: string) => join(directory, name);
    writeFileSync(path('clean'), '20-30\n');
    writeFileSync(path('broken'), 'all of it\n');
    writeFileSync(path('damaged.overlay'), someBytes(9000));
    copyFileSync(goldenPath('a-lz4-64k-disk.hxz'), path('other.hxz'));
    copyFileSync(goldenPath('a-lz4-memory-only.hxz'), path('memory.hxz'));
    copyFileSync(goldenPath('a-lz4-encrypted.hxz'), path('secret.hxz'));
    const bytes = readFileSync(path('other.hxz'));
    writeFileSync(path('damaged.hxz'), bytes.fill(7, 20, 60));
    const before = stateOf(directory);
    const result = await runCli(['commit', ...args.split(' '), '--json'], { cwd: directory, env });
    expect(jsonLinesOf(result)).toEqual([
      { error: expect.objectContaining({ code, exitStatus: status }) as unknown },
    ]);
    expect(result.stderr).toMatch(/^hexz: [^\n]+\n$/);
    expect(result.status).toBe(status);
    expect(stateOf(directory)).toEqual(before);
  });
});

describe.concurrent('commit', () => {
  test('says what it made, and what became of the overlay', async () => {
    const { directory, disk } = await newScene();
    const { status, stdout, stderr } = await commit(directory, ['--message', 'why \u001b[31mred']);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.toString()).toMatch(
      /^Committed 3 pages of o\.overlay to out\.hxz\n {2}Base: .*\n {2}Size: .*\n/,
    );
    expect(stdout.toString()).toMatch(/ Overlay: deleted\n/);
    const found = outOf(directory);
    expectSameBytes(found.disk, disk);
    expectSameBytes(found.memory, MEMORY);
    expect(readdirSync(directory).sort()).toEqual(['base.hxz', 'out.hxz']);
    const { stdout: told } = await runCli(['info', join(directory, 'out.hxz')]);
    expect(told.toString()).toContain('why \\x1b[31mred');
  });

  test.each([
    { options: ['--thin'], streams: { encodedBlocks: 1, parentBlocks: 5 } },
    { options: ['--flatten'], streams: { encodedBlocks: 1, copiedBlocks: 3, zeroBlocks: 2 } },
    { options: ['--compression', 'zstd', '--verify-all'], streams: { encodedBlocks: 4 } },
    { options: ['--block-size', '5000', '--thin'], streams: { encodedBlocks: 4 } },
  ])(
    'prints JSON lines, the last of which is the result: $options',
    async ({ options, streams }) => {
      const { directory, disk } = await newScene();
      const result = await commit(directory, [...options, '--json', '--keep-overlay']);
      expect([result.status, result.stderr]).toEqual([0, '']);
      const lines = jsonLinesOf(result);
      expect(new Set(lines.slice(0, -1).map(({ type }) => type))).toEqual(new Set(['progress']));
      expect(lines.at(-1)).toMatchObject({
        type: 'result',
        output: 'out.hxz',
        base: 'base.hxz',
        streams: { disk: { length: DISK.length, ...streams }, memory: { length: MEMORY.length } },
        committedPages: 3,
        remainingPages: 3,
        overlay: 'kept',
        warnings: [],
      });
      expectSameBytes(outOf(directory).disk, disk);
      expect(readdirSync(directory).sort()).toEqual([...FILES, 'out.hxz']);
    },
  );

  test('says nothing with --silent', async () => {
    const { directory } = await newScene();
    const { status, stdout, stderr } = await commit(directory, ['--silent']);
    expect([status, stdout.toString(), stderr]).toEqual([0, '', '']);
  });

  test.each(['-', 'new'])('takes another memory, from %s', async (name) => {
    const { directory, disk } = await newScene();
    const memory = someBytes(70_001);
    writeFileSync(join(directory, 'new'), memory);
    const result = await commit(directory, ['--thin', '--memory', name], { input: memory });
    expect([result.status, result.stderr]).toEqual([0, '']);
    const found = outOf(directory);
    expectSameBytes(found.memory, memory);
    expectSameBytes(found.disk, disk);
  });

  test('warns where that one is written to meanwhile', async () => {
    const { directory } = await newScene();
    const memory = join(directory, 'new');
    writeFileSync(memory, someBytes(70_001));
    const { status, stderr } = await commit(directory, ['--memory', 'new'], {
      before: `
        import fs from 'node:fs';
        import { syncBuiltinESMExports } from 'node:module';
        const { openSync, readSync } = fs;
        let opened;
        fs.openSync = (path, ...rest) => {
          const descriptor = openSync(path, ...rest);
          if (path === 'new') opened = descriptor;
          return descriptor;
        };
        fs.readSync = (descriptor, ...rest) => {
          if (descriptor === opened) fs.appendFileSync(${JSON.stringify(memory)}, 'more');
          return readSync(descriptor, ...rest);
        };
        syncBuiltinESMExports();
      `,
    });
    expect(status).toBe(0);
    expect(stderr).toMatch(/^hexz: warning: new was written to while it was read; [^\n]+\n$/);
  });

  test('leaves the memory out', async () => {
    const { directory } = await newScene();
    expect((await commit(directory, ['--drop-memory'])).status).toBe(0);
    expect(outOf(directory).memory).toHaveLength(0);
  });

  test('shows hostile names as they may be shown', async () => {
    const { directory } = await newScene();
    const name = (text: string) => `${text}\n\u001b[31m\u202e`;
    const names = { base: name('base'), out: name('out') };
    renameSync(join(directory, 'base.hxz'), join(directory, names.base));
    const args = ['commit', names.base, 'o.overlay', names.out, '--keep-overlay', '--thin'];
    const { status, stdout, stderr } = await runCli(args, { cwd: directory });
    expect([status, stderr]).toEqual([0, '']);
    const again = await runCli(args, { cwd: directory });
    expect(again.status).toBe(8);
    for (const text of [stdout.toString(), again.stderr]) {
      expect(text).not.toMatch(/[^\n\P{Cc}]|\u202e/u);
    }
    expect(again.stderr.split('\n')).toHaveLength(2);
  });

  test('comes to its end when nobody reads what it prints', async () => {
    const { directory, disk } = await newScene();
    const args = ['commit', 'base.hxz', 'o.overlay', 'out.hxz', '--json'];
    const child = spawn(process.execPath, [cliPath, ...args], {
      cwd: directory,
      env: cliEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    expect(await once(child, 'close')).toEqual([0, null]);
    expectSameBytes(outOf(directory).disk, disk);
    expect(readdirSync(directory).sort()).toEqual(['base.hxz', 'out.hxz']);
  });
});

describe.concurrent('commit --select', () => {
  test('takes what hexz diff --pages has printed, without the lines that were deleted', async () => {
    const { directory, disk } = await newScene();
    const diff = await runCli(['diff', 'o.overlay', '--base', 'base.hxz', '--pages'], {
      cwd: directory,
    });
    const lines = diff.stdout.toString().split('\n');
    const edited = lines.filter((line) => !line.startsWith('7'));
    expect(lines.length - edited.length).toBe(1);
    writeFileSync(join(directory, 'selection'), edited.join('\n'));
    const result = await commit(directory, ['--select', 'selection', '--json']);
    expect([result.status, result.stderr]).toEqual([0, '']);
    expect(resultOf(result)).toMatchObject({
      committedPages: 1,
      remainingPages: 2,
      overlay: 'rebound',
    });
    const expected = Buffer.from(DISK);
    disk.copy(expected, 0, 0, PAGE);
    expectSameBytes(outOf(directory).disk, expected);
    const overlay = join(directory, 'o.overlay');
    expectSameBytes(await diskUnder(join(directory, 'out.hxz'), overlay), disk);
    // The rest, without naming a base.
    const rest = await runCli(['diff', 'o.overlay', '--json'], { cwd: directory });
    expect(rest.status).toBe(1);
    const files = ['out.hxz', 'o.overlay', 'all.hxz'];
    expect((await runCli(['commit', ...files], { cwd: directory })).status).toBe(0);
    expectSameBytes(read(join(directory, 'all.hxz')).disk, disk);
    expect(existsSync(overlay)).toBe(false);
  });

  test('reads a pipe, and says how much of the overlay is left', async () => {
    const { directory } = await newScene();
    writeFileSync(join(directory, 'selection'), '8\n0x3+2 # two bytes\n');
    const command = `'${process.execPath}' '${cliPath}' commit base.hxz o.overlay out.hxz`;
    const { status, stdout } = spawnSync(
      'sh',
      ['-c', `cat selection | ${command} --select /dev/stdin`],
      { cwd: directory, env: cliEnvironment() },
    );
    expect(status).toBe(0);
    expect(stdout.toString()).toMatch(/^Committed 2 pages of /);
    expect(stdout.toString()).toContain(
      '2 pages stay in it, not committed whole; it lies on out.hxz now',
    );
    const expected = Buffer.from(DISK);
    expected.set(Buffer.from('fi'), 3);
    const found = outOf(directory).disk;
    expectSameBytes(found.subarray(0, 7 * PAGE), expected.subarray(0, 7 * PAGE));
  });
});

describe.concurrent('commit of an encrypted base', () => {
  const env = { HEXZ_PASSWORD: 'old' };

  test('warns that the new snapshot is readable, and keeps it to its owner', async () => {
    const { directory, disk } = await newScene('old');
    const { status, stderr } = await commit(directory, [], { env });
    expect(status).toBe(0);
    expect(stderr).toBe(
      'hexz: warning: the base is encrypted, the new snapshot is not; --encrypt does it\n',
    );
    expectSameBytes(outOf(directory).disk, disk);
    expect(stateOf(directory)['out.hxz']).toMatchObject({ mode: 0o100600n });
  });

  test.each([
    { name: 'its password', args: ['--encrypt'], password: 'old' },
    {
      name: 'that of several passwords which opens it',
      args: ['--encrypt', '--password-file', 'new'],
      password: 'old',
    },
    {
      name: 'another one',
      args: ['--encrypt', '--new-password-file', 'new'],
      password: 'new',
    },
    {
      name: 'another one, thin',
      args: ['--encrypt', '--thin', '--new-password-file', 'new'],
      password: 'new',
    },
  ])('encrypts with $name', async ({ args, password }) => {
    const { directory, disk } = await newScene('old');
    writeFileSync(join(directory, 'new'), 'new\n');
    expect((await commit(directory, args, { env })).status).toBe(0);
    const passwords = args.includes('--thin') ? [password, 'old'] : [password];
    const found = outOf(directory, passwords);
    expect(found.isEncrypted).toBe(true);
    expectSameBytes(found.disk, disk);
    expectSameBytes(found.memory, MEMORY);
  });

  test('asks for its password on a terminal, and for a new one where it has none', async () => {
    const prompt = /Password of [^:]*: |New password of [^:]*: |The same once more: /g;
    const run = (directory: string, answers: string[]) => {
      const names = ['base.hxz', 'o.overlay', 'out.hxz'].map((name) => join(directory, name));
      return onTerminal([cliPath, 'commit', ...names, '--encrypt'], prompt, answers);
    };
    const old = await newScene('old');
    const asked = await run(old.directory, ['old\r']);
    expect([asked.status, asked.shown.match(prompt)]).toEqual([0, ['Password of base.hxz: ']]);
    expectSameBytes(outOf(old.directory, 'old').disk, old.disk);
    const plain = await newScene();
    const { status, shown } = await run(plain.directory, ['typed\r', 'typed\r']);
    expect([status, shown.match(prompt)?.length]).toEqual([0, 2]);
    expectSameBytes(outOf(plain.directory, 'typed').disk, plain.disk);
  });
});

describe('commit that fails on the way', () => {
  const mounted: string[] = [];
  afterEach(() => {
    for (const directory of mounted.splice(0)) expect(runTool('umount', directory)).toBe(true);
  });

  test.runIf(requires('root', 'tmpfs')).each([[[]], [['--thin']], [['--select', 'selection']]])(
    'for want of space is exit 8, and changes nothing: %j',
    async (options) => {
      const directory = newDirectory();
      const base = join(directory, 'base.hxz');
      packSnapshot(base, { disk: someBytes(2 ** 22) });
      const overlay = join(directory, 'o.overlay');
      const bytes = someBytes(2 ** 22);
      await changeDisk(base, overlay, [{ kind: 'write', offset: 0, bytes }]);
      writeFileSync(join(directory, 'selection'), '0-900\n');
      const small = newDirectory();
      expect(runTool('mount', '-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', small)).toBe(true);
      mounted.push(small);
      const before = stateOf(directory);
      const out = join(small, 'out.hxz');
      const args = ['commit', 'base.hxz', 'o.overlay', out, '--json', ...options];
      const result = await runCli(args, { cwd: directory });
      expect(result.stderr).toBe(`hexz: ${out}: cannot write it: no space left on the device\n`);
      expect([result.status, resultOf(result)]).toMatchObject([
        8,
        { error: { code: 'OUTPUT_FAILED' } },
      ]);
      expect(readdirSync(small)).toEqual([]);
      expect(stateOf(directory)).toEqual(before);
    },
  );

  test.runIf(requires('root', 'a checkout that everybody can read'))(
    'where nobody may write is exit 8',
    async () => {
      const { directory } = await newScene();
      const outputs = newDirectory();
      for (const path of [directory, outputs]) chmodSync(path, 0o755);
      chownSync(directory, ORDINARY_USER, ORDINARY_USER);
      for (const name of FILES) chownSync(join(directory, name), ORDINARY_USER, ORDINARY_USER);
      const before = stateOf(directory);
      const out = join(outputs, 'out.hxz');
      const result = await runCli(['commit', 'base.hxz', 'o.overlay', out], {
        cwd: directory,
        uid: ORDINARY_USER,
      });
      expect([result.status, result.stderr]).toEqual([
        8,
        `hexz: ${out}: cannot write it: permission denied\n`,
      ]);
      expect(readdirSync(outputs)).toEqual([]);
      expect(stateOf(directory)).toEqual(before);
    },
  );

  test('because the base is damaged is exit 4', async () => {
    const { directory } = await newScene();
    const base = openSync(join(directory, 'base.hxz'), 'r+');
    writeSync(base, Buffer.from('damage'), 0, 6, 4096 + 100);
    closeSync(base);
    const before = stateOf(directory);
    const result = await commit(directory, ['--json']);
    expect([result.status, resultOf(result)]).toMatchObject([4, { error: { code: 'CRC' } }]);
    expect(stateOf(directory)).toEqual(before);
  });

  test('because the base is written to meanwhile changes nothing', async () => {
    const { directory } = await newScene();
    const base = join(directory, 'base.hxz');
    const result = await commit(directory, ['--thin', '--json'], {
      // In the middle of it, the base becomes another one.
      before: `
        import fs from 'node:fs';
        import { syncBuiltinESMExports } from 'node:module';
        const { fsync } = fs;
        fs.fsync = (descriptor, done) => {
          const bytes = fs.readFileSync(${JSON.stringify(base)});
          const indexOffset = Number(bytes.readBigUInt64LE(12));
          bytes.writeBigUInt64LE(bytes.readBigUInt64LE(bytes.length - 8) + 1n, bytes.length - 8);
          const file = fs.openSync(${JSON.stringify(base)}, 'r+');
          fs.writeSync(file, bytes.subarray(indexOffset), 0, bytes.length - indexOffset, indexOffset);
          fs.closeSync(file);
          fsync(descriptor, done);
        };
        syncBuiltinESMExports();
      `,
    });
    expect(result.status).not.toBe(0);
    expect(resultOf(result)).toHaveProperty('error');
    expect(readdirSync(directory).sort()).toEqual(FILES);
  });
});

test('an overlay that a program without locks writes to is refused', async () => {
  const { directory } = await newScene();
  const overlay = join(directory, 'o.overlay');
  const writer = spawn('sh', ['-c', 'exec 3<>"$1"; echo open; read line', 'sh', overlay]);
  try {
    await once(writer.stdout, 'data');
    const result = await commit(directory, []);
    expect(result.status).toBe(7);
    expect(result.stderr).toContain(`(process ${writer.pid}) has it open for writing`);
    expect(existsSync(overlay)).toBe(true);
  } finally {
    const ended = once(writer, 'exit');
    writer.stdin.end();
    await ended;
  }
  expect((await commit(directory, [])).status).toBe(0);
});

describe.runIf(requires('FUSE'))('commit of an overlay that is mounted', () => {
  const hexz = mounts();

  test('read-write is refused, saying by whom and where', async () => {
    const { directory } = await newScene();
    const base = join(directory, 'base.hxz');
    const overlay = join(directory, 'o.overlay');
    const mount = await hexz.mount(base, ['--rw', '--overlay', overlay]);
    for (const options of [[], ['--keep-overlay'], ['--thin']]) {
      const result = await commit(directory, ['--json', ...options]);
      expect(result.status).toBe(7);
      expect(result.stderr).toContain(`process ${mount.pid} has the overlay open for writing`);
      expect(result.stderr).toContain(`mounted at ${mount.mountpoint}`);
      expect(jsonLinesOf(result)).toMatchObject([{ error: { code: 'OVERLAY_LOCKED' } }]);
      expect(existsSync(join(directory, 'out.hxz'))).toBe(false);
    }
    const disk = openSync(mount.disk, 'r+');
    writeSync(disk, Buffer.from('still'), 0, 5, 100);
    closeSync(disk);
    const shown = readFileSync(mount.disk);
    await hexz.unmount(mount);
    await mount.ended;
    expect((await commit(directory, [])).status).toBe(0);
    expectSameBytes(outOf(directory).disk, shown);
  });

  test('read-only is refused where it would be deleted, and committed where it is kept', async () => {
    const { directory, disk } = await newScene();
    const overlay = join(directory, 'o.overlay');
    const mount = await hexz.mount(join(directory, 'base.hxz'), ['--overlay', overlay]);
    const refused = await commit(directory, ['--json']);
    expect([refused.status, resultOf(refused)]).toMatchObject([
      7,
      { error: { code: 'OVERLAY_LOCKED' } },
    ]);
    expect((await commit(directory, ['--keep-overlay'])).status).toBe(0);
    expectSameBytes(outOf(directory).disk, disk);
    expectSameBytes(readFileSync(mount.disk), disk);
    await hexz.unmount(mount);
  });
});

describe.concurrent('commit of an overlay that grew the disk to a TiB', () => {
  test('takes seconds, and little memory', async () => {
    const directory = newDirectory();
    const base = join(directory, 'base.hxz');
    packSnapshot(base, { disk: DISK });
    const changes = [
      { kind: 'truncate', length: 2 ** 40 },
      { kind: 'write', offset: 2 ** 39, bytes: Buffer.from('in the middle') },
    ] as const;
    await changeLargeDisk(base, join(directory, 'o.overlay'), changes);
    const result = await commit(directory, ['--block-size', '1M', '--thin', '--json']);
    expect([result.status, result.stderr]).toEqual([0, '']);
    expect(result.peakMemoryBytes).toBeLessThan(300 * 2 ** 20);
    const snapshot = openSnapshot(join(directory, 'out.hxz'));
    const found = Buffer.alloc(13);
    snapshot.readInto('disk', 2 ** 39, found);
    expect([snapshot.streamLength('disk'), found.toString()]).toEqual([2 ** 40, 'in the middle']);
    snapshot.close();
  });
});
