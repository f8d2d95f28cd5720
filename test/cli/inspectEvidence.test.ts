import { copyFileSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { goldenPath } from '../support/fixtures.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();

test.each(['export disk 0 4K FILE --force', 'read disk 0 16 > FILE', 'read disk 0 16 >> FILE'])(
  'the snapshot that is looked into is not overwritten by %s',
  async (command) => {
    const path = `${newDirectory()}/evidence.hxz`;
    copyFileSync(goldenPath('a-lz4-64k-disk.hxz'), path);
    const before = readFileSync(path);
    const line = command.replace('FILE', path);
    const result = await runCli(['inspect', path, '--no-mount', '-c', line]);
    expect(result.status).toBe(8);
    expect(readFileSync(path).equals(before)).toBe(true);
  },
);

test.each(['overlay', 'meta', 'overlay.hexz.json'])(
  'a file of the overlay that is served is not overwritten: disk.%s',
  async (extension) => {
    const directory = newDirectory();
    const path = `${directory}/disk.${extension}`;
    const snapshot = goldenPath('a-lz4-64k-disk.hxz');
    const served = ['--no-mount', '--rw', '--overlay', `${directory}/disk.overlay`];
    const line = `read disk 0 16 > ${path}`;
    const result = await runCli(['inspect', snapshot, ...served, '-c', line]);
    expect(result.status).toBe(8);
    expect(result.stderr.toString()).toContain('one of the files that are served');
  },
);
