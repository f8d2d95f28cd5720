import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type CliResult, jsonOf, runCli } from '../support/cli.js';
import { goldenFixture, goldenPath } from '../support/fixtures.js';
import { interruptEverywhere } from '../support/interrupt.js';
import { ORDINARY_USER, requires } from '../support/requires.js';
import { SnapshotWriter } from '../support/snapshotWriter.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();

const privateKey = goldenPath('keys/private.key');
const publicKey = goldenPath('keys/public.key');
const publicKeyHex = readFileSync(publicKey).toString('hex');
const golden = goldenPath('a-lz4-4k-both.hxz');
const goldenLength = statSync(golden).size;

/** A snapshot that is alone in its directory. */
function newCopy(file = 'a-lz4-4k-both.hxz'): { path: string; directory: string } {
  const directory = newDirectory();
  const path = join(directory, 'disk.hxz');
  copyFileSync(goldenPath(file), path);
  return { path, directory };
}

const sign = (path: string, ...options: string[]) =>
  runCli(['sign', '--key', privateKey, path, ...options]);

const verify = (path: string) => runCli(['verify', path, '--key', publicKey]);

/** Whether it is the golden file, or that with its signature, and no third thing. */
function stateOf(path: string): 'as it was' | 'signed' {
  const bytes = readFileSync(path);
  if (bytes.equals(readFileSync(golden))) return 'as it was';
  expect(bytes.length).toBe(goldenLength + 64);
  expect(bytes.subarray(4096, goldenLength).equals(readFileSync(golden).subarray(4096))).toBe(true);
  return 'signed';
}

describe.concurrent('sign', () => {
  test('says what the signature covers, and leaves only the signed snapshot', async () => {
    const { path, directory } = newCopy();
    const { status, stdout, stderr } = await sign(path);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.toString()).toBe(
      `${path}: signed; the signature covers the master index and the metadata; public key ${publicKeyHex}\n`,
    );
    expect(readdirSync(directory)).toEqual(['disk.hxz']);
    expect([stateOf(path), (await verify(path)).status]).toEqual(['signed', 0]);
    const again = await sign(path);
    expect(again.stdout.toString()).toContain('the metadata, and the signature before; ');
    expect([statSync(path).size, (await verify(path)).status]).toEqual([goldenLength + 128, 0]);
  });

  test('prints one JSON document', async () => {
    const { path } = newCopy();
    const result = await sign(path, '--json');
    expect(result.status).toBe(0);
    expect(jsonOf(result)).toEqual({
      path,
      offset: goldenLength,
      length: 64,
      signedFromOffset: expect.any(Number) as unknown,
      replacesSignature: false,
      publicKey: publicKeyHex,
    });
  });

  test('needs neither password nor parents', async () => {
    for (const file of ['s-lz4-encrypted.hxz', 'a-thin-l2.hxz']) {
      expect((await sign(newCopy(file).path)).status).toBe(0);
    }
  });

  test('goes through a link, which stays', async () => {
    const { path, directory } = newCopy();
    const link = join(directory, 'link');
    symlinkSync('disk.hxz', link);
    expect((await sign(link)).status).toBe(0);
    expect([lstatSync(link).isSymbolicLink(), stateOf(path)]).toEqual([true, 'signed']);
    expect(readdirSync(directory).sort()).toEqual(['disk.hxz', 'link']);
  });

  test('keeps permissions, whatever the umask', async () => {
    for (const mode of [0o400, 0o600, 0o640, 0o664, 0o777]) {
      const { path } = newCopy();
      chmodSync(path, mode);
      expect((await sign(path)).status).toBe(0);
      expect(statSync(path).mode & 0o7777).toBe(mode);
    }
  });

  test.runIf(requires('root'))('keeps the owner, where that is allowed', async () => {
    const { path } = newCopy();
    chownSync(path, 1234, 5678);
    chmodSync(path, 0o640);
    expect((await sign(path)).status).toBe(0);
    const { uid, gid, mode } = statSync(path);
    expect([uid, gid, mode & 0o777]).toEqual([1234, 5678, 0o640]);
  });

  test.runIf(requires('root', 'a checkout that everybody can read'))(
    'makes it the file of him who signs, where nothing else is allowed',
    async () => {
      const { path, directory } = newCopy();
      const key = join(directory, 'key');
      copyFileSync(privateKey, key);
      chmodSync(key, 0o644);
      chmodSync(directory, 0o777);
      chmodSync(path, 0o644);
      const { status, stderr } = await runCli(['sign', '--key', key, path], {
        uid: ORDINARY_USER,
      });
      expect([status, stderr]).toEqual([0, '']);
      expect([statSync(path).uid, statSync(path).mode & 0o777]).toEqual([ORDINARY_USER, 0o644]);
    },
  );

  test('is exit 4 where the header has no room for a signature', async () => {
    const directory = newDirectory();
    const path = join(directory, 'full.hxz');
    // 35 bytes of fields, 8 of the length of the path.
    const writer = new SnapshotWriter(path, { parentPaths: ['p'.repeat(4096 - 43 - 11)] });
    writer.addParent(1000);
    writer.finish();
    const before = readFileSync(path);
    const { status, stderr } = await sign(path);
    expect([status, stderr]).toEqual([
      4,
      `hexz: ${path}: the header would take 4097 of 4096 bytes; shorten the path of the parent\n`,
    ]);
    expect([readdirSync(directory), readFileSync(path).equals(before)]).toEqual([
      ['full.hxz'],
      true,
    ]);
  });

  test('is exit 3 for what is no snapshot or no key', async () => {
    const { path } = newCopy();
    const other = join(newDirectory(), 'other');
    const signWith = (key: Buffer | string) => {
      writeFileSync(other, key);
      return runCli(['sign', path, '--key', other]);
    };
    const seed = readFileSync(privateKey);
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
    const results = [
      await sign('/absent.hxz'),
      await sign(newDirectory()),
      await sign('/dev/null'),
      await runCli(['sign', path, '--key', '/absent.key']),
      await runCli(['sign', path, '--key', newDirectory()]),
      await signWith(seed.subarray(0, 31)),
      await signWith(der),
      await signWith(`-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n`),
      await signWith(seed.toString('hex')),
    ];
    for (const { status, stdout, stderr } of results) {
      expect([status, stdout.length]).toEqual([3, 0]);
      expect(stderr).toMatch(/^hexz: .+\n$/);
    }
    expect(stateOf(path)).toBe('as it was');
  });

  test('is a usage error without a key', async () => {
    expect((await runCli(['sign', golden])).status).toBe(2);
  });
});

/** Changes what the command does before it begins. */
const patched = (path: string, code: string): Promise<CliResult> =>
  runCli(['sign', '--key', privateKey, path], {
    before: `
      import fs from 'node:fs';
      import promises from 'node:fs/promises';
      import { syncBuiltinESMExports } from 'node:module';
      const { writeSync, appendFileSync } = fs;
      const { copyFile } = promises;
      ${code}
      syncBuiltinESMExports();
    `,
  });

describe.concurrent('nothing is changed', () => {
  test('when the copy does not read as what was written', async () => {
    const { path, directory } = newCopy();
    const { status, stderr } = await patched(
      path,
      `fs.writeSync = (descriptor, bytes, ...rest) => {
         if (bytes.length === 64) bytes[0] ^= 1;
         return writeSync(descriptor, bytes, ...rest);
       };`,
    );
    expect([status, stderr]).toEqual([
      8,
      `hexz: ${path}: the signed copy reads wrong: the signature does not fit this file and key\n`,
    ]);
    expect([readdirSync(directory), stateOf(path)]).toEqual([['disk.hxz'], 'as it was']);
  });

  test('when somebody writes to the snapshot meanwhile', async () => {
    const { path, directory } = newCopy();
    const { status, stderr } = await patched(
      path,
      `promises.copyFile = async (from, ...rest) => {
         await copyFile(from, ...rest);
         appendFileSync(from, 'more');
       };`,
    );
    expect([status, stderr]).toEqual([
      8,
      `hexz: ${path}: the snapshot was changed while it was signed; sign it again\n`,
    ]);
    expect(readdirSync(directory)).toEqual(['disk.hxz']);
    const expected = Buffer.concat([readFileSync(golden), Buffer.from('more')]);
    expect(readFileSync(path).equals(expected)).toBe(true);
  });

  test('when the copy cannot be made', async () => {
    const { path, directory } = newCopy();
    const { status, stderr } = await patched(
      path,
      `promises.copyFile = async () => {
         throw Object.assign(new Error('full'), { code: 'ENOSPC' });
       };`,
    );
    expect([status, stderr]).toEqual([
      8,
      `hexz: ${path}: cannot write it: no space left on the device\n`,
    ]);
    expect([readdirSync(directory), stateOf(path)]).toEqual([['disk.hxz'], 'as it was']);
  });

  test.runIf(requires('root', 'a checkout that everybody can read'))(
    'where the directory may not be written',
    async () => {
      const { path, directory } = newCopy();
      const key = join(newDirectory(), 'key');
      copyFileSync(privateKey, key);
      for (const readable of [key, path]) chmodSync(readable, 0o666);
      for (const each of [join(key, '..'), directory]) chmodSync(each, 0o755);
      const { status, stderr } = await runCli(['sign', '--key', key, path], {
        uid: ORDINARY_USER,
      });
      expect([status, stderr]).toEqual([8, `hexz: ${path}: cannot write it: permission denied\n`]);
      expect(stateOf(path)).toBe('as it was');
    },
  );
});

describe.concurrent('sign that is interrupted before any of its file operations', () => {
  test('by SIGINT leaves nothing behind, and the snapshot as it was or signed', async () => {
    let copy = newCopy();
    const prepare = () => {
      copy = newCopy();
      return ['sign', '--key', privateKey, copy.path];
    };
    const states = new Set<string>();
    const count = await interruptEverywhere('SIGINT', prepare, ({ signal }) => {
      expect(readdirSync(copy.directory)).toEqual(['disk.hxz']);
      const state = stateOf(copy.path);
      // Where it was signed, the signal came too late to matter.
      if (state === 'as it was') expect(signal).toBe('SIGINT');
      states.add(state);
    });
    expect(count).toBeGreaterThan(8);
    expect([...states].sort()).toEqual(['as it was', 'signed']);
  });

  test('by SIGKILL leaves the snapshot as it was, or completely signed', async () => {
    let copy = newCopy();
    const prepare = () => {
      copy = newCopy();
      return ['sign', '--key', privateKey, copy.path];
    };
    const states = new Set<string>();
    const count = await interruptEverywhere('SIGKILL', prepare, ({ signal }) => {
      expect(signal).toBe('SIGKILL');
      states.add(stateOf(copy.path));
    });
    expect(count).toBeGreaterThan(8);
    expect([...states].sort()).toEqual(['as it was', 'signed']);
  });
});

test.runIf(requires('openssl'))('a signature is what OpenSSL takes for one', async () => {
  const directory = newDirectory();
  const keys = join(directory, 'keys');
  mkdirSync(keys);
  await runCli(['keygen', '-o', keys]);
  const path = join(directory, 'disk.hxz');
  copyFileSync(goldenPath(goldenFixture('b-zstd-file').file), path);
  const result = await runCli(['sign', path, '--key', join(keys, 'private.key'), '--json']);
  const { offset, signedFromOffset } = jsonOf(result) as {
    offset: number;
    signedFromOffset: number;
  };
  const bytes = readFileSync(path);
  const at = (name: string, content: Buffer): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };
  const signed = bytes.subarray(signedFromOffset, offset);
  const key = readFileSync(join(keys, 'public.key'));
  const pem = [
    ...['pkey', '-pubin', '-inform', 'DER', '-out', join(directory, 'public.pem'), '-in'],
    at('public.der', Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key])),
  ];
  execFileSync('openssl', pem);
  const check = (message: Buffer) =>
    execFileSync(
      'openssl',
      [
        ...['pkeyutl', '-verify', '-rawin', '-pubin', '-inkey', join(directory, 'public.pem')],
        ...['-in', at('message', message), '-sigfile', at('signature', bytes.subarray(offset))],
      ],
      { stdio: 'pipe' },
    );
  check(createHash('sha256').update(signed).digest());
  expect(() => check(randomBytes(32))).toThrow();
});
