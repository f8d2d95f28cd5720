import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BlockCache } from '../../../src/engine/snapshot/blockCache.js';

type Operation =
  | { readonly kind: 'store' | 'abandon'; readonly key: number; readonly length: number }
  | { readonly kind: 'find'; readonly key: number };

const keys = fc.nat(30);
const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom('store' as const, 'store' as const, 'abandon' as const),
      key: keys,
      length: fc.oneof(fc.nat(5000), fc.constantFrom(0, 64, 65, 1024, 4096)),
    }),
    fc.record({ kind: fc.constant('find' as const), key: keys }),
  ),
  { maxLength: 200 },
);

test('all slots together never take more than the capacity, and hold what was stored last', () => {
  fc.assert(
    fc.property(operations, fc.integer({ min: 0, max: 30_000 }), (list, capacityBytes) => {
      const cache = new BlockCache(capacityBytes);
      const stored = new Map<number, number>();
      list.forEach((operation, step) => {
        if (operation.kind === 'find') {
          const block = cache.find(operation.key);
          if (block !== undefined) {
            expect(block.memory.readUInt32LE(0)).toBe(stored.get(operation.key));
          }
          return;
        }
        const slot = cache.reserve(operation.length);
        expect(cache.slotBytes).toBeLessThanOrEqual(capacityBytes);
        if (slot === undefined) return;
        expect(slot.memory.length).toBeGreaterThanOrEqual(operation.length);
        expect(slot.memory.length).toBeLessThanOrEqual(capacityBytes / 4);
        slot.memory.writeUInt32LE(step, 0);
        if (operation.kind === 'abandon') {
          cache.release(slot);
        } else {
          cache.store(operation.key, slot);
          stored.set(operation.key, step);
        }
      });
    }),
    { numRuns: 500 },
  );
});

/** Stores blocks of one length under the keys 0, 1, ... */
function fill(cache: BlockCache, count: number, length: number): void {
  for (let key = 0; key < count; key++) {
    const slot = cache.reserve(length);
    if (slot !== undefined) cache.store(key, slot);
  }
}

const held = (cache: BlockCache, count: number): number[] =>
  Array.from({ length: count }, (_, key) => key).filter((key) => cache.find(key) !== undefined);

describe('what is kept', () => {
  test('is everything as long as it fits', () => {
    const cache = new BlockCache(65536 * 16);
    fill(cache, 16, 65536);
    expect(held(cache, 16)).toHaveLength(16);
    expect(cache.slotBytes).toBe(65536 * 16);
  });

  test('is what was used last when it does not', () => {
    const cache = new BlockCache(4096 * 8);
    fill(cache, 8, 4096);
    cache.find(0);
    const slot = cache.reserve(4096);
    if (slot !== undefined) cache.store(8, slot);
    expect(held(cache, 9)).toEqual([0, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('makes room for blocks of another length', () => {
    const cache = new BlockCache(100_000);
    fill(cache, 100, 1000);
    fill(cache, 4, 20_000);
    expect(held(cache, 4)).toEqual([0, 1, 2, 3]);
    expect(cache.slotBytes).toBeLessThanOrEqual(100_000);
  });

  test('is nothing after clear', () => {
    const cache = new BlockCache(65536);
    fill(cache, 4, 4096);
    cache.clear();
    expect(held(cache, 4)).toEqual([]);
    expect(cache.slotBytes).toBe(0);
  });
});

test('a block larger than a quarter of the capacity gets no slot', () => {
  const cache = new BlockCache(4096 * 4);
  expect(cache.reserve(4096)).toBeDefined();
  expect(cache.reserve(4097)).toBeUndefined();
});

test('a cache of no bytes holds nothing', () => {
  const cache = new BlockCache(0);
  expect(cache.reserve(1)).toBeUndefined();
  expect(cache.find(0)).toBeUndefined();
  cache.clear();
  expect(cache.slotBytes).toBe(0);
});

test('every file of a chain has its own number', () => {
  const cache = new BlockCache(0);
  expect([cache.addFile(), cache.addFile(), cache.addFile()]).toEqual([0, 1, 2]);
});
