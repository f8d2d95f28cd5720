interface DatedRun {
  readonly start: number;
  end: number;
  readonly time: number;
}

const MAX_RUNS = 32_768;
/** What was written within it has one age. */
const SAME_MS = 1000;

/**
 * Since when pages are dirty, as far as it was seen: they turned dirty in an event that was told, or between two
 * looks at the list. Of everything else, this knows only that it was before.
 *
 * Invariant: `#runs` are in order and do not touch, unless their times differ. What there is no room for is
 * forgotten, the oldest first, and counts as before then.
 */
export class DirtyAges {
  #runs: DatedRun[] = [];

  /** Pages turned dirty; those that have a time keep it. */
  add(startPage: number, endPage: number, time: number): void {
    let index = this.#firstEndingBehind(startPage - 1);
    const overlapped: DatedRun[] = [];
    const first = index;
    while (index < this.#runs.length) {
      const run = this.#runs[index];
      if (run === undefined || run.start > endPage) break;
      overlapped.push(run);
      index++;
    }
    this.#runs.splice(first, overlapped.length, ...filled(overlapped, startPage, endPage, time));
    if (this.#runs.length > MAX_RUNS) this.#forgetOldest();
  }

  /** Pages are dirty no more. */
  remove(startPage: number, endPage: number): void {
    const first = this.#firstEndingBehind(startPage);
    const kept: DatedRun[] = [];
    let index = first;
    for (; index < this.#runs.length; index++) {
      const run = this.#runs[index];
      if (run === undefined || run.start >= endPage) break;
      if (run.start < startPage) kept.push({ ...run, end: startPage });
      if (run.end > endPage) kept.push({ ...run, start: endPage });
    }
    this.#runs.splice(first, index - first, ...kept);
  }

  /** Since when the oldest page of a run is dirty; undefined for before. */
  of(startPage: number, endPage: number): number | undefined {
    let page = startPage;
    let oldest = Number.POSITIVE_INFINITY;
    for (let index = this.#firstEndingBehind(startPage); index < this.#runs.length; index++) {
      const run = this.#runs[index];
      if (run === undefined || run.start > page) return undefined;
      oldest = Math.min(oldest, run.time);
      page = run.end;
      if (page >= endPage) return oldest;
    }
    return undefined;
  }

  #firstEndingBehind(page: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle]?.end ?? 0) <= page) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #forgetOldest(): void {
    const times = this.#runs.map(({ time }) => time).sort((one, other) => one - other);
    const limit = times[Math.floor(times.length / 4)] ?? 0;
    this.#runs = this.#runs.filter(({ time }) => time > limit);
  }
}

/** Runs, with what lies between them in a range filled up; neighbours of about the same time are made one. */
function filled(
  runs: readonly DatedRun[],
  startPage: number,
  endPage: number,
  time: number,
): DatedRun[] {
  const all: DatedRun[] = [];
  const push = (run: DatedRun): void => {
    const last = all.at(-1);
    const isSame =
      last !== undefined && last.end === run.start && Math.abs(last.time - run.time) < SAME_MS;
    if (isSame) last.end = run.end;
    else if (run.end > run.start) all.push({ ...run });
  };
  let page = startPage;
  for (const run of runs) {
    if (run.start > page) push({ start: page, end: Math.min(run.start, endPage), time });
    push(run);
    page = Math.max(page, run.end);
  }
  if (page < endPage) push({ start: page, end: endPage, time });
  return all;
}
