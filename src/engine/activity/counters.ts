import type { StreamName } from '../format/types.js';
import { LATENCY_BUCKETS } from './latency.js';

/*
 * Sums since the engine began, as 64-bit floats in shared memory. The recorder that they belong to alone writes
 * them, without a lock: they only grow, and a reader may find one of them a request ahead of another. Stores of
 * 64 aligned bits are whole on every machine that Node runs on.
 */

/** Places of the counters of one stream, from where the stream begins. */
export const READS = 0;
export const READ_BYTES = 1;
export const WRITES = 2;
export const WRITTEN_BYTES = 3;
export const ERRORS = 4;
const STREAM_COUNTERS = 5;

export const streamPlaces: Readonly<Record<StreamName, number>> = {
  disk: 0,
  memory: STREAM_COUNTERS,
};

export const HIT_BLOCKS = 2 * STREAM_COUNTERS;
export const DECODED_BLOCKS = HIT_BLOCKS + 1;
export const DECODE_MICROSECONDS = HIT_BLOCKS + 2;

/** Histograms of the time that requests took. */
export const READ_LATENCY = HIT_BLOCKS + 3;
export const WRITE_LATENCY = READ_LATENCY + LATENCY_BUCKETS;

const COUNTERS = WRITE_LATENCY + LATENCY_BUCKETS;
export const counterBufferBytes = COUNTERS * 8;

interface StreamCounters {
  readonly reads: number;
  readonly readBytes: number;
  readonly writes: number;
  readonly writtenBytes: number;
  /** Requests of any kind that failed; they count neither as reads nor as writes. */
  readonly errors: number;
}

/** Sums since the engine began. */
export interface ActivityCounters {
  readonly streams: Readonly<Partial<Record<StreamName, StreamCounters>>>;
  readonly hitBlocks: number;
  readonly decodedBlocks: number;
  readonly decodeMicroseconds: number;
}

/** The sums of all recorders, at places as above. */
export function addUp(buffers: readonly SharedArrayBuffer[]): Float64Array {
  const sums = new Float64Array(COUNTERS);
  for (const buffer of buffers) {
    const counters = new Float64Array(buffer);
    for (let place = 0; place < COUNTERS; place++) {
      sums[place] = (sums[place] as number) + (counters[place] as number);
    }
  }
  return sums;
}

export function describeCounters(
  sums: Float64Array,
  streams: readonly StreamName[],
): ActivityCounters {
  const at = (place: number): number => sums[place] as number;
  const ofStream = (stream: StreamName): StreamCounters => {
    const place = streamPlaces[stream];
    return {
      reads: at(place + READS),
      readBytes: at(place + READ_BYTES),
      writes: at(place + WRITES),
      writtenBytes: at(place + WRITTEN_BYTES),
      errors: at(place + ERRORS),
    };
  };
  return {
    streams: Object.fromEntries(streams.map((stream) => [stream, ofStream(stream)])),
    hitBlocks: at(HIT_BLOCKS),
    decodedBlocks: at(DECODED_BLOCKS),
    decodeMicroseconds: at(DECODE_MICROSECONDS),
  };
}

/** What a histogram gained between two sums. */
export function histogramBetween(
  before: Float64Array,
  after: Float64Array,
  place: number,
): Float64Array {
  return after
    .slice(place, place + LATENCY_BUCKETS)
    .map((count, bucket) => count - (before[place + bucket] as number));
}
