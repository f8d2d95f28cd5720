import type { StreamName } from '../engine/format/types.js';
import type { Run } from '../engine/snapshot/snapshot.js';
import type { ByteSource } from './byteSource.js';

/**
 * How many zeros begin at an offset, as far as an index knows without reading; 0 where it does not, or where something
 * else begins. Looks no further than the limit.
 */
export type ZeroRunAt = (offset: number, limit: number) => number;

/** What a stream is read from: a snapshot, or a volume, which has no index that tells zeros. */
export interface StreamOwner {
  streamLength(stream: StreamName): number;
  readInto(stream: StreamName, offset: number, target: Buffer): number;
  runAt?(stream: StreamName, offset: number, limit?: number): Run;
}

export interface StreamSource extends ByteSource {
  /** Undefined where zeros cannot be told without reading. */
  readonly zeroRunAt: ZeroRunAt | undefined;
}

/** One stream as a source of bytes. Its length is the one that the stream has now. */
export function streamSource(owner: StreamOwner, stream: StreamName): StreamSource {
  const zeroRunAt: ZeroRunAt = (offset, limit) => {
    // Where data begins, its end need not be looked for.
    if (owner.runAt?.(stream, offset, 1).kind !== 'zero') return 0;
    return owner.runAt(stream, offset, limit).length;
  };
  return {
    length: owner.streamLength(stream),
    readInto: (offset, target) => owner.readInto(stream, offset, target),
    zeroRunAt: owner.runAt === undefined ? undefined : zeroRunAt,
  };
}
