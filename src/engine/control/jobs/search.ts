import { parsePattern } from '../../../forensics/search/pattern.js';
import { search as searchSource } from '../../../forensics/search/search.js';
import type { Params, Result } from '../protocol/methods.js';
import { endOf, type JobContext, streamOffsetIn, type View } from './context.js';
import type { JobOutput } from './output.js';

/** Shown before a match, and from its beginning on. */
const PREVIEW_BEFORE_BYTES = 16;
const PREVIEW_BYTES = 64;

/** Answers `search`. */
export function search(
  context: JobContext,
  params: Params<'search'>,
  output: JobOutput,
): Result<'search'> {
  const pattern = parsePattern(params.pattern);
  const view = context.view(params, output);
  const { offset: startOffset, maximum = Number.POSITIVE_INFINITY, isBackward } = params;
  const steps = searchSource(view.source, pattern, {
    ranges: view.rangesIn(startOffset, endOf(view, params)),
    direction: isBackward ? 'backward' : 'forward',
    zeroRunAt: view.zeroRunAt,
  });
  let found = 0;
  let searchedBytes = 0;
  for (const step of steps) {
    if (step.kind === 'progress') {
      searchedBytes = step.doneBytes;
      output.progress({ doneBytes: step.doneBytes, totalBytes: step.totalBytes });
      continue;
    }
    if (found >= maximum) break;
    found++;
    const { offset, length } = step;
    output.item({ offset, length, ...streamOffsetIn(view, offset), ...previewOf(view, offset) });
  }
  return { found, searchedBytes };
}

/** Some bytes around a place, as far as they are present. */
function previewOf(view: View, offset: number): { preview: string; previewOffset: number } {
  const target = Buffer.allocUnsafe(PREVIEW_BYTES);
  const from = Math.max(0, offset - PREVIEW_BEFORE_BYTES);
  for (const previewOffset of from === offset ? [offset] : [from, offset]) {
    const count = view.source.readInto(previewOffset, target);
    // What lies before it may not be present.
    if (previewOffset + count <= offset && previewOffset !== offset) continue;
    return { preview: target.toString('base64', 0, count), previewOffset };
  }
  return { preview: '', previewOffset: offset };
}
