import { PAGE_BYTES, pageOf, pagesIn } from '../../engine/overlay/pages.js';
import type { Difference, DifferenceKind, DiffTally, Granularity } from './result.js';

interface Run {
  readonly kind: DifferenceKind;
  readonly pageIndex: number;
  length: number;
  changedPages: number;
  equalPages: number;
  newPages: number;
  differentBytes: number;
  newBytes: number;
}

/**
 * Puts pages that were compared together to differences, and counts them.
 *
 * State: `#run`, the run that may still grow. It holds at least one page and ends where `#endPageIndex` is.
 */
export class PageRuns {
  readonly #tally: DiffTally;
  readonly #granularity: Granularity;
  #run: Run | undefined;
  #endPageIndex = -1;

  constructor(tally: DiffTally, granularity: Granularity) {
    this.#tally = tally;
    this.#granularity = granularity;
  }

  /**
   * Takes a page that lies behind all others so far.
   *
   * @returns the run that ended before it
   */
  add(
    pageIndex: number,
    length: number,
    differentBytes: number,
    newBytes: number,
  ): Difference | undefined {
    const tally = this.#tally;
    const kind = differentBytes > 0 ? 'changed' : newBytes > 0 ? 'new' : 'equal';
    const goesOn = pageIndex === this.#endPageIndex;
    if (!goesOn) tally.extents++;
    const joins =
      goesOn &&
      (this.#granularity === 'extent' || (this.#granularity === 'run' && this.#run?.kind === kind));
    const ended = joins ? undefined : this.end();
    this.#run ??= emptyRun(kind, pageIndex);
    this.#endPageIndex = pageIndex + 1;
    this.#run.length += length;
    for (const sums of [this.#run, tally]) {
      sums[`${kind}Pages`]++;
      sums.differentBytes += differentBytes;
      sums.newBytes += newBytes;
    }
    return ended;
  }

  /** Ends the run that is open, if there is one; the extent may go on behind it. */
  end(): Difference | undefined {
    const run = this.#run;
    if (run === undefined) return undefined;
    this.#run = undefined;
    const { changedPages, newPages } = run;
    return {
      ...run,
      stream: this.#tally.stream,
      kind: changedPages > 0 ? 'changed' : newPages > 0 ? 'new' : 'equal',
      offset: run.pageIndex * PAGE_BYTES,
      pageCount: pagesIn(run.length),
    };
  }
}

const emptyRun = (kind: DifferenceKind, pageIndex: number): Run => ({
  kind,
  pageIndex,
  length: 0,
  changedPages: 0,
  equalPages: 0,
  newPages: 0,
  differentBytes: 0,
  newBytes: 0,
});

/** A difference that is not told by pages. */
export function rangeDifference(
  { stream }: DiffTally,
  kind: 'cut' | 'grown' | 'removed',
  offset: number,
  endOffset: number,
  differentBytes = 0,
): Difference {
  const pageIndex = pageOf(offset);
  return {
    ...emptyRun(kind, pageIndex),
    stream,
    kind,
    offset,
    length: endOffset - offset,
    pageCount: pagesIn(endOffset) - pageIndex,
    differentBytes,
  };
}
