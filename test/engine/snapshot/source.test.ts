import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openFileSource } from '../../../src/engine/snapshot/source.js';
import { codeOf, errorOf } from '../../support/errors.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { makePipe } from '../../support/tools.js';

const newDirectory = temporaryDirectories();

function newFile(content: string): string {
  const path = join(newDirectory(), 'file');
  writeFileSync(path, content);
  return path;
}

describe('what is no regular file is UNREADABLE', () => {
  test('a directory', () => {
    const error = errorOf(() => openFileSource(newDirectory()));
    expect([error.code, error.message]).toEqual(['UNREADABLE', 'not a regular file']);
  });

  test('a pipe, without waiting for a writer', () => {
    const path = join(newDirectory(), 'pipe');
    makePipe(path);
    expect(codeOf(() => openFileSource(path))).toBe('UNREADABLE');
  });

  test('a device', () => {
    expect(codeOf(() => openFileSource('/dev/null'))).toBe('UNREADABLE');
  });

  test.each([
    ['nothing', (directory: string) => join(directory, 'absent'), 'no such file or directory'],
    [
      'something below a file',
      (directory: string) => join(directory, 'file', 'x'),
      'a part of the path is not a directory',
    ],
    ['a link to itself', (directory: string) => join(directory, 'loop'), 'too many symbolic links'],
    [
      'a name beyond all limits',
      (directory: string) => join(directory, 'n'.repeat(300)),
      'the name is too long',
    ],
  ])('%s, in words', (_name, pathIn, words) => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'file'), '');
    symlinkSync('loop', join(directory, 'loop'));
    const path = pathIn(directory);
    const error = errorOf(() => openFileSource(path));
    expect(error.code).toBe('UNREADABLE');
    expect(error.toLine()).toBe(`${path}: cannot open it: ${words}`);
  });
});

test('reading fills the target, or fails at the end', () => {
  const source = openFileSource(newFile('0123456789'));
  const target = Buffer.alloc(4);
  source.read(target, 6);
  expect(target.toString()).toBe('6789');
  expect(source.length).toBe(10);
  expect(codeOf(() => source.read(target, 7))).toBe('UNREADABLE');
  source.close();
});

test('a file that became shorter says so', () => {
  const path = newFile('0123456789');
  const source = openFileSource(path);
  truncateSync(path, 5);
  expect(errorOf(() => source.read(Buffer.alloc(10), 0)).toLine()).toContain('became shorter');
  source.close();
});

test('two names of one file have one identity, two files two', () => {
  const directory = newDirectory();
  const paths = ['file', 'hard', 'soft', 'other'].map((name) => join(directory, name));
  const [file = '', hard = '', soft = '', other = ''] = paths;
  writeFileSync(file, 'same');
  writeFileSync(other, 'same');
  linkSync(file, hard);
  symlinkSync('file', soft);
  mkdirSync(join(directory, 'sub'));
  const identities = [...paths, join(directory, 'sub', '..', 'file')].map((path) => {
    const source = openFileSource(path);
    source.close();
    return source.identity;
  });
  expect(new Set(identities.filter((_, index) => index !== 3)).size).toBe(1);
  expect(new Set(identities).size).toBe(2);
});

test('a closed source does not read from the file that was opened after it', () => {
  const source = openFileSource(newFile('mine'));
  source.close();
  source.close();
  const other = openFileSource(newFile('foreign'));
  const target = Buffer.alloc(4);
  expect(codeOf(() => source.read(target, 0))).toBe('UNREADABLE');
  expect(target).toEqual(Buffer.alloc(4));
  other.close();
});
