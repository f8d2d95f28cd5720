import { expect, test } from 'vitest';
import { MAX_ITEMS, ResultList } from '../../../../src/tui/views/hex/resultList.js';
import { until } from '../../../support/until.js';

const itemOf = (offset: number) => ({ offset, length: 1, text: `item ${offset}` });

/** Numbers without an end; tells when nobody wants more. */
async function* numbers(left: () => void): AsyncGenerator<number[], void> {
  try {
    for (let next = 0; ; next += 1000) yield Array.from({ length: 1000 }, (_, at) => next + at);
  } finally {
    left();
  }
}

test('holds so many items, and leaves off there', async () => {
  let isLeft = false;
  const batches = numbers(() => {
    isLeft = true;
  });
  const list = ResultList.filledBy(
    { title: 'numbers', command: 'numbers', batches, itemOf },
    () => {},
  );
  await until('a full list', () => list.end === 'full');
  expect(isLeft).toBe(true);
  expect(list.count).toBe(MAX_ITEMS);
  list.setFilter('99999');
  expect(list.shownCount).toBe(1);
  expect(list.item(0)?.offset).toBe(99_999);
  list.setFilter('');
  list.move(MAX_ITEMS * 2);
  expect(list.place(5).at(-1)).toBe(MAX_ITEMS - 1);
});

test('filters also what comes later, and stops when it is closed', async () => {
  let isLeft = false;
  let changes = 0;
  const batches = numbers(() => {
    isLeft = true;
  });
  const list = ResultList.filledBy(
    { title: 'numbers', command: 'numbers', batches, itemOf },
    () => changes++,
  );
  list.setFilter('ITEM 7');
  list.stop();
  await until('its end', () => isLeft);
  expect(list.end).toBe('stopped');
  expect(list.count).toBe(0);
  expect(changes).toBe(1);
});

test('tells of the error that ended it', async () => {
  // biome-ignore lint/correctness/useYield: it fails before
  const batches = (async function* (): AsyncGenerator<number[], void> {
    throw new Error('no more');
  })();
  const list = ResultList.filledBy(
    { title: 'numbers', command: 'numbers', batches, itemOf },
    () => {},
  );
  await until('its end', () => list.end !== undefined);
  expect(list.error?.message).toContain('no more');
});
