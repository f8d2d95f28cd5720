import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { encryptedWith } from '../support/encryption.js';
import { goldenFixture, goldenPath, sha256 } from '../support/fixtures.js';
import { SnapshotWriter } from '../support/snapshotWriter.js';
import { someBytes } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();
const fixture = goldenFixture('s-lz4-encrypted');
const password = fixture.password ?? '';

function passwordFile(content: string | Buffer): string {
  const path = join(newDirectory(), 'password');
  writeFileSync(path, content);
  return path;
}

function extract(file: string, env: Record<string, string>, ...args: string[]) {
  return runCli(['extract', file, '--stream', 'disk', ...args], { env });
}

const path = goldenPath(fixture.file);

describe.concurrent('HEXZ_PASSWORD', () => {
  test('opens an encrypted snapshot', async () => {
    const { status, stdout } = await extract(path, { HEXZ_PASSWORD: password });
    expect([status, sha256(stdout)]).toEqual([0, fixture.disk.sha256]);
  });

  test('that is wrong is exit 5 in one line, without a byte of output', async () => {
    const { status, stdout, stderr } = await extract(path, { HEXZ_PASSWORD: 'wrong' });
    expect([status, stdout.length, stderr]).toEqual([5, 0, `hexz: ${path}: wrong password\n`]);
  });

  test('that is absent is exit 5, and nobody is asked', async () => {
    const { status, stdout, stderr } = await extract(path, {});
    expect([status, stdout.length]).toEqual([5, 0]);
    expect(stderr).toMatch(/^hexz: .*: the snapshot is encrypted; .*HEXZ_PASSWORD\n$/);
  });

  test('set but empty is the empty password', async () => {
    const empty = goldenFixture('a-zstd-encrypted');
    const opened = await extract(goldenPath(empty.file), { HEXZ_PASSWORD: '' });
    expect([opened.status, sha256(opened.stdout)]).toEqual([0, empty.disk.sha256]);
    const wrong = await extract(path, { HEXZ_PASSWORD: '' });
    expect([wrong.status, wrong.stderr]).toEqual([5, `hexz: ${path}: wrong password\n`]);
  });

  test('may hold any characters', async () => {
    const dictionary = goldenFixture('a-zstd-dict-encrypted');
    const env = { HEXZ_PASSWORD: dictionary.password ?? '' };
    const { status, stdout } = await extract(goldenPath(dictionary.file), env);
    expect([status, sha256(stdout)]).toEqual([0, dictionary.disk.sha256]);
  });

  test('is ignored for a snapshot that is not encrypted', async () => {
    const plain = goldenFixture('a-lz4-4k-both');
    const { status, stdout } = await extract(goldenPath(plain.file), { HEXZ_PASSWORD: 'any' });
    expect([status, sha256(stdout)]).toEqual([0, plain.disk.sha256]);
  });
});

describe.concurrent('--password-file', () => {
  test.each([
    ['without line end', password],
    ['with a line feed', `${password}\n`],
    ['with carriage return and line feed', `${password}\r\n`],
  ])('holds the password, %s', async (_name, content) => {
    const { status } = await extract(path, {}, '--password-file', passwordFile(content));
    expect(status).toBe(0);
  });

  test.each([
    ['a space behind it', `${password} \n`],
    ['a second line feed', `${password}\n\n`],
    ['nothing', ''],
  ])('with %s holds another password', async (_name, content) => {
    const { status } = await extract(path, {}, '--password-file', passwordFile(content));
    expect(status).toBe(5);
  });

  test('may be repeated, and wins over the environment', async () => {
    const files = ['wrong', password].flatMap((text) => ['--password-file', passwordFile(text)]);
    expect((await extract(path, { HEXZ_PASSWORD: 'wrong too' }, ...files)).status).toBe(0);
    const wrongFile = ['--password-file', passwordFile('wrong')];
    expect((await extract(path, { HEXZ_PASSWORD: password }, ...wrongFile)).status).toBe(0);
  });

  test('that is not there is exit 3, naming it', async () => {
    const absent = join(newDirectory(), 'absent');
    const { status, stderr } = await extract(path, {}, '--password-file', absent);
    expect(status).toBe(3);
    expect(stderr).toContain(`${absent}: cannot read the password file`);
  });
});

test('parent and child may have passwords of their own', async () => {
  const directory = newDirectory();
  copyFileSync(path, join(directory, 'parent.hxz'));
  const child = join(directory, 'child.hxz');
  const { encryption, pack } = encryptedWith('of the child');
  const writer = new SnapshotWriter(child, { encryption, parentPaths: ['parent.hxz'] }, pack);
  writer.addData(someBytes(1000));
  writer.addParent(9000);
  writer.finish();
  const files = ['--password-file', passwordFile('of the child\n')];
  expect((await extract(child, { HEXZ_PASSWORD: password }, ...files)).status).toBe(0);
  const missing = await extract(child, {}, ...files);
  expect([missing.status, missing.stdout.length]).toEqual([5, 0]);
  expect(missing.stderr).toContain('parent.hxz');
});
