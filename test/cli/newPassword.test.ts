import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { cliEnvironment } from '../support/cli.js';
import { temporaryDirectories } from '../support/temporary.js';
import { onTerminal } from '../support/terminal.js';

const newDirectory = temporaryDirectories();

const supportPath = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
const asking = ['--import', supportPath('typescript.mjs'), supportPath('askNewPassword.ts')];

const PROMPT = /New password of [^:]*: |The same once more: /g;

/** What is said at a terminal where these answers are typed. */
async function typed(...answers: string[]): Promise<{ shown: string; result: string }> {
  const { shown } = await onTerminal([...asking, 'out.hxz'], PROMPT, answers);
  const result =
    shown
      .trimEnd()
      .split(/[\r\n]+/)
      .at(-1) ?? '';
  return { shown, result };
}

/** What comes out without a terminal. */
function given(env: Readonly<Record<string, string>>, ...passwordFiles: string[]): string {
  return spawnSync(process.execPath, [...asking, 'out.hxz', ...passwordFiles], {
    env: cliEnvironment(env),
    input: 'typed\ntyped\n',
    encoding: 'utf8',
  }).stdout;
}

function passwordFile(text: string): string {
  const path = join(newDirectory(), 'password');
  writeFileSync(path, text);
  return path;
}

describe.concurrent('at a terminal, a new password', () => {
  test('is typed twice, and not shown', async () => {
    const { shown, result } = await typed('s3cret\r', 's3cret\r');
    expect(result).toBe('password "s3cret"');
    expect(shown.match(PROMPT)).toEqual(['New password of out.hxz: ', 'The same once more: ']);
    expect(shown.replace(result, '')).not.toContain('s3cret');
  });

  test('may be corrected while it is typed', async () => {
    const { result } = await typed('wrong\u0015s3crex\u007ft\r', 's3cret\r');
    expect(result).toBe('password "s3cret"');
  });

  test('may be empty', async () => {
    expect((await typed('\r', '\r')).result).toBe('password ""');
    const { shown, result } = await typed('a\r', '\r', '\r', 'a\r', '\r', '\r');
    expect(result).toBe('password ""');
    expect(shown.match(/That was not the same\./g)).toHaveLength(2);
  });

  test('that is not typed the same three times is none', async () => {
    const { shown, result } = await typed('a\r', 'b\r', 'c\r', 'd\r', 'e\r', 'f\r', 'g\r', 'g\r');
    expect(result).toBe('PASSWORD_REQUIRED: password and repetition differed 3 times');
    expect(shown.match(PROMPT)).toHaveLength(6);
  });

  test.each([
    ['control-C', '\u0003'],
    ['an end of input', '\u0004'],
  ])('is refused with %s, the second time, too', async (_name, key) => {
    expect((await typed(key)).result).toBe('PASSWORD_REQUIRED: no password was given');
    expect((await typed('a\r', key)).result).toBe('PASSWORD_REQUIRED: no password was given');
  });
});

describe.concurrent('without a terminal, a new password', () => {
  test('is read from the first file', () => {
    const files = [passwordFile('one\n'), passwordFile('two\n')];
    expect(given({ HEXZ_PASSWORD: 'three' }, ...files)).toBe('password "one"\n');
  });

  test('is taken from the environment, and may be empty there', () => {
    expect(given({ HEXZ_PASSWORD: 'three' })).toBe('password "three"\n');
    expect(given({ HEXZ_PASSWORD: '' })).toBe('password ""\n');
  });

  test('is never read from standard input', () => {
    expect(given({})).toMatch(
      /^PASSWORD_REQUIRED: a password is needed to encrypt out.hxz; give it with --password-file or in HEXZ_PASSWORD\n$/,
    );
  });

  test('that cannot be read is none', () => {
    expect(given({ HEXZ_PASSWORD: 'three' }, '/absent')).toBe(
      'UNREADABLE: /absent: cannot read the password file: no such file or directory\n',
    );
  });
});
