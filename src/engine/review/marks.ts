import type { Decision } from './types.js';

/*
 * What is known of a page, as one number: whether it is kept, dropped, viewed, and above these bits the revision whose
 * bytes somebody has seen when that was said. 0 is a page of which nothing is known.
 */

const KEEP = 1;
const DROP = 2;
const VIEWED = 4;
const REVISION_STEP = 8;

export const visibleOf = (mark: number): number => mark % REVISION_STEP;

/** The revision whose bytes were seen; what was written later is new. */
export const seenAt = (mark: number): number => Math.floor(mark / REVISION_STEP);

export const markOf = (visible: number, revision: number): number =>
  visible === 0 ? 0 : visible + revision * REVISION_STEP;

const decisionBits: Readonly<Record<Decision, number>> = { keep: KEEP, drop: DROP, open: 0 };

export const withDecision = (visible: number, decision: Decision): number =>
  (visible & VIEWED) | decisionBits[decision];

export const withViewed = (visible: number, isViewed: boolean): number =>
  isViewed ? visible | VIEWED : visible & ~VIEWED;

export const isViewed = (mark: number): boolean => (visibleOf(mark) & VIEWED) !== 0;

export function decisionOf(mark: number): Decision {
  const visible = visibleOf(mark);
  if ((visible & KEEP) !== 0) return 'keep';
  return (visible & DROP) !== 0 ? 'drop' : 'open';
}
