import { createPublicKey } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { publicKeyOf } from '../../src/engine/write/keys.js';
import { jsonOf, runCli } from '../support/cli.js';
import { interruptEverywhere } from '../support/interrupt.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();

const modeOf = (path: string) => statSync(path).mode & 0o777;

/** Whether both keys are there, and belong together. */
function isPair(directory: string): boolean {
  const [privateKey, publicKey] = ['private.key', 'public.key'].map((name) =>
    readFileSync(join(directory, name)),
  );
  return privateKey !== undefined && publicKey?.equals(publicKeyOf(privateKey)) === true;
}

describe.concurrent('keygen', () => {
  test('makes a pair of raw keys, the private one for its owner only', async () => {
    const directory = newDirectory();
    const { status, stdout, stderr } = await runCli(['keygen', '-o', directory]);
    expect([status, stderr]).toEqual([0, '']);
    expect(readdirSync(directory).sort()).toEqual(['private.key', 'public.key']);
    const [privatePath, publicPath] = [
      join(directory, 'private.key'),
      join(directory, 'public.key'),
    ];
    expect([modeOf(privatePath), modeOf(publicPath)]).toEqual([0o600, 0o666 & ~process.umask()]);
    expect([statSync(privatePath).size, statSync(publicPath).size]).toEqual([32, 32]);
    expect(isPair(directory)).toBe(true);
    expect(stdout.toString()).toContain(privatePath);
    expect(stdout.toString()).toContain(publicPath);
    expect(stdout.toString()).toContain(readFileSync(publicPath).toString('hex'));
    expect(stdout.toString()).not.toContain(readFileSync(privatePath).toString('hex'));
  });

  test('works in the current directory when it is told no other, and never makes the same', async () => {
    const keys = [];
    for (let run = 0; run < 2; run++) {
      const cwd = newDirectory();
      const result = await runCli(['keygen', '--json'], { cwd });
      expect(result.status).toBe(0);
      const publicKey = readFileSync(join(cwd, 'public.key')).toString('hex');
      expect(jsonOf(result)).toEqual({
        privateKeyPath: 'private.key',
        publicKeyPath: 'public.key',
        publicKey,
      });
      keys.push(publicKey);
    }
    expect(keys[0]).not.toBe(keys[1]);
  });

  test.each(['private.key', 'public.key'])(
    'keeps an existing %s, and makes no other',
    async (name) => {
      const directory = newDirectory();
      writeFileSync(join(directory, name), 'precious');
      const { status, stderr } = await runCli(['keygen', '--output-dir', directory]);
      expect([status, stderr]).toEqual([
        8,
        `hexz: ${join(directory, name)}: the file exists; give --force to replace it\n`,
      ]);
      expect(readdirSync(directory)).toEqual([name]);
      expect(readFileSync(join(directory, name), 'utf8')).toBe('precious');
    },
  );

  test('replaces both with --force, follows links, and leaves nothing for others to read', async () => {
    const directory = newDirectory();
    const real = join(newDirectory(), 'real.key');
    writeFileSync(real, 'old');
    chmodSync(real, 0o644);
    symlinkSync(real, join(directory, 'private.key'));
    writeFileSync(join(directory, 'public.key'), 'old');
    const { status } = await runCli(['keygen', '-o', directory, '--force']);
    expect(status).toBe(0);
    expect([isPair(directory), modeOf(real), statSync(real).size]).toEqual([true, 0o600, 32]);
    expect(readdirSync(directory).sort()).toEqual(['private.key', 'public.key']);
  });

  test('is exit 8 for a directory that is not there, or is none', async () => {
    const directory = newDirectory();
    const file = join(directory, 'file');
    writeFileSync(file, '');
    for (const target of [join(directory, 'absent'), file]) {
      const { status, stdout, stderr } = await runCli(['keygen', '-o', target]);
      expect([status, stdout.length]).toEqual([8, 0]);
      expect(stderr).toMatch(/^hexz: .*private\.key: cannot write it: .*\n$/);
    }
    expect(readdirSync(directory)).toEqual(['file']);
  });

  test('puts the private key back when the public one cannot be replaced', async () => {
    const directory = newDirectory();
    mkdirSync(join(directory, 'public.key'));
    const first = await runCli(['keygen', '-o', directory, '--force']);
    expect([first.status, readdirSync(directory)]).toEqual([8, ['public.key']]);
    writeFileSync(join(directory, 'private.key'), 'precious');
    const second = await runCli(['keygen', '-o', directory, '--force']);
    expect([second.status, readdirSync(directory).sort()]).toEqual([
      8,
      ['private.key', 'public.key'],
    ]);
    expect(readFileSync(join(directory, 'private.key'), 'utf8')).toBe('precious');
  });
});

describe.concurrent('keygen that is interrupted before any of its file operations', () => {
  test('by SIGINT leaves a pair or nothing', async () => {
    let directory = '';
    const prepare = () => {
      directory = newDirectory();
      return ['keygen', '-o', directory];
    };
    const count = await interruptEverywhere('SIGINT', prepare, () => {
      const left = readdirSync(directory);
      if (left.length > 0) {
        expect(left.sort()).toEqual(['private.key', 'public.key']);
        expect(isPair(directory)).toBe(true);
      }
    });
    expect(count).toBeGreaterThan(8);
  });

  test('by SIGKILL leaves no public key without its private one, and no half of a key', async () => {
    let directory = '';
    const prepare = () => {
      directory = newDirectory();
      return ['keygen', '-o', directory];
    };
    const count = await interruptEverywhere('SIGKILL', prepare, ({ signal }) => {
      expect(signal).toBe('SIGKILL');
      const privatePath = join(directory, 'private.key');
      if (existsSync(join(directory, 'public.key'))) expect(isPair(directory)).toBe(true);
      if (existsSync(privatePath)) expect(statSync(privatePath).size).toBe(32);
    });
    expect(count).toBeGreaterThan(8);
  });
});

test('the public key is the one that other software derives', () => {
  // The first test vector of RFC 8032.
  const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
  const key = publicKeyOf(Buffer.from(seed, 'hex'));
  expect(key.toString('hex')).toBe(
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  );
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') };
  expect(createPublicKey({ key: jwk, format: 'jwk' }).asymmetricKeyType).toBe('ed25519');
});
