import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises';
import { HexzError } from '../engine/errors.js';
import { outputError } from './files.js';

/**
 * Makes a file as a whole or not at all; devices and pipes are written as they are.
 *
 * @param write answers how many bytes it has
 * @throws HexzError OUTPUT_EXISTS, OUTPUT_FAILED
 */
export async function writeWhole(
  path: string,
  replaces: boolean,
  write: (file: Target) => Promise<number>,
): Promise<number> {
  const existing = await stat(path).catch(() => undefined);
  const isSpecial = existing !== undefined && !existing.isFile();
  if (existing?.isFile() === true && !replaces) {
    throw new HexzError('OUTPUT_EXISTS', 'the file exists', {
      location: { file: path },
      hint: '--force replaces it',
    });
  }
  const temporary = isSpecial ? path : `${path}.hexz-${process.pid}.tmp`;
  try {
    const file = await open(temporary, isSpecial ? 'w' : 'wx');
    try {
      const length = await write(new Target(file, !isSpecial));
      if (!isSpecial) {
        await file.truncate(length);
        await file.sync();
        await takeName(temporary, path, replaces);
      }
      return length;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof HexzError ? error : outputError(path, error);
  } finally {
    if (!isSpecial) await rm(temporary, { force: true });
  }
}

/** A file that has come meanwhile is replaced only where that was asked for. */
async function takeName(temporary: string, path: string, replaces: boolean): Promise<void> {
  if (replaces) await rename(temporary, path);
  else await link(temporary, path);
}

/** Where the bytes of a file go. */
class Target {
  readonly #file: FileHandle;
  readonly #hasPositions: boolean;

  /** @param hasPositions false for a device or a pipe, which take bytes as they come */
  constructor(file: FileHandle, hasPositions: boolean) {
    this.#file = file;
    this.#hasPositions = hasPositions;
  }

  async write(bytes: Buffer, offset: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const position = this.#hasPositions ? offset + at : null;
      at += (await this.#file.write(bytes, at, bytes.length - at, position)).bytesWritten;
    }
  }
}
