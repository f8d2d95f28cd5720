import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { HexzError } from '../engine/errors.js';
import { type OpenOptions, openSnapshot } from '../engine/snapshot/open.js';
import type { Snapshot } from '../engine/snapshot/snapshot.js';
import { describeSystemError } from '../engine/systemErrors.js';
import type { ReadOptions } from './arguments.js';
import { printable } from './output.js';

const ATTEMPTS = 3;

/**
 * Opens a snapshot for a command. Passwords come from the files of --password-file, then HEXZ_PASSWORD,
 * and are tried on every encrypted file of the chain; where none fits, a person at a terminal is asked
 * for the password of the file by name.
 *
 * @throws HexzError
 */
export async function openForCommand(path: string, options: ReadOptions): Promise<Snapshot> {
  return (await openWithPasswords(path, options)).snapshot;
}

/** The same, with the passwords that opened it: for another process that opens it, too. */
export async function openWithPasswords(
  path: string,
  options: ReadOptions,
): Promise<{ snapshot: Snapshot; passwords: readonly string[] }> {
  const passwords = (options.passwordFile ?? []).map(readPasswordFile);
  const { HEXZ_PASSWORD: fromEnvironment } = process.env;
  if (fromEnvironment !== undefined) passwords.push(fromEnvironment);
  const openOptions: OpenOptions = {
    passwords,
    parentDirectories: options.parentDir ?? [],
    ...(options.cacheSize === undefined ? {} : { cacheBytes: options.cacheSize }),
  };
  const attempts = new Map<string, number>();
  for (;;) {
    try {
      return { snapshot: openSnapshot(path, openOptions), passwords };
    } catch (error) {
      const file = passwordIsMissingFor(error);
      const attempt = (attempts.get(file ?? '') ?? 0) + 1;
      if (file === undefined || attempt > ATTEMPTS || !canAsk()) throw error;
      attempts.set(file, attempt);
      if (attempt > 1) process.stderr.write('Wrong password.\n');
      passwords.unshift(await ask(`Password of ${printable(basename(file))}: `));
    }
  }
}

/**
 * A password for something that is going to be encrypted: from the first file of --password-file, else from
 * HEXZ_PASSWORD, else from a person at a terminal, who has to type it twice. It may be empty.
 *
 * @param what is going to be encrypted, for people
 * @throws HexzError UNREADABLE, PASSWORD_REQUIRED
 */
export async function newPassword(
  { passwordFile: [file] = [] }: Pick<ReadOptions, 'passwordFile'>,
  what: string,
): Promise<string> {
  const { HEXZ_PASSWORD: fromEnvironment } = process.env;
  const given = file === undefined ? fromEnvironment : readPasswordFile(file);
  if (given !== undefined) return given;
  if (!canAsk()) {
    throw new HexzError('PASSWORD_REQUIRED', `a password is needed to encrypt ${what}`, {
      hint: 'give it with --password-file or in HEXZ_PASSWORD',
    });
  }
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const first = await ask(`New password of ${printable(what)}: `);
    if ((await ask('The same once more: ')) === first) return first;
    process.stderr.write('That was not the same.\n');
  }
  throw new HexzError('PASSWORD_REQUIRED', `password and repetition differed ${ATTEMPTS} times`);
}

function passwordIsMissingFor(error: unknown): string | undefined {
  if (!(error instanceof HexzError)) return undefined;
  const missing = error.code === 'PASSWORD_REQUIRED' || error.code === 'AUTH';
  return missing ? error.location.file : undefined;
}

function readPasswordFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new HexzError(
      'UNREADABLE',
      `cannot read the password file: ${describeSystemError(cause)}`,
      {
        location: { file: path },
        cause,
      },
    );
  }
}

const canAsk = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** Asks on the terminal, without showing what is typed. */
function ask(question: string): Promise<string> {
  const { stdin, stderr } = process;
  return new Promise((resolve, reject) => {
    let answer = '';
    const end = () => {
      stdin.removeListener('data', onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
    };
    const onData = (chunk: string) => {
      for (const character of chunk) {
        if (character === '\r' || character === '\n') {
          end();
          resolve(answer);
          return;
        }
        if (character === '\u0003' || character === '\u0004') {
          end();
          reject(new HexzError('PASSWORD_REQUIRED', 'no password was given'));
          return;
        }
        if (character === '\u007f' || character === '\b')
          answer = [...answer].slice(0, -1).join('');
        else if (character === '\u0015') answer = '';
        else answer += character;
      }
    };
    stdin.setRawMode(true);
    stdin.setEncoding('utf8');
    stdin.on('data', onData);
    stdin.resume();
    stderr.write(question);
  });
}
