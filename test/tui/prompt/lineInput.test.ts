import { describe, expect, test } from 'vitest';
import { LineInput } from '../../../src/tui/prompt/lineInput.js';

const typed = (text: string, ...keys: readonly string[]): LineInput => {
  const input = new LineInput({ text, changed: () => {} });
  for (const key of keys) input.take({ kind: 'key', key });
  return input;
};

describe('a text that is offered', () => {
  test('gives way to what is typed', () => {
    const input = typed('old.hxz', 'n', 'e', 'w');
    expect([input.text, input.cursor]).toEqual(['new', 3]);
  });

  test('gives way to what is pasted, and that is added to', () => {
    const input = typed('old.hxz');
    input.take({ kind: 'paste', text: '/tmp/x' });
    input.take({ kind: 'paste', text: '.hxz' });
    expect(input.text).toBe('/tmp/x.hxz');
  });

  test.each([
    ['end', 'old.hxz2'],
    ['backspace', 'old.hx2'],
    ['home', '2old.hxz'],
    ['left', 'old.hx2z'],
  ])('is edited after %s', (key, expected) => {
    expect(typed('old.hxz', key, '2').text).toBe(expected);
  });

  test('is taken as it is with enter', () => {
    const input = typed('old.hxz');
    expect(input.take({ kind: 'key', key: 'enter' })).toBe('entered');
    expect(input.text).toBe('old.hxz');
  });
});

test('what was typed does not give way to what is typed then', () => {
  expect(typed('', 'a', 'b').text).toBe('ab');
});
