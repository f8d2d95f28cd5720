import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from './fixtures.js';

/** Everything about the files of a directory that a program could have changed. */
export function stateOf(directory: string): Readonly<Record<string, unknown>> {
  const names = readdirSync(directory).sort();
  return Object.fromEntries(
    names.map((name) => {
      const path = join(directory, name);
      const { mode, size, ino, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
      const contents = statSync(path).isFile() ? sha256(readFileSync(path)) : 'no file';
      return [name, { mode, size, ino, mtimeNs, ctimeNs, contents }];
    }),
  );
}
