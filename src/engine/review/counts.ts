import type { Extent } from '../overlay/dirtyPages.js';
import { PAGE_BYTES, pagesIn } from '../overlay/pages.js';
import type { Pause, Steps } from '../slices.js';
import type { Decisions } from './decisions.js';
import { HunkWalk } from './hunkWalk.js';
import { PageCursor } from './pageMap.js';
import type { DirtySet, ReviewCounts } from './types.js';
import { type KnownWrites, WritesReader } from './writes.js';

/** Pages that are counted together: at most half as many hunks. */
const GROUP_PAGES = 8192;

type Sums = Omit<ReviewCounts, 'revision' | 'canUndo' | 'canRedo'>;
type MutableSums = { -readonly [Name in keyof Sums]: Sums[Name] };
type Piece = Pick<HunkWalk, 'decision' | 'isViewed' | 'hasChangedSince'>;

/** The hunks of a group of pages, as if there were no others. */
interface Group {
  readonly sums: Sums;
  /** The hunk that may go on from the group before, and the one that may go on in the next. */
  readonly first: Piece | undefined;
  readonly last: Piece | undefined;
  /** Whether they are one. */
  readonly isOne: boolean;
}

/** What was counted. It never changes, but for the dirty set. */
interface Counted {
  readonly decisions: Decisions;
  readonly writes: KnownWrites;
  readonly version: number;
  readonly diskLength: number;
}

/**
 * Counts the hunks of a review, and again only where something is not as it was.
 *
 * Invariant: a group that is known was counted of `#counted`, or nothing that its hunks depend on has changed since: decisions and
 * writes, which are compared, and the dirty pages. Of these, pages that become dirty are told as written; what made pages clean has
 * another `version`, and then all are counted again. Hunks that reach over the border of two groups are put together in the end.
 */
export class HunkCounts {
  /** Undefined for those that are not known. */
  readonly #groups: (Group | undefined)[] = [];
  #counted: Counted | undefined;

  /** One count at a time. */
  *count(dirty: DirtySet, decisions: Decisions, writes: KnownWrites): Steps<Sums> {
    const { version, diskLength } = dirty;
    const now = { decisions, writes, version, diskLength };
    this.#groups.length = Math.ceil(pagesIn(diskLength) / GROUP_PAGES);
    yield* this.#forget(now);
    this.#counted = now;
    for (let index = 0; index < this.#groups.length; index++) {
      if (this.#groups[index] !== undefined) continue;
      this.#groups[index] = countGroup(dirty, now, index);
      yield;
    }
    return this.#together();
  }

  *#forget(now: Counted): Steps<void> {
    const before = this.#counted;
    const isComparable =
      before?.version === now.version && before.writes.forgottenAt === now.writes.forgottenAt;
    if (!isComparable) {
      this.#groups.fill(undefined);
      return;
    }
    if (before.diskLength !== now.diskLength) {
      const shorter = Math.min(before.diskLength, now.diskLength);
      this.#groups.fill(undefined, Math.floor(shorter / PAGE_BYTES / GROUP_PAGES));
    }
    yield* this.#forgetPages(before.decisions.marks.differences(now.decisions.marks));
    yield* this.#forgetPages(before.decisions.splits.differences(now.decisions.splits));
    yield* this.#forgetPages(before.writes.pages.differences(now.writes.pages));
  }

  *#forgetPages(runs: Iterable<Extent | Pause>): Steps<void> {
    let runCount = 0;
    for (const run of runs) {
      if (++runCount % 512 === 0) yield;
      if (run === undefined) continue;
      const first = Math.floor(run.pageIndex / GROUP_PAGES);
      const end = Math.min(
        Math.ceil((run.pageIndex + run.pageCount) / GROUP_PAGES),
        this.#groups.length,
      );
      if (first < end) this.#groups.fill(undefined, first, end);
    }
  }

  #together(): Sums {
    const total: MutableSums = { ...NOTHING };
    let last: Piece | undefined;
    for (const group of this.#groups) {
      if (group === undefined || group === CLEAN) {
        last = undefined;
        continue;
      }
      for (const name of SUM_NAMES) total[name] += group.sums[name];
      const { first, isOne } = group;
      const goesOn =
        last !== undefined && last.decision === first?.decision && last.isViewed === first.isViewed;
      if (goesOn && last !== undefined && first !== undefined) {
        total.hunks--;
        total[first.decision]--;
        total.viewed -= Number(first.isViewed);
        total.changed -= Number(first.hasChangedSince && last.hasChangedSince);
      }
      const hasChanged = goesOn && isOne && last?.hasChangedSince === true;
      last = group.last && hasChanged ? { ...group.last, hasChangedSince: true } : group.last;
    }
    return total;
  }
}

const NOTHING: Sums = {
  ...{ hunks: 0, keep: 0, drop: 0, open: 0, viewed: 0, changed: 0 },
  ...{ keepPages: 0, dropPages: 0, openPages: 0, keepBytes: 0, dropBytes: 0, openBytes: 0 },
};
const SUM_NAMES = Object.keys(NOTHING) as (keyof Sums)[];
const CLEAN: Group = { sums: NOTHING, first: undefined, last: undefined, isOne: false };

function countGroup(
  dirty: DirtySet,
  { decisions, writes, diskLength }: Counted,
  index: number,
): Group {
  const start = index * GROUP_PAGES;
  const end = start + GROUP_PAGES;
  const walk = new HunkWalk(dirty, decisions, new WritesReader(writes), start, end);
  if (!walk.next()) return CLEAN;
  const sums: MutableSums = { ...NOTHING };
  const isCutBefore = walk.pageIndex > start || beginsAtSplit(decisions, start);
  const first = isCutBefore ? undefined : pieceOf(walk);
  do {
    const { decision, pageIndex, pageCount } = walk;
    sums.hunks++;
    sums[decision]++;
    sums[`${decision}Pages`] += pageCount;
    sums[`${decision}Bytes`] += Math.min(
      pageCount * PAGE_BYTES,
      diskLength - pageIndex * PAGE_BYTES,
    );
    sums.viewed += Number(walk.isViewed);
    sums.changed += Number(walk.hasChangedSince);
  } while (walk.next());
  const last = walk.pageIndex + walk.pageCount === end ? pieceOf(walk) : undefined;
  return { sums, first, last, isOne: sums.hunks === 1 };
}

const pieceOf = ({ decision, isViewed, hasChangedSince }: HunkWalk): Piece => ({
  decision,
  isViewed,
  hasChangedSince,
});

function beginsAtSplit({ splits }: Decisions, pageIndex: number): boolean {
  const cursor = new PageCursor(splits);
  cursor.seek(pageIndex);
  return cursor.value !== 0;
}
