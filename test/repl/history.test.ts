import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { History, MAX_LINES } from '../../src/repl/history.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();
const newPath = (): string => join(newDirectory(), 'state', 'hexz', 'history');

test('runs at the same time keep what both type', () => {
  const path = newPath();
  const [first, second] = [new History(path), new History(path)];
  first.add('dirty');
  second.add('read disk');
  first.add('dirty');
  first.add('diff');
  expect(new History(path).lines).toEqual(['dirty', 'read disk', 'diff']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test.each(['', '  ', ' hidden', 'sh HEXZ_PASSWORD=x true', 'sh pass: x', 'two\nlines'])(
  '%j is not kept',
  (line) => {
    const path = newPath();
    const history = new History(path);
    history.add(line);
    history.add('dirty');
    expect(readFileSync(path, 'utf8')).toBe('dirty\n');
  },
);

test('the newest lines are kept when there are too many', () => {
  const path = join(newDirectory(), 'history');
  const lines = Array.from({ length: MAX_LINES * 2 + 1 }, (_, index) => `read disk ${index}`);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  expect(new History(path).lines).toEqual(lines.slice(-MAX_LINES));
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(MAX_LINES + 1);
});

test('a place that cannot be written disturbs nobody', () => {
  const path = join(newDirectory(), 'file');
  writeFileSync(path, '');
  const history = new History(join(path, 'history'));
  history.add('dirty');
  expect(history.lines).toEqual([]);
});
