import { closeSync, constants, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';

/** A log file that is open for appending. */
export interface LogFile {
  readonly path: string;
  readonly descriptor: number;
}

const OWNER_ONLY = 0o600;

/**
 * Opens a log of a daemon: `NAME.EXTENSION` in $XDG_RUNTIME_DIR, else in the temporary directory. Where
 * another user has taken that name, it is `NAME-UID.EXTENSION`. Never through a symbolic link, and only for
 * its owner to read.
 *
 * @throws HexzError MOUNT_FAILED
 */
export function openLog(name: string, extension: string): LogFile {
  const { XDG_RUNTIME_DIR: runtimeDirectory } = process.env;
  const directory =
    runtimeDirectory === undefined || runtimeDirectory === '' ? tmpdir() : runtimeDirectory;
  const path = join(directory, `${name}.${extension}`);
  try {
    return openOwn(path);
  } catch {
    const ownPath = join(directory, `${name}-${process.getuid?.() ?? 0}.${extension}`);
    try {
      return openOwn(ownPath);
    } catch (cause) {
      throw new HexzError('MOUNT_FAILED', `cannot open the log: ${describeSystemError(cause)}`, {
        location: { file: ownPath },
        hint: 'name another directory in XDG_RUNTIME_DIR or TMPDIR',
        cause,
      });
    }
  }
}

/** Writes a line to the log of daemons, as well as that goes: for those who cannot tell anybody. */
export function appendToLog(text: string): void {
  try {
    const { descriptor } = openLog('hexz', 'log');
    writeSync(descriptor, `${new Date().toISOString()} ${text}\n`);
    closeSync(descriptor);
  } catch {
    // Nobody is left to be told.
  }
}

function openOwn(path: string): LogFile {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  const flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  const descriptor = openSync(path, flags, OWNER_ONLY);
  const stats = fstatSync(descriptor);
  // Root may open what is another user's; he must not write there all the same.
  if (stats.isFile() && stats.uid === process.getuid?.() && stats.nlink === 1) {
    fchmodSync(descriptor, OWNER_ONLY);
    return { path, descriptor };
  }
  closeSync(descriptor);
  throw Object.assign(new Error(`${path} is not ours alone`), { code: 'EACCES' });
}
