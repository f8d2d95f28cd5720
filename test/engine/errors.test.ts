import { describe, expect, test } from 'vitest';
import { HexzError } from '../../src/index.js';

describe('an error in one line', () => {
  test('says file, place, what is wrong and what to do', () => {
    const error = new HexzError('CRC', 'the block is damaged', {
      location: { file: '/a.hxz', stream: 'memory', blockIndex: 0, offset: 0 },
      hint: 'copy the file again',
    });
    expect(error.toLine()).toBe(
      '/a.hxz: memory stream, block 0, offset 0: the block is damaged; copy the file again',
    );
  });

  test('leaves out what is not known', () => {
    expect(new HexzError('USAGE', 'no such option').toLine()).toBe('no such option');
    const inFile = new HexzError('BAD_MAGIC', 'not a snapshot', { location: { file: 'x' } });
    expect(inFile.toLine()).toBe('x: not a snapshot');
  });
});

test('an error as JSON has its code, exit status and place', () => {
  const error = new HexzError('AUTH', 'wrong password', {
    location: { file: 'x', stream: undefined, offset: 5 },
  });
  expect(JSON.parse(JSON.stringify({ error }))).toEqual({
    error: { code: 'AUTH', exitStatus: 5, message: 'wrong password', file: 'x', offset: 5 },
  });
});

test('a place is filled in only where it was open', () => {
  const cause = new Error('why');
  const error = new HexzError('CRC', 'damaged', {
    location: { blockIndex: 3, file: undefined },
    hint: 'hint',
    cause,
  });
  const located = error.at({ file: 'x', stream: 'disk', blockIndex: 7 });
  expect(located.location).toEqual({ file: 'x', stream: 'disk', blockIndex: 3 });
  expect([located.code, located.message, located.hint, located.cause]).toEqual([
    'CRC',
    'damaged',
    'hint',
    cause,
  ]);
  expect([located.exitStatus, located.errno]).toEqual([4, 'EIO']);
});
