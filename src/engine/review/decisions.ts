import { HexzError } from '../errors.js';
import type { PageMap } from './pageMap.js';

/** What is decided: what can be undone. It never changes, others take its place. */
export interface Decisions {
  readonly marks: PageMap;
  /** 1 for pages at which a hunk begins because somebody said so. */
  readonly splits: PageMap;
}

/** Into more runs a review cannot be cut: two million hunks that all lie apart fit. */
const MAX_RUNS = 2 ** 22;

/** @throws HexzError LIMIT */
export function checked(decisions: Decisions): Decisions {
  if (decisions.marks.runCount + decisions.splits.runCount <= MAX_RUNS) return decisions;
  throw new HexzError('LIMIT', `the review would be in more than ${MAX_RUNS} pieces`, {
    hint: 'decide about longer ranges of pages',
  });
}
