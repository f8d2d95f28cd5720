import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** For the top of a test file: a function that makes fresh directories, all removed after its tests. */
export function temporaryDirectories(parent = tmpdir()): () => string {
  const directories: string[] = [];
  afterAll(() => {
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });
  return () => {
    const directory = mkdtempSync(join(parent, 'hexz-test-'));
    directories.push(directory);
    return directory;
  };
}
