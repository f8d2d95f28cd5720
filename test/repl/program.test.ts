import { afterEach, expect, test } from 'vitest';
import { runProgram } from '../../src/repl/program.js';

const PIECE = 'x'.repeat(64 * 1024);
const warnings: Error[] = [];
const note = (warning: Error): void => {
  warnings.push(warning);
};
const options = { env: {}, output: 'captured', signal: new AbortController().signal } as const;

afterEach(() => {
  process.removeListener('warning', note);
});

test('a program that reads slower than it is fed gets everything, and nothing piles up', async () => {
  process.on('warning', note);
  const pieces = function* () {
    for (let count = 0; count < 64; count++) yield PIECE;
  };
  const slow = 'for n in $(seq 64); do dd bs=64K count=1 iflag=fullblock status=none; done | wc -c';
  const { stdout } = await runProgram(slow, { ...options, input: pieces() });
  expect(Number(stdout)).toBe(64 * PIECE.length);
  expect(warnings).toEqual([]);
});

test('a program that has read enough ends what feeds it', async () => {
  let isOver = false;
  const endless = function* () {
    try {
      for (;;) yield PIECE;
    } finally {
      isOver = true;
    }
  };
  const { status, stdout } = await runProgram('head -c 5', { ...options, input: endless() });
  expect([status, stdout, isOver]).toEqual([0, 'xxxxx', true]);
});
