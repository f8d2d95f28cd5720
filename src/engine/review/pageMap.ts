import { upperBound } from '../format/search.js';
import type { Extent } from '../overlay/dirtyPages.js';
import { MAX_PAGES } from '../overlay/pages.js';
import { atOnce, type Pause, type Steps } from '../slices.js';

/** Runs of a leaf; page `starts[i]` up to the next start has `values[i]`. */
interface Leaf {
  readonly starts: Float64Array;
  readonly values: Float64Array;
}

const MAX_LEAF_RUNS = 512;
/** A leaf with fewer runs is joined with its neighbour when it is made anew. */
const MIN_LEAF_RUNS = 128;

/** Ranges or leaves, and runs, after which whoever asks may do something else. */
const PAUSE_PIECES = 32;
const PAUSE_RUNS = 2048;

/**
 * A number for each page that a disk can have, 0 where nothing was painted. Kept as runs of pages with the same number, in leaves
 * that never change: a map that is made of another one shares with it all leaves in which nothing differs. So an old
 * state costs as much memory as was changed since, and taking it back costs nothing.
 *
 * Invariant: the leaves follow each other without a gap from page 0 on; a run ends where the next one starts, the last one
 * with the largest disk. Two neighbouring runs may have one number where two leaves meet, and only there.
 */
export class PageMap {
  static readonly empty = new PageMap([leafOf([0], [0])], 0);

  readonly leaves: readonly Leaf[];
  readonly runCount: number;
  /** How many runs, about, this map and the one that it was made of do not share: what keeping both costs. */
  readonly changedRuns: number;

  private constructor(leaves: readonly Leaf[], changedRuns: number) {
    this.leaves = leaves;
    this.runCount = leaves.reduce((sum, { starts }) => sum + starts.length, 0);
    this.changedRuns = changedRuns;
  }

  /** Whether all numbers are 0. */
  get isEmpty(): boolean {
    return this.leaves.every(({ values }) => values.every((value) => value === 0));
  }

  /** The same map with other numbers in some ranges, which must be in order. */
  paint(ranges: Iterable<Extent | Pause>, change: ChangeNumber): PageMap {
    return atOnce(this.painting(ranges, change));
  }

  /** `paint` in steps. */
  *painting(ranges: Iterable<Extent | Pause>, change: ChangeNumber): Steps<PageMap> {
    const copy = new Copy(this);
    let pieces = 0;
    for (const range of ranges) {
      if (++pieces % PAUSE_PIECES === 0) yield;
      if (range === undefined) continue;
      const endIndex = range.pageIndex + range.pageCount;
      copy.keepUntil(range.pageIndex);
      while (copy.page < endIndex) {
        if (++pieces % PAUSE_PIECES === 0) yield;
        copy.changeUntil(Math.min(endIndex, copy.leafEnd), change);
      }
    }
    copy.keepUntil(MAX_PAGES);
    return new PageMap(copy.leaves(), copy.changedRuns);
  }

  /** The runs of pages whose number is another one in another map. Leaves that both have are passed over. */
  *differences(other: PageMap): Generator<Extent | Pause, void> {
    if (other === this) return;
    const [one, two] = [new PageCursor(this), new PageCursor(other)];
    let [leaf, otherLeaf] = [0, 0];
    for (let page = 0; page < MAX_PAGES; ) {
      const [end, otherEnd] = [
        startOf(this.leaves, leaf + 1),
        startOf(other.leaves, otherLeaf + 1),
      ];
      const stop = Math.min(end, otherEnd);
      const isShared = this.leaves[leaf] === other.leaves[otherLeaf];
      while (!isShared && page < stop) {
        one.seek(page);
        two.seek(page);
        const runEnd = Math.min(one.endIndex, two.endIndex, stop);
        if (one.value !== two.value) yield { pageIndex: page, pageCount: runEnd - page };
        page = runEnd;
      }
      yield;
      page = stop;
      if (end === stop) leaf++;
      if (otherEnd === stop) otherLeaf++;
    }
  }

  /** All runs, in order. */
  *runs(): Generator<(Extent & { readonly value: number }) | Pause, void> {
    const cursor = new PageCursor(this);
    let runs = 0;
    for (let page = 0; page < MAX_PAGES; page = cursor.endIndex) {
      if (++runs % PAUSE_RUNS === 0) yield;
      cursor.seek(page);
      yield { pageIndex: page, pageCount: cursor.endIndex - page, value: cursor.value };
    }
  }

  /** The runs of pages whose number passes, in order; neighbours are joined. */
  *runsOf(isWanted: (value: number) => boolean): Generator<Extent | Pause, void> {
    let start = -1;
    for (const run of this.runs()) {
      if (run === undefined) {
        yield;
        continue;
      }
      const { pageIndex, value } = run;
      const isIn = isWanted(value);
      if (isIn && start < 0) start = pageIndex;
      if (isIn || start < 0) continue;
      yield { pageIndex: start, pageCount: pageIndex - start };
      start = -1;
    }
    if (start >= 0) yield { pageIndex: start, pageCount: MAX_PAGES - start };
  }
}

/** The new number of a run of pages that has one. */
type ChangeNumber = (value: number, startIndex: number, endIndex: number) => number;

/** Looks up pages; fastest when each lies at or behind the one before. */
export class PageCursor {
  /** The number of the page that was looked up. */
  value = 0;
  /** Up to here pages have the same number. */
  endIndex = 0;
  #startIndex = 0;
  #leaf = 0;
  #run = 0;
  readonly #leaves: readonly Leaf[];

  constructor({ leaves }: PageMap) {
    this.#leaves = leaves;
    this.#show();
  }

  /** @param pageIndex of a page below MAX_PAGES */
  seek(pageIndex: number): void {
    if (pageIndex >= this.#startIndex && pageIndex < this.endIndex) return;
    if (pageIndex !== this.endIndex || !this.#step()) this.#search(pageIndex);
    this.#show();
  }

  #step(): boolean {
    this.#run++;
    if (this.#run < leafAt(this.#leaves, this.#leaf).starts.length) return true;
    this.#run = 0;
    this.#leaf++;
    return this.#leaf < this.#leaves.length;
  }

  #search(pageIndex: number): void {
    this.#leaf = leafOfPage(this.#leaves, pageIndex);
    this.#run = upperBound(leafAt(this.#leaves, this.#leaf).starts, pageIndex) - 1;
  }

  #show(): void {
    const { starts, values } = leafAt(this.#leaves, this.#leaf);
    this.#startIndex = starts[this.#run] as number;
    this.value = values[this.#run] as number;
    this.endIndex = starts[this.#run + 1] ?? startOf(this.#leaves, this.#leaf + 1);
  }
}

/**
 * A map in the making: reads one from its first page to its last and writes it anew, leaves that nobody changes as they are.
 *
 * State: everything before `page` is written, to `#done` and, the last `#count` runs, to `#starts` and `#values`; it
 * ends with the number `#lastValue`. Page `page` lies in run `#run` of leaf `#leaf`.
 */
class Copy {
  changedRuns: number;
  readonly #old: readonly Leaf[];
  readonly #done: Leaf[] = [];
  readonly #starts = new Float64Array(MAX_LEAF_RUNS);
  readonly #values = new Float64Array(MAX_LEAF_RUNS);
  #count = 0;
  #lastValue = Number.NaN;
  page = 0;
  #leaf = 0;
  #run = 0;

  constructor({ leaves, runCount }: PageMap) {
    this.#old = leaves;
    // The list of the leaves is copied, too: half a run each.
    this.changedRuns = runCount + Math.ceil(leaves.length / 2);
  }

  keepUntil(endIndex: number): void {
    while (this.page < endIndex) {
      const leaf = leafAt(this.#old, this.#leaf);
      const isWhole = this.page === leaf.starts[0];
      if (isWhole && startOf(this.#old, this.#leaf + 1) <= endIndex) this.#keepLeaf(leaf);
      else this.#advance(endIndex, leaf.values[this.#run] as number);
    }
  }

  /** Where the leaf of the old map ends that is being read. */
  get leafEnd(): number {
    return startOf(this.#old, this.#leaf + 1);
  }

  changeUntil(endIndex: number, change: ChangeNumber): void {
    while (this.page < endIndex) {
      const value = leafAt(this.#old, this.#leaf).values[this.#run] as number;
      const pieceEnd = Math.min(endIndex, this.#runEnd());
      this.#advance(endIndex, change(value, this.page, pieceEnd));
    }
  }

  leaves(): readonly Leaf[] {
    this.#flush();
    return this.#done;
  }

  #runEnd(): number {
    const { starts } = leafAt(this.#old, this.#leaf);
    return starts[this.#run + 1] ?? startOf(this.#old, this.#leaf + 1);
  }

  /** Writes the rest of a run, as far as it goes, with a number. */
  #advance(endIndex: number, value: number): void {
    const runEnd = this.#runEnd();
    this.#add(this.page, value);
    this.page = Math.min(endIndex, runEnd);
    if (this.page < runEnd) return;
    this.#run++;
    if (this.#run < leafAt(this.#old, this.#leaf).starts.length) return;
    this.#run = 0;
    this.#leaf++;
  }

  #keepLeaf(leaf: Leaf): void {
    if (this.#count > 0 && this.#count < MIN_LEAF_RUNS) {
      for (let run = 0; run < leaf.starts.length; run++) {
        this.#add(leaf.starts[run] as number, leaf.values[run] as number);
      }
    } else {
      this.#flush();
      this.#done.push(leaf);
      this.#lastValue = leaf.values.at(-1) as number;
      this.changedRuns -= leaf.starts.length;
    }
    this.#leaf++;
    this.page = startOf(this.#old, this.#leaf);
  }

  #add(startIndex: number, value: number): void {
    if (value === this.#lastValue) return;
    if (this.#count === MAX_LEAF_RUNS) this.#flush();
    this.#starts[this.#count] = startIndex;
    this.#values[this.#count] = value;
    this.#lastValue = value;
    this.#count++;
    this.changedRuns++;
  }

  #flush(): void {
    if (this.#count === 0) return;
    const starts = this.#starts.slice(0, this.#count);
    this.#done.push({ starts, values: this.#values.slice(0, this.#count) });
    this.#count = 0;
  }
}

function leafOf(starts: readonly number[], values: readonly number[]): Leaf {
  return { starts: Float64Array.from(starts), values: Float64Array.from(values) };
}

const leafAt = (leaves: readonly Leaf[], index: number): Leaf => leaves[index] as Leaf;

const startOf = (leaves: readonly Leaf[], index: number): number =>
  leaves[index]?.starts[0] ?? MAX_PAGES;

function leafOfPage(leaves: readonly Leaf[], pageIndex: number): number {
  let low = 0;
  let high = leaves.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (startOf(leaves, middle) <= pageIndex) low = middle;
    else high = middle;
  }
  return low;
}
