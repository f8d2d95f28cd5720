import { ftruncate, write as writeAt } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { HexzError } from '../engine/errors.js';
import { TemporaryFile } from '../engine/write/temporaryFile.js';
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
  if (existing !== undefined && !existing.isFile()) return writeInPlace(path, write);
  const file = new TemporaryFile(path, { force: replaces, mode: 0o666 });
  try {
    const length = await write(new Target(file.descriptor, true));
    await truncate(file.descriptor, length);
    // So that little is left to be waited for by this thread.
    await file.sync();
    file.publish();
    return length;
  } catch (error) {
    throw error instanceof HexzError ? error : outputError(path, error);
  } finally {
    file.discard();
  }
}

async function writeInPlace(
  path: string,
  write: (file: Target) => Promise<number>,
): Promise<number> {
  try {
    const file = await open(path, 'w');
    try {
      return await write(new Target(file.fd, false));
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof HexzError ? error : outputError(path, error);
  }
}

const truncate = promisify(ftruncate);
const writeTo = promisify(writeAt);

/** Where the bytes of a file go. */
class Target {
  readonly #descriptor: number;
  readonly #hasPositions: boolean;

  /** @param hasPositions false for a device or a pipe, which take bytes as they come */
  constructor(descriptor: number, hasPositions: boolean) {
    this.#descriptor = descriptor;
    this.#hasPositions = hasPositions;
  }

  async write(bytes: Buffer, offset: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const position = this.#hasPositions ? offset + at : null;
      const length = bytes.length - at;
      at += (await writeTo(this.#descriptor, bytes, at, length, position)).bytesWritten;
    }
  }
}
