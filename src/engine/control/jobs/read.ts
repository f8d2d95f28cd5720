import type { Params, Result } from '../protocol/methods.js';
import { endOf, type JobContext, streamOffsetIn, type View } from './context.js';
import type { JobProgress } from './output.js';

/** What a container keeps together. */
const PAGE_BYTES = 4096;

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
    for (const { from, to } of contiguousParts(view, startOffset, count)) {
      pieces.push({
        offset: startOffset + from,
        length: to - from,
        ...streamOffsetIn(view, startOffset + from),
        bytes: bytes.toString('base64', from, to),
      });
    }
  }
  const length = Math.max(0, endOffset - offset);
  return { offset, length, endOffset: view.source.length, pieces };
}

/** Pages that follow each other in memory need not do so in its container. */
function* contiguousParts(
  view: View,
  startOffset: number,
  length: number,
): Generator<{ readonly from: number; readonly to: number }, void> {
  let from = 0;
  if (view.memory !== undefined) {
    const firstEnd = PAGE_BYTES - (startOffset % PAGE_BYTES);
    for (let at = firstEnd; at < length; at += PAGE_BYTES) {
      const before = view.memory.streamOffsetOf(startOffset + at - 1);
      const expected = before === undefined ? undefined : before + 1;
      if (view.memory.streamOffsetOf(startOffset + at) === expected) continue;
      yield { from, to: at };
      from = at;
    }
  }
  yield { from, to: length };
}
