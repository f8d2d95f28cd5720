import { open, readFile, stat } from 'node:fs/promises';
import { HexzError } from '../engine/errors.js';
import { describeSystemError } from '../engine/systemErrors.js';
import type { EngineClient } from './client.js';

/** That a file cannot be read. */
export const unreadable = (path: string, cause: unknown): HexzError =>
  new HexzError('UNREADABLE', `cannot read it: ${describeSystemError(cause)}`, {
    location: { file: path },
    cause,
  });

/** That a file cannot be made or written. */
export const outputError = (path: string, cause: unknown): HexzError =>
  new HexzError('OUTPUT_FAILED', `cannot write it: ${describeSystemError(cause)}`, {
    location: { file: path },
    cause,
  });

/** Reads a file that a person names. @throws HexzError UNREADABLE */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** The password in a file: all of it but the last line end. @throws HexzError UNREADABLE */
export const readPassword = async (path: string): Promise<string> =>
  (await readTextFile(path)).replace(/\r?\n$/, '');

/** Writes text to a file as it comes; answers the number of bytes. @throws HexzError OUTPUT_FAILED */
export async function writePieces(
  path: string,
  pieces: AsyncIterable<string> | Iterable<string>,
  appends: boolean,
): Promise<number> {
  const file = await open(path, appends ? 'a' : 'w').catch((cause: unknown) => {
    throw outputError(path, cause);
  });
  let bytes = 0;
  try {
    for await (const piece of pieces) {
      // Also where a file takes less at a time: `writeFile` goes on.
      await file.writeFile(piece).catch((cause: unknown) => {
        throw outputError(path, cause);
      });
      bytes += Buffer.byteLength(piece);
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/**
 * Makes sure that a file to be written is none of those that the engine serves: evidence is never written.
 *
 * @throws HexzError OUTPUT_FAILED
 */
export async function refuseServedFile(
  client: Pick<EngineClient, 'request'>,
  path: string,
): Promise<void> {
  const target = await stat(path, { bigint: true }).catch(() => undefined);
  if (target === undefined) return;
  const { files } = await client.request('state', {});
  for (const served of files) {
    const stats = await stat(served, { bigint: true }).catch(() => undefined);
    if (stats?.dev !== target.dev || stats.ino !== target.ino) continue;
    throw new HexzError('OUTPUT_FAILED', 'it is one of the files that are served', {
      location: { file: path },
      hint: 'name another file',
    });
  }
}
