import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  LATENCY_BUCKETS,
  latencyBucketOf,
  percentilesOf,
} from '../../../src/engine/activity/latency.js';

test('percentiles are right up to a factor of two', () => {
  const microseconds = fc.oneof(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 1, max: 2 ** 30, noNaN: true }),
    fc.nat(1000),
  );
  fc.assert(
    fc.property(fc.array(microseconds, { minLength: 1, maxLength: 300 }), (times) => {
      const histogram = new Float64Array(LATENCY_BUCKETS);
      for (const time of times) {
        const bucket = latencyBucketOf(time);
        histogram[bucket] = (histogram[bucket] as number) + 1;
      }
      const sorted = [...times].sort((a, b) => a - b);
      const percentiles = percentilesOf(histogram);
      for (const [share, told] of [
        [0.5, percentiles?.p50 ?? Number.NaN],
        [0.99, percentiles?.p99 ?? Number.NaN],
      ] as const) {
        const exact = sorted[Math.ceil(times.length * share) - 1] as number;
        if (exact < 1) expect(told).toBeLessThanOrEqual(1);
        else {
          expect(told).toBeGreaterThanOrEqual(exact / 2);
          expect(told).toBeLessThanOrEqual(exact * 2);
        }
      }
    }),
  );
});

test('a request that never seemed to end is in the last bucket', () => {
  expect(latencyBucketOf(2 ** 40)).toBe(LATENCY_BUCKETS - 1);
  expect(latencyBucketOf(0)).toBe(0);
});

test('of no request there are none', () => {
  expect(percentilesOf(new Float64Array(LATENCY_BUCKETS))).toBeNull();
});
