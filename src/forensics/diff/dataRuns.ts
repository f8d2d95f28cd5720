import type { StreamName } from '../../engine/format/types.js';
import type { Snapshot } from '../../engine/snapshot/snapshot.js';

/** How far the index is asked ahead; keeps its cursor near the bytes that are read next. */
const LOOK_AHEAD_BYTES = 1024 * 1024;

/** A side whose index can tell zeros without reading them. */
export type Indexed = Pick<Snapshot, 'runAt'>;

/** The parts of a range that the index does not know to be zero. */
export function* dataRuns(
  side: Indexed,
  stream: StreamName,
  startOffset: number,
  endOffset: number,
): Generator<{ readonly startOffset: number; readonly endOffset: number }, void> {
  let lookAhead = LOOK_AHEAD_BYTES;
  let offset = startOffset;
  while (offset < endOffset) {
    const run = side.runAt(stream, offset, Math.min(lookAhead, endOffset - offset));
    if (run.length === 0) return;
    const runEnd = offset + run.length;
    if (run.kind === 'data') yield { startOffset: offset, endOffset: runEnd };
    // Where zeros go on and on, the next look goes further: the end may be petabytes away.
    lookAhead = run.kind === 'zero' ? lookAhead * 2 : LOOK_AHEAD_BYTES;
    offset = runEnd;
  }
}
