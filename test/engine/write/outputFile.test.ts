import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openOutput } from '../../../src/engine/write/outputFile.js';
import { codeOf, errorOf } from '../../support/errors.js';
import { expectSameBytes, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const options = { force: false, mode: 0o666 };

function writeAll(path: string, content: Buffer, force = false): void {
  const output = openOutput(path, { ...options, force });
  output.write(content);
  output.finish();
}

describe('a new file', () => {
  test('has exactly the bytes and zeros that were given, in pieces of any length', () => {
    const directory = newDirectory();
    let number = 0;
    const pieces = fc.array(
      fc.oneof(
        fc.record({ zeros: fc.nat(20_000) }),
        fc.record({ bytes: fc.array(fc.tuple(fc.nat(9000), fc.nat(2)), { maxLength: 4 }) }),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(pieces, (list) => {
        const path = join(directory, `${number++}`);
        const output = openOutput(path, options);
        const expected: Buffer[] = [];
        for (const piece of list) {
          if ('zeros' in piece) {
            output.skip(piece.zeros);
            expected.push(Buffer.alloc(piece.zeros));
          } else {
            const runs = piece.bytes.map(([length, byte]) => Buffer.alloc(length, byte));
            output.write(Buffer.concat(runs));
            expected.push(...runs);
          }
        }
        output.finish();
        expectSameBytes(readFileSync(path), Buffer.concat(expected));
      }),
      { numRuns: 100 },
    );
  });

  test('has holes where zeros are, whether they were written or skipped', () => {
    const directory = newDirectory();
    const path = join(directory, 'sparse');
    const output = openOutput(path, options);
    output.write(someBytes(4096));
    output.skip(2 ** 30);
    output.write(Buffer.concat([Buffer.alloc(2 ** 22), someBytes(4096), Buffer.alloc(2 ** 22)]));
    output.finish();
    const { size, blocks } = statSync(path);
    expect(size).toBe(2 ** 30 + 2 ** 23 + 8192);
    expect(blocks * 512).toBeLessThan(100_000);
  });

  test('does not have its name before it is complete', () => {
    const directory = newDirectory();
    const path = join(directory, 'new');
    const output = openOutput(path, options);
    output.write(Buffer.from('abc'));
    expect(existsSync(path)).toBe(false);
    output.finish();
    expect(readdirSync(directory)).toEqual(['new']);
  });

  test('leaves nothing behind when it is discarded', () => {
    const directory = newDirectory();
    const output = openOutput(join(directory, 'new'), options);
    output.write(someBytes(10_000));
    output.discard();
    expect(readdirSync(directory)).toEqual([]);
  });

  test('may be empty', () => {
    const path = join(newDirectory(), 'empty');
    openOutput(path, options).finish();
    expect(statSync(path).size).toBe(0);
  });

  test('may have the longest name, also one of multi-byte characters', () => {
    const directory = newDirectory();
    for (const name of ['n'.repeat(255), '雪'.repeat(85), 'é'.repeat(127)]) {
      writeAll(join(directory, name), Buffer.from(name));
      expect(readFileSync(join(directory, name), 'utf8')).toBe(name);
    }
    expect(readdirSync(directory)).toHaveLength(3);
  });
});

describe('a name that is taken', () => {
  test('by a file is refused at once, and the file stays as it is', () => {
    const directory = newDirectory();
    const path = join(directory, 'old');
    writeFileSync(path, 'old');
    const error = errorOf(() => openOutput(path, options));
    expect([error.code, error.location.file]).toEqual(['OUTPUT_EXISTS', path]);
    expect(error.hint).toContain('--force');
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(directory)).toEqual(['old']);
  });

  test('by a symbolic link that leads nowhere is refused, and the link stays', () => {
    const directory = newDirectory();
    const path = join(directory, 'dangling');
    symlinkSync('nowhere', path);
    expect(codeOf(() => openOutput(path, options))).toBe('OUTPUT_EXISTS');
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(existsSync(join(directory, 'nowhere'))).toBe(false);
  });

  test('by a file that appeared meanwhile is refused at the end, and nothing is left behind', () => {
    const directory = newDirectory();
    const path = join(directory, 'late');
    const output = openOutput(path, options);
    output.write(Buffer.from('mine'));
    writeFileSync(path, 'theirs');
    expect(codeOf(() => output.finish())).toBe('OUTPUT_EXISTS');
    expect(readFileSync(path, 'utf8')).toBe('theirs');
    expect(readdirSync(directory)).toEqual(['late']);
  });

  test('is replaced with force, all at once', () => {
    const directory = newDirectory();
    const path = join(directory, 'old');
    writeFileSync(path, 'old and longer');
    const output = openOutput(path, { ...options, force: true });
    output.write(Buffer.from('new'));
    expect(readFileSync(path, 'utf8')).toBe('old and longer');
    output.finish();
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(readdirSync(directory)).toEqual(['old']);
  });

  test('keeps its old contents when a forced output is discarded', () => {
    const directory = newDirectory();
    const path = join(directory, 'old');
    writeFileSync(path, 'old');
    const output = openOutput(path, { ...options, force: true });
    output.write(Buffer.from('new'));
    output.discard();
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(directory)).toEqual(['old']);
  });

  test.each([false, true])('by a directory is refused (force: %s)', (force) => {
    const directory = newDirectory();
    const path = join(directory, 'sub');
    mkdirSync(path);
    expect(codeOf(() => openOutput(path, { ...options, force }))).toBe('OUTPUT_FAILED');
    expect(readdirSync(directory)).toEqual(['sub']);
  });
});

test.each([
  ['absent/new', 'no such file or directory'],
  ['file/new', 'a part of the path is not a directory'],
])('an output at %s says: %s', (name, words) => {
  const directory = newDirectory();
  writeFileSync(join(directory, 'file'), '');
  const error = errorOf(() => openOutput(join(directory, name), options));
  expect(error.code).toBe('OUTPUT_FAILED');
  expect(error.toLine()).toBe(`${join(directory, name)}: cannot write it: ${words}`);
});

describe('a device', () => {
  test('is written in place', () => {
    writeAll('/dev/null', someBytes(100_000));
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  test('that is full says so', () => {
    const output = openOutput('/dev/full', options);
    const error = errorOf(() => output.write(someBytes(10)));
    expect(error.code).toBe('OUTPUT_FAILED');
    expect(error.toLine()).toBe('/dev/full: cannot write it: no space left on the device');
    output.discard();
  });
});
