import type { Extent } from '../overlay/dirtyPages.js';
import { MAX_PAGES } from '../overlay/pages.js';
import { formatPages } from '../overlay/selection.js';
import type { Pause } from '../slices.js';

const CHUNK_RUNS = 512;

/** Runs of pages as text, `7 9-12`, in chunks. */
export function* formatRuns(runs: Iterable<Extent | Pause>): Generator<string | Pause, void> {
  let texts: string[] = [];
  let isFirst = true;
  for (const run of runs) {
    if (run === undefined) {
      yield;
      continue;
    }
    texts.push(formatPages(run.pageIndex, run.pageCount));
    if (texts.length < CHUNK_RUNS) continue;
    yield `${isFirst ? '' : ' '}${texts.join(' ')}`;
    isFirst = false;
    texts = [];
  }
  if (texts.length > 0) yield `${isFirst ? '' : ' '}${texts.join(' ')}`;
}

/** What `formatRuns` has written, one run at a time; undefined if it is anything else. Runs are in order and apart. */
export function parseRuns(text: string): Iterable<Extent> | undefined {
  if (!isText(text)) return undefined;
  return { [Symbol.iterator]: () => runsIn(text) };
}

function isText(text: string): boolean {
  let endIndex = 0;
  for (let at = 0; at < text.length; at = RUN.lastIndex) {
    const run = runAt(text, at);
    if (run === undefined || run.pageIndex < endIndex || run.pageCount < 1) return false;
    endIndex = run.pageIndex + run.pageCount;
  }
  return endIndex <= MAX_PAGES;
}

function* runsIn(text: string): Generator<Extent, void> {
  for (let at = 0; at < text.length; ) {
    const run = runAt(text, at);
    if (run === undefined) return;
    at = RUN.lastIndex;
    yield run;
  }
}

const RUN = /(\d{1,10})(?:-(\d{1,10}))?(?: |$)/y;

function runAt(text: string, at: number): Extent | undefined {
  RUN.lastIndex = at;
  const found = RUN.exec(text);
  if (found === null) return undefined;
  const first = Number(found[1]);
  return { pageIndex: first, pageCount: Number(found[2] ?? first) - first + 1 };
}
