import { diffOverlay } from '../../../forensics/diff/overlayDiff.js';
import type { DiffStep, DiffTally } from '../../../forensics/diff/result.js';
import { diffRows as rowsOf } from '../../../forensics/diff/rows.js';
import { PAGE_BYTES } from '../../overlay/pages.js';
import type { Item, Params, Result } from '../protocol/methods.js';
import { diskOf, type JobContext } from './context.js';
import type { JobOutput } from './output.js';

/** Answers `diff`. */
export function diff(
  context: JobContext,
  params: Params<'diff'>,
  output: JobOutput<Item<'diff'>>,
): Result<'diff'> {
  const { granularity } = params;
  const steps = compare(context, params, { granularity });
  let next = steps.next();
  while (next.done !== true) {
    const { difference } = next.value;
    if (difference !== undefined) output.item(difference);
    tellProgress(context, next.value, output);
    next = steps.next();
  }
  return wireTally(next.value);
}

/** Answers `diffRows`. */
export function diffRows(
  context: JobContext,
  params: Params<'diffRows'>,
  output: JobOutput<Item<'diffRows'>>,
): Result<'diffRows'> {
  const { rowBytes, contextRows, maximum = Number.POSITIVE_INFINITY } = params;
  const steps = compare(context, params, { granularity: 'run' });
  const after = diskOf(context.overlay);
  let changedRows = 0;
  for (const { step, shown } of rowsOf(steps, context.snapshot, after, { rowBytes, contextRows })) {
    tellProgress(context, step, output);
    if (shown === undefined) continue;
    if (shown.kind === 'skipped') {
      output.item({ skippedRows: shown.rowCount });
    } else if (shown.kind === 'end') {
      output.item({ end: shown.difference });
    } else {
      if (shown.isChanged && ++changedRows > maximum) break;
      const { offset, before, after: now, isChanged } = shown;
      output.item({
        row: {
          offset,
          before: before.toString('base64'),
          after: now.toString('base64'),
          isChanged,
        },
      });
    }
  }
  return { changedRows: Math.min(changedRows, maximum) };
}

function compare(
  context: JobContext,
  { offset: startOffset = 0, length }: { offset?: number | undefined; length?: number | undefined },
  options: { readonly granularity: 'extent' | 'run' | 'page' },
): Generator<DiffStep, DiffTally> {
  const endOffset = length === undefined ? Number.POSITIVE_INFINITY : startOffset + length;
  return diffOverlay(context.snapshot, context.overlay, { ...options, startOffset, endOffset });
}

/** Of a part, nobody knows how much there is before it was looked at. */
function tellProgress(
  { overlay }: JobContext,
  { tally, difference }: DiffStep,
  output: JobOutput<never>,
): void {
  if (difference !== undefined) output.check();
  else {
    output.progress({
      doneBytes: tally.doneBytes,
      totalBytes: overlay.listedPageCount * PAGE_BYTES,
    });
  }
}

const wireTally = ({ doneBytes: _, comparedBytes: __, ...tally }: DiffTally): Result<'diff'> =>
  tally;
