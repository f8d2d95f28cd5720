import type { StreamName } from '../format/types.js';
import type { Snapshot } from './snapshot.js';

/** Takes the bytes of a stream in order. */
export interface ByteSink {
  /** Takes bytes; the buffer is used again afterwards. */
  write(bytes: Buffer): void;
  /** Takes this many zeros. */
  skip(length: number): void;
}

export interface ExtractRange {
  readonly offset: number;
  readonly length: number;
}

/** One read: enough blocks that the calls around it do not count. */
const CHUNK_BYTES = 1024 * 1024;

/** How far the index is asked ahead; keeps the cursor near the bytes that are read next. */
const LOOK_AHEAD_BYTES = 1024 * 1024;

/**
 * Copies a range of a stream into a sink, zeros that the index knows of without reading them. Blocks are decoded whole. Yields
 * the number of bytes done after every step.
 *
 * @throws HexzError when a block cannot be read; the sink has then got all bytes before the failed step
 */
export function* extractStream(
  snapshot: Snapshot,
  stream: StreamName,
  range: ExtractRange,
  sink: ByteSink,
): Generator<number, void> {
  const end = Math.min(range.offset + range.length, snapshot.streamLength(stream));
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let offset = range.offset;
  let lookAhead = LOOK_AHEAD_BYTES;
  while (offset < end) {
    const run = snapshot.runAt(stream, offset, Math.min(lookAhead, end - offset));
    const runEnd = offset + run.length;
    // Where zeros go on and on, the next look goes further: the end may be petabytes away.
    lookAhead = run.kind === 'zero' ? lookAhead * 2 : LOOK_AHEAD_BYTES;
    if (run.kind === 'zero') {
      sink.skip(run.length);
      offset = runEnd;
      yield offset - range.offset;
    }
    while (offset < runEnd) {
      const bytes = chunk.subarray(0, Math.min(CHUNK_BYTES, runEnd - offset));
      snapshot.readInto(stream, offset, bytes, 'whole');
      sink.write(bytes);
      offset += bytes.length;
      yield offset - range.offset;
    }
  }
}
