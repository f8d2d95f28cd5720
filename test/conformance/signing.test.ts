import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { goldenFixtures, goldenPath } from '../support/fixtures.js';
import { someBytes } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';

const { HEXZ_REFERENCE: reference } = process.env;
if (reference === undefined) {
  console.info('skipped: set HEXZ_REFERENCE to the path of the Rust hexz to compare with it');
}

const newDirectory = temporaryDirectories();

/** The exit status of the Rust hexz. */
const theirs = (cwd: string, ...args: string[]): number | null =>
  spawnSync(reference ?? '', args, { cwd, stdio: 'ignore' }).status;

/** The exit status of ours. */
const ours = async (cwd: string, ...args: string[]): Promise<number | null> =>
  (await runCli(args, { cwd })).status;

type Tool = (cwd: string, ...args: string[]) => number | null | Promise<number | null>;

const tools: readonly (readonly [name: string, tool: Tool])[] = [
  ['hexz', ours],
  ['the Rust hexz', theirs],
];
const pairs = tools.flatMap(([maker, make]) =>
  tools.map(([signer, sign]) => ({ maker, make, signer, sign })),
);

describe.skipIf(reference === undefined)('signatures', () => {
  test.each(pairs)('of keys by $maker, made by $signer, are good to both', async (pair) => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'disk'), someBytes(300_000));
    expect(theirs(directory, 'pack', '--silent', '--disk', 'disk', '-o', 'packed.hxz')).toBe(0);
    expect(await pair.make(directory, 'keygen', '--output-dir', '.')).toBe(0);
    writeFileSync(join(directory, 'other.key'), someBytes(32));
    // The second time, the first signature is a part of what is signed.
    for (let time = 1; time <= 2; time++) {
      expect(await pair.sign(directory, 'sign', '--key', 'private.key', 'packed.hxz')).toBe(0);
      for (const verify of [ours, theirs]) {
        expect(await verify(directory, 'verify', '--key', 'public.key', 'packed.hxz')).toBe(0);
        expect(await verify(directory, 'verify', '--key', 'other.key', 'packed.hxz')).toBe(1);
      }
    }
  });

  test.each(pairs)('by $maker and then by $signer are good to both', async (pair) => {
    const directory = newDirectory();
    copyFileSync(goldenPath('a-lz4-meta-signed.hxz'), join(directory, 'signed.hxz'));
    for (const name of ['private.key', 'public.key']) {
      copyFileSync(goldenPath(`keys/${name}`), join(directory, name));
    }
    for (const sign of [pair.make, pair.sign]) {
      expect(await sign(directory, 'sign', '--key', 'private.key', 'signed.hxz')).toBe(0);
    }
    for (const verify of [ours, theirs]) {
      expect(await verify(directory, 'verify', '--key', 'public.key', 'signed.hxz')).toBe(0);
    }
  });

  const ofTheirGeneration = goldenFixtures.filter(({ generation }) => generation !== 'B');

  test.each(ofTheirGeneration)('of $file are the same bytes', async ({ file }) => {
    const [mine, other] = [newDirectory(), newDirectory()];
    for (const directory of [mine, other]) {
      copyFileSync(goldenPath(file), join(directory, 'disk.hxz'));
      copyFileSync(goldenPath('keys/private.key'), join(directory, 'key'));
    }
    expect(await ours(mine, 'sign', '--key', 'key', 'disk.hxz')).toBe(0);
    expect(theirs(other, 'sign', '--key', 'key', 'disk.hxz')).toBe(0);
    const [left, right] = [mine, other].map((directory) =>
      readFileSync(join(directory, 'disk.hxz')),
    );
    expect(right !== undefined && left?.equals(right)).toBe(true);
  });

  test('take the first 32 bytes of a public key file', async () => {
    const directory = newDirectory();
    copyFileSync(goldenPath('a-lz4-signed.hxz'), join(directory, 'signed.hxz'));
    for (const name of ['private.key', 'public.key']) {
      const key = readFileSync(goldenPath(`keys/${name}`));
      writeFileSync(join(directory, name), Buffer.concat([key, Buffer.from('more')]));
      writeFileSync(join(directory, `short-${name}`), key.subarray(0, 31));
    }
    // Of a private key hexz wants nothing but the key: the beginning of some other file is no secret.
    expect(await theirs(directory, 'sign', '--key', 'private.key', 'signed.hxz')).toBe(0);
    expect(await ours(directory, 'sign', '--key', 'private.key', 'signed.hxz')).toBe(3);
    for (const use of [ours, theirs]) {
      expect(await use(directory, 'verify', '--key', 'public.key', 'signed.hxz')).toBe(0);
      expect(await use(directory, 'sign', '--key', 'short-private.key', 'signed.hxz')).not.toBe(0);
      expect(await use(directory, 'verify', '--key', 'short-public.key', 'signed.hxz')).not.toBe(0);
    }
  });
});
