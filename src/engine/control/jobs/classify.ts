import { classifyPages, type PageClass } from '../../../forensics/pages/classify.js';
import { sameRunAtOf } from '../../../forensics/pages/sameRun.js';
import type { Item, Params, Result } from '../protocol/methods.js';
import { endOf, type JobContext, streamOffsetIn } from './context.js';
import type { JobOutput } from './output.js';

const PAGE_BYTES = 4096;

/** Answers `classify`. `parent` are pages that the nearest parent has in the same place. */
export function classify(
  context: JobContext,
  params: Params<'classify'>,
  output: JobOutput<Item<'classify'>>,
): Result<'classify'> {
  const { snapshot } = context;
  const view = context.view(params, output);
  const { offset: startOffset, stream } = params;
  const [parent] = snapshot.parents;
  // Of addresses in a container, the index of the stream says nothing.
  const isIndexed = view.memory === undefined;
  const steps = classifyPages(view.source, {
    ranges: view.rangesIn(startOffset, endOf(view, params)),
    zeroRunAt: view.zeroRunAt,
    sameRunAt:
      isIndexed && parent !== undefined ? sameRunAtOf(snapshot, parent, stream) : undefined,
  });
  const pages: Partial<Record<string, number>> = {};
  for (const step of steps) {
    if (step.kind === 'progress') {
      output.progress({ doneBytes: step.doneBytes, totalBytes: step.totalBytes });
      continue;
    }
    const { startOffset: offset, length } = step;
    const name = wireName(step.class);
    pages[name] = (pages[name] ?? 0) + Math.ceil(length / PAGE_BYTES);
    output.item({ offset, length, ...streamOffsetIn(view, offset), class: name });
  }
  return { pages: pages as Record<string, number> };
}

const wireName = (pageClass: PageClass) => (pageClass === 'same' ? 'parent' : pageClass);
