/** Buckets of a histogram: below 1 us, 1 to 2 us, 2 to 4 us and so on; the last holds everything above. */
export const LATENCY_BUCKETS = 32;

/** Times below which half, and 99 of a hundred, of the requests were answered, in microseconds. */
export interface LatencyPercentiles {
  readonly p50: number;
  readonly p99: number;
}

export const latencyBucketOf = (microseconds: number): number =>
  Math.min(LATENCY_BUCKETS - 1, 32 - Math.clz32(Math.min(microseconds, 0xffff_ffff)));

/**
 * The percentiles of a histogram, null if it is empty. Inside a bucket they are interpolated, so each is right
 * up to a factor of two.
 */
export function percentilesOf(histogram: Float64Array): LatencyPercentiles | null {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  return { p50: quantile(histogram, total * 0.5), p99: quantile(histogram, total * 0.99) };
}

function quantile(histogram: Float64Array, rank: number): number {
  let below = 0;
  for (let bucket = 0; bucket < histogram.length; bucket++) {
    const count = histogram[bucket] as number;
    if (count > 0 && below + count >= rank) {
      const start = bucket === 0 ? 0 : 2 ** (bucket - 1);
      return start + (2 ** bucket - start) * ((rank - below) / count);
    }
    below += count;
  }
  return 2 ** (histogram.length - 1);
}
