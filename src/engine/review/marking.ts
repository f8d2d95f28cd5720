import { decisionOf, markOf, seenAt, visibleOf, withDecision, withViewed } from './marks.js';
import type { WritesReader } from './writes.js';

/** Makes new marks of old ones, and notes whether one of them says anything new. */
export interface Marking {
  readonly hasChanged: boolean;
  /** The new mark for a run of pages that have the old one. */
  readonly change: (mark: number, startIndex: number, endIndex: number) => number;
}

/**
 * Says something of pages, as one who has seen their bytes of a revision.
 *
 * @param said a decision, that they are viewed, or `keepOpen`: keep those of which nothing is decided
 */
export function seeing(
  said: 'keep' | 'drop' | 'viewed' | 'keepOpen',
  revision: number,
  writes: WritesReader,
): Marking {
  const marking = {
    hasChanged: false,
    change: (mark: number, startIndex: number, endIndex: number): number => {
      const visible = visibleOf(mark);
      if (said === 'keepOpen' && decisionOf(mark) !== 'open') return mark;
      const wanted =
        said === 'viewed'
          ? withViewed(visible, true)
          : withDecision(visible, said === 'keepOpen' ? 'keep' : said);
      const isKnown = !writes.anySince(startIndex, endIndex, seenAt(mark));
      if (wanted === visible && isKnown) return mark;
      marking.hasChanged = true;
      return markOf(wanted, revision);
    },
  };
  return marking;
}

/** Takes a decision, or that they were viewed, back from pages. That makes nothing seen. */
export function unsaying(what: 'decision' | 'viewed'): Marking {
  const marking = {
    hasChanged: false,
    change: (mark: number): number => {
      const visible = visibleOf(mark);
      const wanted = what === 'viewed' ? withViewed(visible, false) : withDecision(visible, 'open');
      if (wanted === visible) return mark;
      marking.hasChanged = true;
      return markOf(wanted, seenAt(mark));
    },
  };
  return marking;
}
