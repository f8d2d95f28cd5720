import { countWhile } from '../../model/ordered.js';

interface DatedRun {
  readonly start: number;
  end: number;
  readonly time: number;
}

const MAX_RUNS = 32_768;
/** What was written within it has one age. */
const SAME_MS = 1000;

/** With more than these, it takes long to put one among them. */
const MAX_FRESH = 512;

/**
 * Since when pages are dirty, as far as it was seen: they turned dirty in an event that was told, or between two
 * looks at the list. Of everything else, this knows only that it was before `knownSince`.
 *
 * Events come by the thousand, looks with the paints: so what turned dirty is kept apart in `#fresh`, and put among the
 * others in one pass, when somebody looks or there is much of it.
 *
 * Invariant: `#runs` and `#fresh` are each in order, and their runs do not touch, unless their times differ. What there
 * is no room for is forgotten, the oldest first, and counts as before then.
 */
export class DirtyAges {
  #knownSince: number;
  #runs: DatedRun[] = [];
  #fresh: DatedRun[] = [];

  /** @param now from when on it is told what turns dirty */
  constructor(now: number) {
    this.#knownSince = now;
  }

  /** What has no time has been dirty for longer than since then. */
  get knownSince(): number {
    return this.#knownSince;
  }

  /** Until a time, it was not told of all that turned dirty. */
  missed(time: number): void {
    this.#knownSince = Math.max(this.#knownSince, time);
  }

  /** Pages turned dirty; those that have a time keep it. */
  add(startPage: number, endPage: number, time: number): void {
    const first = firstEndingBehind(this.#fresh, startPage - 1);
    let end = first;
    while ((this.#fresh[end]?.start ?? Number.POSITIVE_INFINITY) <= endPage) end++;
    const touched = this.#fresh.slice(first, end);
    const run = { start: startPage, end: endPage, time };
    this.#fresh.splice(first, touched.length, ...merged(touched, [run]));
    if (this.#fresh.length > MAX_FRESH) this.#putTogether();
  }

  /** Pages are dirty no more. */
  remove(startPage: number, endPage: number): void {
    this.#putTogether();
    const first = firstEndingBehind(this.#runs, startPage);
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
    this.#putTogether();
    let page = startPage;
    let oldest = Number.POSITIVE_INFINITY;
    for (let index = firstEndingBehind(this.#runs, startPage); index < this.#runs.length; index++) {
      const run = this.#runs[index];
      if (run === undefined || run.start > page) return undefined;
      oldest = Math.min(oldest, run.time);
      page = run.end;
      if (page >= endPage) return oldest;
    }
    return undefined;
  }

  #putTogether(): void {
    if (this.#fresh.length === 0) return;
    this.#runs = merged(this.#runs, this.#fresh);
    this.#fresh = [];
    if (this.#runs.length > MAX_RUNS) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const times = this.#runs.map(({ time }) => time).sort((one, other) => one - other);
    const limit = times[Math.floor(times.length / 4)] ?? 0;
    this.#runs = this.#runs.filter(({ time }) => time > limit);
    this.missed(limit);
  }
}

/** The first run that ends behind a page. */
const firstEndingBehind = (runs: readonly DatedRun[], page: number): number =>
  countWhile(runs, ({ end }) => end <= page);

/** Runs, and of others what they have not; neighbours of about the same time are made one. It takes the runs over. */
function merged(runs: readonly DatedRun[], others: readonly DatedRun[]): DatedRun[] {
  const all: DatedRun[] = [];
  let end = 0;
  const push = (run: DatedRun): void => {
    const last = all.at(-1);
    const isSame =
      last !== undefined && last.end === run.start && Math.abs(last.time - run.time) < SAME_MS;
    if (isSame) last.end = run.end;
    else all.push(run);
    end = run.end;
  };
  let index = 0;
  for (const other of others) {
    let run = runs[index];
    for (; run !== undefined && run.start < other.end; run = runs[++index]) {
      const start = Math.max(end, other.start);
      if (run.start > start) push({ ...other, start, end: run.start });
      push(run);
    }
    const start = Math.max(end, other.start);
    if (start < other.end) push({ ...other, start });
  }
  for (; index < runs.length; index++) {
    const run = runs[index];
    if (run !== undefined) push(run);
  }
  return all;
}
