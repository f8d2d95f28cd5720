import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { sha256 } from './fixtures.js';

/** Runs a tool that must succeed; answers what it prints. */
export function runChecked(program: string, ...parameters: readonly string[]): string {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  return execFileSync(program, parameters, { env, encoding: 'utf8', stdio: 'pipe' });
}

/** Every file below a directory by its SHA-256. */
export function contentsOf(directory: string): Readonly<Record<string, string>> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(
    files.sort().map((path) => [path.slice(directory.length), sha256(readFileSync(path))]),
  );
}

/** Mounts the file system on a disk at a directory, acts in it, and takes loop device and mount away again. */
export function inFileSystem(
  directory: string,
  disk: string,
  options: string,
  action: (directory: string) => void,
): void {
  const readOnly = options === 'ro' ? ['--read-only'] : [];
  const device = runChecked('losetup', '--find', '--show', ...readOnly, disk).trim();
  try {
    runChecked('mount', '-t', 'ext4', '-o', options, device, directory);
    try {
      action(directory);
      runChecked('sync', '--file-system', directory);
    } finally {
      runChecked('umount', directory);
    }
  } finally {
    runChecked('losetup', '--detach', device);
  }
}

export function expectClean(disk: string): void {
  expect(runChecked('e2fsck', '-fn', disk)).not.toMatch(/fix|error/i);
}
