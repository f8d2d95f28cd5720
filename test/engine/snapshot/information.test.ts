import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  describeSnapshot,
  type ParentInformation,
} from '../../../src/engine/snapshot/information.js';
import { codeOf } from '../../support/errors.js';
import { goldenPath, malformedFixtures, malformedPath } from '../../support/fixtures.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

function write(path: string, ...parentPaths: string[]): string {
  const writer = new SnapshotWriter(path, { parentPaths, layout: 'B' });
  writer.addZero(1);
  writer.finish();
  return path;
}

/** The parents as nested lists of what was found, and what is wrong. */
const outline = (parents: readonly ParentInformation[]): unknown =>
  parents.map(({ storedPath, foundPath, error, parents: next }) => [
    storedPath,
    foundPath,
    error?.code,
    outline(next),
  ]);

test('the parents are described as a tree, found or not', () => {
  const directory = newDirectory();
  const elsewhere = newDirectory();
  write(join(directory, 'base.hxz'));
  write(join(elsewhere, 'middle.hxz'), join(directory, 'base.hxz'));
  writeFileSync(join(directory, 'broken.hxz'), Buffer.alloc(9000, 1));
  const path = write(join(directory, 'top.hxz'), '/gone/middle.hxz', 'absent.hxz', 'broken.hxz');
  const { parents } = describeSnapshot(path, [elsewhere]);
  const base = join(directory, 'base.hxz');
  expect(outline(parents)).toEqual([
    ['/gone/middle.hxz', join(elsewhere, 'middle.hxz'), undefined, [[base, base, undefined, []]]],
    ['absent.hxz', undefined, 'PARENT_MISSING', []],
    ['broken.hxz', join(directory, 'broken.hxz'), 'BAD_MAGIC', []],
  ]);
  expect(parents[0]?.generation).toBe('B');
});

test('a cycle ends the description where it closes', () => {
  const directory = newDirectory();
  const [first, second] = [join(directory, 'first.hxz'), join(directory, 'second.hxz')];
  symlinkSync('first.hxz', join(directory, 'alias.hxz'));
  write(first, 'second.hxz');
  write(second, 'alias.hxz');
  expect(outline(describeSnapshot(first).parents)).toEqual([
    [
      'second.hxz',
      second,
      undefined,
      [['alias.hxz', join(directory, 'alias.hxz'), 'PARENT_CYCLE', []]],
    ],
  ]);
});

test('parents that name each other many times over are not followed for ever', () => {
  const directory = newDirectory();
  write(join(directory, '0.hxz'));
  for (let number = 1; number <= 20; number++) {
    write(join(directory, `${number}.hxz`), `${number - 1}.hxz`, `${number - 1}.hxz`);
  }
  const startedAt = performance.now();
  const text = JSON.stringify(outline(describeSnapshot(join(directory, '20.hxz')).parents));
  expect(text).toContain('LIMIT');
  expect(performance.now() - startedAt).toBeLessThan(2000);
});

test('an encrypted parent is described without its password', () => {
  const directory = newDirectory();
  const path = write(join(directory, 'thin.hxz'), goldenPath('a4-lz4-encrypted.hxz'));
  const [parent] = describeSnapshot(path).parents;
  expect([parent?.generation, parent?.encrypted, parent?.error]).toEqual(['A4', true, undefined]);
});

describe('damage is reported, not refused', () => {
  test.each([
    ['block-size-zero.hxz', 'LIMIT'],
    ['dictionary-past-eof.hxz', 'BAD_OFFSET'],
    ['metadata-huge.hxz', 'LIMIT'],
    ['signature-past-eof.hxz', 'BAD_OFFSET'],
    ['iterations-1000.hxz', 'LIMIT'],
    ['page-offset-past-eof.hxz', 'BAD_OFFSET'],
    ['page-offset-overflow.hxz', 'BAD_OFFSET'],
  ])('%s: %s', (file, code) => {
    const { problems } = describeSnapshot(malformedPath(file));
    expect(problems.map((problem) => problem.code)).toEqual([code]);
  });

  test('unless there is no header or master index to describe', () => {
    const outcomes = malformedFixtures.map(({ file, expected }) => ({
      expected,
      code: codeOf(() => describeSnapshot(malformedPath(file))),
    }));
    for (const { expected, code } of outcomes) expect(['ok', expected]).toContain(code);
    expect(outcomes.filter(({ code }) => code === 'ok').length).toBeGreaterThan(40);
  });
});
