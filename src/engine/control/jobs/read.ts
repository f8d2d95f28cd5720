import type { Params, Result } from '../protocol/methods.js';
import { endOf, type JobContext, streamOffsetIn } from './context.js';
import type { JobProgress } from './output.js';

/** Answers `read`. */
export function read(
  context: JobContext,
  params: Params<'read'>,
  output: JobProgress,
): Result<'read'> {
  const { offset } = params;
  const view = context.view(params, output);
  const endOffset = endOf(view, params);
  const pieces = [];
  for (const { startOffset, length } of view.rangesIn(offset, endOffset)) {
    const bytes = Buffer.allocUnsafe(length);
    const count = view.source.readInto(startOffset, bytes);
    if (count === 0) continue;
    pieces.push({
      offset: startOffset,
      length: count,
      ...streamOffsetIn(view, startOffset),
      bytes: bytes.toString('base64', 0, count),
    });
  }
  const length = Math.max(0, endOffset - offset);
  return { offset, length, endOffset: view.source.length, pieces };
}
