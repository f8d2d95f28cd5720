import { expect, test } from 'vitest';
import type { GivenParams, Item } from '../../../../src/engine/control/protocol/methods.js';
import { PageMap } from '../../../../src/tui/views/hex/pageMap.js';
import { fakeEngine } from '../../../support/repl/fakeEngine.js';
import { until } from '../../../support/until.js';

const PAGE = 4096;
const MIB = 1024 * 1024;

const run = (page: number, pages: number, name: Item<'classify'>['class']): Item<'classify'> => ({
  offset: page * PAGE,
  length: pages * PAGE,
  class: name,
});

test('goes on where it was stopped, and never asks for the same pages again', async () => {
  const asked: (number | undefined)[] = [];
  const engine = fakeEngine({
    classify: ({ offset }: GivenParams<'classify'>, signal) => {
      asked.push(offset);
      return {
        batches: (async function* () {
          if (offset !== 0) {
            yield [run(6, 2, 'text')];
            return;
          }
          yield [run(0, 2, 'zero'), run(2, 2, 'code')];
          await new Promise((resolve) => signal?.addEventListener('abort', resolve));
        })(),
        result: { pages: {} },
      };
    },
  });
  const ranges = [{ startOffset: 0, length: 10 * PAGE }];
  const map = new PageMap(
    engine,
    ranges,
    () => {},
    () => {},
  );
  map.go();
  await until('the first pages', () => map.share === 0.4);
  expect([map.classOf(0, 1), map.classOf(2, 4), map.classOf(4, 5)]).toEqual([
    'zero',
    'code',
    undefined,
  ]);
  map.stop();
  map.go();
  await until('all pages', () => map.isDone);
  expect(asked).toEqual([0, 4 * PAGE]);
  expect([map.classOf(4, 6), map.classOf(6, 7), map.classOf(8, 10)]).toEqual([
    'absent',
    'text',
    'absent',
  ]);
  expect(map.gaps).toEqual([
    { startOffset: 4 * PAGE, endOffset: 6 * PAGE },
    { startOffset: 8 * PAGE, endOffset: 10 * PAGE },
  ]);
  map.go();
  expect(asked).toHaveLength(2);
});

test('needs no more memory for a larger guest', async () => {
  const length = 1024 * 1024 * MIB;
  const engine = fakeEngine({
    classify: () => ({
      batches: [[{ ...run(0, 1, 'zero'), length }]],
      result: { pages: {} },
    }),
  });
  const map = new PageMap(
    engine,
    [{ startOffset: 0, length }],
    () => {},
    () => {},
  );
  map.go();
  await until('all pages', () => map.isDone);
  expect(map.bucketCount).toBeLessThanOrEqual(8192);
  expect(map.classOf(0, map.bucketCount)).toBe('zero');
});
