import { findStrings } from '../../../forensics/strings.js';
import type { Item, Params, Result } from '../protocol/methods.js';
import { bytesIn, endOf, type JobContext, streamOffsetIn } from './context.js';
import type { JobOutput } from './output.js';

/** Answers `strings`. */
export function strings(
  context: JobContext,
  params: Params<'strings'>,
  output: JobOutput<Item<'strings'>>,
): Result<'strings'> {
  const view = context.view(params, output);
  const { offset: startOffset, minimumLength, maximum = Number.POSITIVE_INFINITY } = params;
  if (maximum === 0) return { found: 0, searchedBytes: 0 };
  const steps = findStrings(view.source, {
    ranges: view.rangesIn(startOffset, endOf(view, params)),
    minimumCharacters: minimumLength,
    encodings: params.encodings,
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
    found++;
    const { offset, length, encoding, text, continues: isCut } = step;
    output.item({ offset, length, ...streamOffsetIn(view, offset), encoding, text, isCut });
    if (found < maximum) continue;
    return { found, searchedBytes: bytesIn(view, startOffset, offset + length) };
  }
  return { found, searchedBytes };
}
