import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliEnvironment, cliPath, runCli } from '../../../support/cli.js';
import { sha256 } from '../../../support/fixtures.js';
import {
  buildErrorOf,
  buildRecipe,
  builtStream,
  writeFiles,
} from '../../../support/recipeFiles.js';
import { recipePath } from '../../../support/recipes.js';
import { ORDINARY_USER, requires } from '../../../support/requires.js';
import { temporaryDirectories } from '../../../support/temporary.js';
import { until } from '../../../support/until.js';

const newDirectory = temporaryDirectories();

/** Builds a disk of one ext4 and writes its image; answers its path. */
async function imageOf(ext4: unknown, files: Readonly<Record<string, unknown>> = {}) {
  const directory = writeFiles(newDirectory(), { 'r.yaml': { disk: [{ ext4 }] }, ...files });
  await buildRecipe(directory);
  const path = join(directory, 'image');
  writeFileSync(path, builtStream(directory, 'disk'));
  return path;
}

const debugfs = (image: string, command: string): string =>
  spawnSync('debugfs', ['-R', command, image], {
    encoding: 'utf8',
    env: { ...process.env, TZ: 'UTC' },
  }).stdout;

function checkFileSystem(image: string): void {
  const { status, stdout } = spawnSync('e2fsck', ['-fn', image], { encoding: 'utf8' });
  expect(stdout).not.toMatch(/\? no|WARNING/);
  expect(status).toBe(0);
}

const ext4 = {
  size: '8MiB',
  label: 'root',
  uuid: '01234567-89AB-cdef-0123-456789abcdef',
  time: '2001-09-09T01:46:40Z',
};

describe.runIf(requires('e2fsprogs'))('a file system', () => {
  test('holds the tree with its attributes', async () => {
    const image = await imageOf({
      ...ext4,
      tree: {
        'etc/hostname': 'demo\n',
        'empty/': null,
        'private/': { mode: '0700', uid: 70_000, gid: 80_000 },
        'bin/tool': { content: [{ text: '#!' }, { zeros: 9000 }], mode: '4755', mtime: 1 },
        'bin/again': { hardlink: 'bin/tool' },
        'etc/link': { symlink: '../bin/tool' },
        'long link': { symlink: `/${'x'.repeat(1000)}` },
        'a "quoted" ünïcode name': { random: { seed: 1, length: 100_000 } },
        '<12>': 'no inode',
        '-f': 'no option',
      },
    });
    checkFileSystem(image);
    const stat = (path: string) => debugfs(image, `stat "${path}"`);
    expect(debugfs(image, 'cat /etc/hostname')).toBe('demo\n');
    expect(debugfs(image, 'cat "/<12>"')).toBe('no inode');
    expect(stat('/private')).toMatch(/Mode: {2}0700[\s\S]*User: 70000 +Group: 80000/);
    expect(stat('/bin/tool')).toMatch(/Mode: {2}04755[\s\S]*Size: 9002[\s\S]*Links: 2/);
    expect(stat('/bin/tool')).toMatch(/mtime: 0x00000001:00000000/);
    expect(stat('/bin/again')).toBe(stat('/bin/tool'));
    expect(stat('/etc/link')).toMatch(/Fast link dest: "..\/bin\/tool"/);
    expect(stat('/long link')).toMatch(/Type: symlink[\s\S]*Size: 1001/);
    expect(stat('/a ""quoted"" ünïcode name')).toMatch(/Size: 100000/);
  });

  test('has no time but the one it was given, in no inode', async () => {
    const image = await imageOf({
      ...ext4,
      size: '16MiB',
      journal: '4MiB',
      tree: { 'a/b': 'c', l: { symlink: 'a' } },
    });
    for (let inode = 1; inode <= 14; inode++) {
      const times = [...debugfs(image, `stat <${inode}>`).matchAll(/(.time): 0x(\S+)/g)];
      for (const [, name, time] of times) {
        expect([inode, name, time?.slice(0, 8)]).toEqual([
          inode,
          name,
          // Inodes that nobody has used have none at all.
          [3, 4, 5, 6, 7, 9, 10].includes(inode) ? '00000000' : '3b9aca00',
        ]);
        expect(time).toMatch(/^[0-9a-f]{8}(:00000000)?$/);
      }
    }
    const superblock = debugfs(image, 'stats -h');
    const dates = [...superblock.matchAll(/(?:created|time|checked): +(.*20.*)$/gm)];
    expect(dates.map(([, date]) => date)).toEqual(Array(3).fill('Sun Sep  9 01:46:40 2001'));
    expect(superblock).toContain('01234567-89ab-cdef-0123-456789abcdef');
  });

  test('takes a directory beside the recipe: contents and what may be executed, not owners and times', async () => {
    const directory = newDirectory();
    const site = { ...ext4, from: 'site', tree: { 'b/new': 'new', 'b/old': 'replaced' } };
    writeFiles(directory, {
      'r.yaml': { disk: [{ ext4: site }] },
      'site/run': '#!/bin/sh\n',
      'site/b/old': 'old',
      'site/b/c d': 'deep',
    });
    symlinkSync('b/old', join(directory, 'site', 'link'));
    mkdirSync(join(directory, 'site', 'empty'));
    chmodSync(join(directory, 'site', 'run'), 0o700);
    const [before] = await buildRecipe(directory);
    const image = join(directory, 'image');
    writeFileSync(image, builtStream(directory, 'disk'));
    checkFileSystem(image);
    expect(debugfs(image, 'cat "/b/c d"')).toBe('deep');
    expect(debugfs(image, 'cat /b/old')).toBe('replaced');
    expect(debugfs(image, 'stat /run')).toMatch(/Mode: {2}0755/);
    expect(debugfs(image, 'stat /link')).toMatch(/Fast link dest: "b\/old"/);
    expect(debugfs(image, 'stat /empty')).toMatch(/Type: directory/);
    chmodSync(join(directory, 'site', 'run'), 0o711);
    chmodSync(join(directory, 'site', 'b', 'old'), 0o600);
    if (process.getuid?.() === 0) chownSync(join(directory, 'site', 'b', 'old'), 1, 1);
    utimesSync(join(directory, 'site', 'b', 'c d'), 1, 1);
    expect((await buildRecipe(directory))[0]?.files).toEqual(before?.files);
  });

  test('of every block size is sound, with and without journal', async () => {
    for (const blockSize of [1024, 2048, 4096]) {
      const journal = { journal: '4MiB' };
      for (const extra of [{}, journal]) {
        const tree = { f: { text: { seed: 1, length: 300_000 } }, 'd/e/f/g': 'x' };
        checkFileSystem(await imageOf({ ...ext4, size: '9MiB', blockSize, tree, ...extra }));
      }
    }
  });

  test('that spans several groups, with many files in one directory', async () => {
    const names = Array.from({ length: 1500 }, (_, number) => `d/file with number ${number}`);
    const tree = Object.fromEntries(names.map((name) => [name, { zeros: 0 }]));
    const image = await imageOf({ ...ext4, size: '160MiB', tree });
    checkFileSystem(image);
    expect(debugfs(image, 'ls -p /d').match(/file with number/g)).toHaveLength(1500);
  });

  test.each([
    [
      'what is too large for it',
      { size: '1MiB', tree: { a: { random: { seed: 1, length: '2MiB' } } } },
      /^OUTPUT_FAILED 3:7 disk\[0\]\.ext4: the ext4 cannot be filled: debugfs says/,
    ],
    [
      'more files than inodes',
      {
        size: '1MiB',
        inodes: 16,
        tree: Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`f${n}`, 'x'])),
      },
      /^OUTPUT_FAILED 3:7 disk\[0\]\.ext4: the ext4 cannot be filled/,
    ],
    [
      'too small for a file system',
      { size: '64KiB', journal: '4MiB' },
      /^OUTPUT_FAILED 3:7 disk\[0\]\.ext4: mke2fs failed \(status 1\): image: Not enough/,
    ],
    [
      'a path upwards',
      { size: '1MiB', tree: { 'a/../b': 'x' } },
      /ext4\.tree\."a\/\.\.\/b": must be a path without/,
    ],
    [
      'an absolute path',
      { size: '1MiB', tree: { '/a': 'x' } },
      /must be a path without leading slash/,
    ],
    [
      'a line break',
      { size: '1MiB', tree: { 'a\nrm x': 'x' } },
      /must not hold control characters/,
    ],
    [
      'a line break in a link',
      { size: '1MiB', tree: { a: { symlink: 'x\nrm y' } } },
      /without control characters/,
    ],
    [
      'a long name',
      { size: '1MiB', tree: { ['n'.repeat(256)]: 'x' } },
      /a name has at most 255 bytes/,
    ],
    [
      'a long path',
      { size: '1MiB', tree: { [`${'d/'.repeat(600)}f`]: 'x' } },
      /at most 1024 bytes/,
    ],
    ['what is below a file', { size: '1MiB', tree: { a: 'x', 'a/b': 'x' } }, /a is no directory/],
    [
      'a link to nothing',
      { size: '1MiB', tree: { a: { hardlink: 'b' } } },
      /there is no file b for a hard/,
    ],
    [
      'lost+found',
      { size: '1MiB', tree: { 'lost+found/a': 'x' } },
      /lost\+found is made by mke2fs/,
    ],
  ])('cannot have %s', async (_, ext4, message) => {
    const directory = writeFiles(newDirectory(), { 'r.yaml': { disk: [{ ext4 }] } });
    expect(await buildErrorOf(directory)).toMatch(message);
  });
});

/** Builds both recipes with file systems, with a command in front, and tells the hashes of what they make. */
function buildWith(
  directory: string,
  {
    front = [],
    env = {},
    uid,
  }: { front?: readonly string[]; env?: Record<string, string>; uid?: number },
): Readonly<Record<string, string>> {
  mkdirSync(directory, { recursive: true });
  if (uid !== undefined) chownSync(directory, uid, uid);
  const recipes = [recipePath('demo'), recipePath('ext4-journal')];
  const command = [...front, process.execPath, cliPath, 'fixture', 'build', '--json', ...recipes];
  const [program = '', ...parameters] = [...command, '-o', directory];
  const { status, stdout, stderr } = spawnSync(program, parameters, {
    env: { ...cliEnvironment(), ...env },
    encoding: 'utf8',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  if (status !== 0) throw new Error(stderr);
  const { fixtures } = JSON.parse(stdout) as {
    fixtures: { files: { name: string; sha256: string }[] }[];
  };
  const files = fixtures.flatMap((fixture) => fixture.files);
  return Object.fromEntries(files.map(({ name, sha256 }) => [name, sha256]));
}

const canVary = requires('e2fsprogs', 'root', 'a checkout that everybody can read', 'tmpfs');

describe.runIf(canVary)('the same bytes come out', () => {
  test('at another time, for another user, in another place, with other settings', async () => {
    const directory = newDirectory();
    chmodSync(directory, 0o755);
    const first = buildWith(join(directory, 'first'), {});
    expect(Object.keys(first)).toHaveLength(5);
    const secondOf = () => Math.floor(Date.now() / 1000);
    const before = secondOf();
    await until('the next second, in which times are counted', () => secondOf() > before);
    const strange = {
      TZ: 'Pacific/Kiritimati',
      LC_ALL: 'C.UTF-8',
      MKE2FS_CONFIG: '/dev/null',
      E2FSPROGS_FAKE_TIME: '1',
      SOURCE_DATE_EPOCH: '12345',
      HEXZ_CODECS: 'bundled',
      HEXZ_PASSWORD: 'unused',
    };
    const umask = ['sh', '-c', 'umask 077; exec "$@"', 'sh'];
    expect(buildWith(join(directory, 'second'), { env: strange, front: umask })).toEqual(first);
    expect(buildWith(join(directory, 'third'), { uid: ORDINARY_USER })).toEqual(first);
    const inMemory = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs tmpfs "$0"; exec "$@"'];
    const fourth = join(directory, 'fourth');
    expect(buildWith(fourth, { front: [...inMemory, fourth], env: { TMPDIR: fourth } })).toEqual(
      first,
    );
    const demo = readFileSync(join(directory, 'first', 'demo.hxz'));
    expect(sha256(demo)).toBe(first['demo.hxz']);
  });
});

describe.runIf(requires('root', 'tmpfs'))('without e2fsprogs', () => {
  test('a recipe with an ext4 says what to install', async () => {
    const directory = writeFiles(newDirectory(), {
      'r.yaml': { disk: [{ ext4: { size: '1MiB' } }] },
    });
    const hide = 'mount -t tmpfs tmpfs /usr/sbin && exec "$@"';
    const { status, stderr } = spawnSync(
      'unshare',
      ['--mount', 'sh', '-c', hide, 'sh', process.execPath, cliPath, 'fixture', 'build', 'r.yaml'],
      { cwd: directory, encoding: 'utf8' },
    );
    expect(stderr).toBe(
      'hexz: r.yaml:3:7: disk[0].ext4: an ext4 needs the program mke2fs, which is not there; apt install e2fsprogs\n',
    );
    expect(status).toBe(8);
  });

  test('one without needs none', async () => {
    const directory = writeFiles(newDirectory(), { 'r.yaml': { disk: [{ zeros: 1 }] } });
    const { status } = await runCli(['fixture', 'build', 'r.yaml'], {
      cwd: directory,
      env: { PATH: '/nowhere' },
    });
    expect(status).toBe(0);
  });
});
