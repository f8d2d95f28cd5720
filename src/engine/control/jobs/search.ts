import type { ByteRange } from '../../../forensics/byteRanges.js';
import { parsePattern } from '../../../forensics/search/pattern.js';
import { search as searchSource } from '../../../forensics/search/search.js';
import type { Item, Params, Result } from '../protocol/methods.js';
import { bytesIn, endOf, type JobContext, streamOffsetIn, type View } from './context.js';
import type { JobOutput } from './output.js';

/** Shown before a match, and from its beginning on. */
const PREVIEW_BEFORE_BYTES = 16;
const PREVIEW_BYTES = 64;
/** Between two of them is a gap, which no match spans. */
const BATCH_RANGES = 4096;

/** Answers `search`. */
export function search(
  context: JobContext,
  params: Params<'search'>,
  output: JobOutput<Item<'search'>>,
): Result<'search'> {
  const pattern = parsePattern(params.pattern);
  const view = context.view(params, output);
  const { offset: startOffset, maximum = Number.POSITIVE_INFINITY, isBackward } = params;
  const options = {
    direction: isBackward ? 'backward' : 'forward',
    zeroRunAt: view.zeroRunAt,
  } as const;
  const ranges = view.rangesIn(startOffset, endOf(view, params));
  // Backward they have to be known all; forward, a dump with millions of holes needs no more memory than one.
  const batches = isBackward ? [ranges] : batchesOf(ranges);
  if (maximum === 0) return { found: 0, searchedBytes: 0 };
  let found = 0;
  let searchedBytes = 0;
  for (const batch of batches) {
    const searchedBefore = searchedBytes;
    for (const step of searchSource(view.source, pattern, { ...options, ranges: batch })) {
      if (step.kind === 'progress') {
        const { doneBytes, totalBytes } = step;
        searchedBytes = searchedBefore + doneBytes;
        output.progress({ doneBytes: searchedBytes, totalBytes: searchedBefore + totalBytes });
        continue;
      }
      found++;
      const { offset, length } = step;
      output.item({ offset, length, ...streamOffsetIn(view, offset), ...previewOf(view, offset) });
      if (found < maximum) continue;
      return {
        found,
        searchedBytes: isBackward
          ? bytesIn(view, offset, endOf(view, params))
          : bytesIn(view, startOffset, offset + length),
      };
    }
  }
  return { found, searchedBytes };
}

function* batchesOf(ranges: Iterable<ByteRange>): Generator<readonly ByteRange[], void> {
  let batch: ByteRange[] = [];
  for (const range of ranges) {
    batch.push(range);
    if (batch.length < BATCH_RANGES) continue;
    yield batch;
    batch = [];
  }
  yield batch;
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
