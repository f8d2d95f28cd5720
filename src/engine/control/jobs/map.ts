import { type PortableError, toPortable } from '../../errors.js';
import { mapStream } from '../../snapshot/streamMap.js';
import type { Item, Params, Result } from '../protocol/methods.js';
import type { JobContext } from './context.js';
import type { JobOutput } from './output.js';

/** Of a damaged index, more is not told. */
const MAX_DAMAGE = 64;

/** Answers `map`. */
export function map(
  context: JobContext,
  { stream, cellBytes, offset, length }: Params<'map'>,
  output: JobOutput<Item<'map'>>,
): Result<'map'> {
  const snapshot = context.snapshotWith(stream);
  const endOffset = Math.min(
    snapshot.streamLength(stream),
    length === undefined ? Number.POSITIVE_INFINITY : offset + length,
  );
  const damage: PortableError[] = [];
  let cells = 0;
  if (offset >= endOffset) return { cells, damage };
  for (const step of mapStream(snapshot, stream, cellBytes, offset, endOffset)) {
    for (const run of step.runs) {
      cells += run.cellCount;
      output.item(run);
    }
    if (step.damage !== undefined && damage.length < MAX_DAMAGE) {
      damage.push(toPortable(step.damage));
    }
    output.progress({ doneBytes: step.endOffset - offset, totalBytes: endOffset - offset });
  }
  return { cells, damage };
}
