import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Bytes that cannot be compressed, and are the same everywhere. */
export function filePattern(seed: number, length: number = 1000 + seed * 3001): Buffer {
  const chunks: Buffer[] = [];
  for (let index = 0; index * 64 < length; index += 1) {
    chunks.push(createHash('sha512').update(`${seed} ${index}`).digest());
  }
  return Buffer.concat(chunks).subarray(0, length);
}

/** The files below a directory, and the hash of what each holds; not what every ext4 file system has. */
export function hashesOf(directory: string): Record<string, string> {
  const files = readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
  return Object.fromEntries(
    files.map((path) => [
      relative(directory, path),
      createHash('sha256').update(readFileSync(path)).digest('hex'),
    ]),
  );
}
