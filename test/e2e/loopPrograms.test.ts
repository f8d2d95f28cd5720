import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { contentsOf, expectClean, inFileSystem, runChecked } from '../support/fileSystems.js';
import { mounts } from '../support/mounts.js';
import { randomFrom } from '../support/overlay/memoryBase.js';
import { requires } from '../support/requires.js';
import { packSnapshot } from '../support/snapshots.js';
import { someBytes } from '../support/streams.js';

const hexz = mounts();
const IMAGE_BYTES = 64 * 1024 ** 2;
const DATABASE_PAGE_BYTES = 8192;
/** What syncs all the time depends on the disk. */
const TEST_MILLISECONDS = 120_000;

type Program = (directory: string) => void;

/** Commits, clones, and checks the clone. */
const git: Program = (directory) => {
  const run = (...parameters: string[]): string =>
    execFileSync('git', parameters, {
      cwd: directory,
      encoding: 'utf8',
      stdio: 'pipe',
      env: {
        PATH: process.env.PATH,
        HOME: directory,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_AUTHOR_NAME: 'a',
        GIT_AUTHOR_EMAIL: 'a@localhost',
        GIT_COMMITTER_NAME: 'a',
        GIT_COMMITTER_EMAIL: 'a@localhost',
      },
    });
  run('init', '-q', 'repository');
  const repository = join(directory, 'repository');
  for (let commit = 0; commit < 3; commit++) {
    mkdirSync(join(repository, `directory-${commit}`));
    for (let file = 0; file < 30; file++) {
      writeFileSync(join(repository, `directory-${commit}`, `${file}`), someBytes(file * 997));
    }
    run('-C', 'repository', 'add', '.');
    run('-C', 'repository', '-c', 'core.fsync=all', 'commit', '-q', '-m', `commit ${commit}`);
  }
  run('clone', '-q', '--no-local', 'repository', 'clone');
  run('-C', 'clone', 'fsck', '--full', '--strict');
  expect(run('-C', 'clone', 'log', '--format=%s')).toBe('commit 2\ncommit 1\ncommit 0\n');
};

/** Transactions that are each synced, with both kinds of journal. */
const sqlite: Program = (directory) => {
  const script = `
import sqlite3, sys
for journal in ('delete', 'wal'):
    database = sqlite3.connect(sys.argv[1] + '/' + journal + '.db')
    database.execute('pragma journal_mode=' + journal)
    database.execute('pragma synchronous=full')
    database.execute('create table t (k integer primary key, v blob)')
    for number in range(25):
        with database:
            database.executemany('insert into t (v) values (randomblob(?))', [(number * 37,)] * 5)
            database.execute('update t set v = randomblob(500) where k % 7 = ?', (number % 7,))
            database.execute('delete from t where k % 11 = ?', (number % 11,))
    assert database.execute('pragma integrity_check').fetchone()[0] == 'ok'
    database.close()
`;
  runChecked('python3', '-c', script, directory);
};

/** As a database server does it: a log that is synced after every record, pages that are synced at checkpoints. */
const database: Program = (directory) => {
  const random = randomFrom(1);
  const log = openSync(join(directory, 'log'), 'w+');
  const table = openSync(join(directory, 'table'), 'w+');
  const expectedLog = Buffer.alloc(4 * 1024 ** 2);
  const expectedTable = Buffer.alloc(200 * DATABASE_PAGE_BYTES);
  ftruncateSync(log, expectedLog.length);
  const write = (file: number, expected: Buffer, page: number): void => {
    const bytes = someBytes(DATABASE_PAGE_BYTES);
    bytes.copy(expected, page * DATABASE_PAGE_BYTES);
    writeSync(file, bytes, 0, bytes.length, page * DATABASE_PAGE_BYTES);
  };
  for (let record = 0; record < 100; record++) {
    write(log, expectedLog, record);
    fdatasyncSync(log);
    if (record % 20 !== 19) continue;
    for (let page = 0; page < 30; page++) write(table, expectedTable, Math.floor(random() * 200));
    fsyncSync(table);
  }
  write(table, expectedTable, 199);
  closeSync(log);
  closeSync(table);
  expect(readFileSync(join(directory, 'log')).equals(expectedLog)).toBe(true);
  expect(readFileSync(join(directory, 'table')).equals(expectedTable)).toBe(true);
};

describe.runIf(requires('FUSE', 'root', 'loop devices', 'e2fsprogs'))(
  'an ext4 on a writable mount',
  () => {
    for (const { name, program, isThere } of [
      { name: 'git', program: git, isThere: requires('git') },
      { name: 'sqlite', program: sqlite, isThere: requires('Python') },
      { name: 'a database server', program: database, isThere: true },
    ]) {
      test.runIf(isThere)(
        `serves ${name}, and is clean after it`,
        async () => {
          const image = hexz.sandbox.path('image');
          runChecked('mkfs.ext4', '-q', image, String(IMAGE_BYTES / 1024));
          const snapshot = hexz.sandbox.path('disk.hxz');
          packSnapshot(snapshot, { disk: readFileSync(image) });
          const overlay = ['--overlay', hexz.sandbox.path('overlay')];
          const directory = hexz.sandbox.newDirectory();

          const written = await hexz.mount(snapshot, ['--rw', ...overlay]);
          let contents = {};
          inFileSystem(directory, written.disk, 'rw', () => {
            program(directory);
            contents = contentsOf(directory);
          });
          await hexz.unmount(written);
          expect(await written.ended).toEqual({ status: 0, signal: null });
          expect(written.stderr).toBe('');

          const viewed = await hexz.mount(snapshot, overlay);
          expectClean(viewed.disk);
          inFileSystem(directory, viewed.disk, 'ro', () => {
            expect(contentsOf(directory)).toEqual(contents);
          });
          await hexz.unmount(viewed);
          hexz.expectNothingLeft();
        },
        TEST_MILLISECONDS,
      );
    }
  },
);
