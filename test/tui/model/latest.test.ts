import { expect, test } from 'vitest';
import { Latest } from '../../../src/tui/model/latest.js';
import { until } from '../../support/until.js';

/** Answers questions when it is told to. */
function slowly() {
  const asked: number[] = [];
  const waiting: (() => void)[] = [];
  let changes = 0;
  const latest = new Latest<number, string>(
    async (question) => {
      asked.push(question);
      await new Promise<void>((resolve) => waiting.push(resolve));
      if (question < 0) throw new Error('too small');
      return `answer ${question}`;
    },
    (left, right) => left === right,
    () => changes++,
  );
  const answer = async (): Promise<void> => {
    const before = changes;
    waiting.shift()?.();
    await until('an answer', () => changes > before);
  };
  return { latest, asked, answer };
}

test('asks one question at a time, and the last one next', async () => {
  const { latest, asked, answer } = slowly();
  for (const question of [1, 2, 3]) expect(latest.want(question)).toBeUndefined();
  expect(asked).toEqual([1]);
  await answer();
  expect(latest.last?.answer).toBe('answer 1');
  expect(latest.want(3)).toBeUndefined();
  await answer();
  expect(latest.want(3)?.answer).toBe('answer 3');
  expect(asked).toEqual([1, 3]);
});

test('what is stale is still an answer, until there is another one', async () => {
  const { latest, asked, answer } = slowly();
  latest.want(1);
  await answer();
  latest.invalidate();
  expect(latest.want(1)?.answer).toBe('answer 1');
  expect(asked).toEqual([1, 1]);
  // It changed once more while it was asked for.
  latest.invalidate();
  await answer();
  latest.want(1);
  expect(asked).toEqual([1, 1, 1]);
});

test('an error is not asked for again', async () => {
  const { latest, asked, answer } = slowly();
  latest.want(-1);
  await answer();
  expect(latest.want(-1)?.error?.message).toContain('too small');
  expect(asked).toEqual([-1]);
});
