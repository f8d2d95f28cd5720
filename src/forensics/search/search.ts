import { type ByteRange, contiguousRanges } from '../byteRanges.js';
import type { ByteSource } from '../byteSource.js';
import type { ZeroRunAt } from '../streamSource.js';
import { Window } from '../window.js';
import { CELL_BYTES, type Cell, CellWalk, type Reach } from './cells.js';
import { expressionMatcher } from './expressionMatcher.js';
import type { Matcher } from './matcher.js';
import { needleMatcher } from './needleMatcher.js';
import type { Pattern } from './pattern.js';

export type SearchStep =
  | { readonly kind: 'match'; readonly offset: number; readonly length: number }
  /** How far it is. */
  | { readonly kind: 'progress'; readonly doneBytes: number; readonly totalBytes: number };

export interface SearchOptions {
  /** Where to look, in the order of offsets and without overlaps; default everywhere. No match spans a gap. */
  readonly ranges?: Iterable<ByteRange> | undefined;
  /** Default `forward`. Backward, matches come from the last to the first. */
  readonly direction?: 'forward' | 'backward' | undefined;
  /**
   * Forward, matches begin here or behind; backward, they begin before here. Default: the beginning, or the end.
   */
  readonly startOffset?: number | undefined;
  /** Lets zeros be passed over that an index knows. */
  readonly zeroRunAt?: ZeroRunAt | undefined;
}

/**
 * Searches a source. Which matches there are depends on source, ranges and pattern, not on direction or start.
 *
 * Bytes (text, hexadecimal digits): every place that fits, also where they overlap. Regular expressions: from the
 * left, the longest match of up to 64 KiB at each place, none that begins within another. Where matches follow
 * each other without a gap for 64 KiB and more, those that begin there may be told another way than from the left.
 *
 * There is a step at least for each MiB that is read, and oftener where that takes long, so that a caller can stop at
 * any time. Memory: some MiB; backward, the matches of a MiB besides.
 *
 * @throws HexzError USAGE for ranges that are none; what reading the source throws
 */
export function* search(
  source: ByteSource,
  pattern: Pattern,
  { ranges, direction = 'forward', startOffset, zeroRunAt }: SearchOptions = {},
): Generator<SearchStep, void> {
  const isForward = direction === 'forward';
  const from = isForward ? (startOffset ?? 0) : 0;
  const to = isForward ? source.length : Math.min(startOffset ?? source.length, source.length);
  const wanted = contiguousRanges(ranges, source.length).filter(
    (range) => range.startOffset < to && range.startOffset + range.length > from,
  );
  const lengthIn = (range: ByteRange) =>
    Math.min(range.startOffset + range.length, to) - Math.max(range.startOffset, from);
  const totalBytes = wanted.reduce((sum, range) => sum + lengthIn(range), 0);
  const matcher = matcherFor(pattern);
  const { contextBytes, longestBytes } = matcher;
  const reach: Reach = { contextBytes, lookAheadBytes: longestBytes - 1 };
  const window = new Window(source, CELL_BYTES + reach.lookAheadBytes + contextBytes);
  let doneBefore = 0;
  if (!isForward) wanted.reverse();
  for (const range of wanted) {
    const start = Math.max(range.startOffset, from);
    const end = Math.min(range.startOffset + range.length, to);
    const walk = new CellWalk(range, reach, matcher.matchesZeros ? undefined : zeroRunAt);
    let doneBytes = doneBefore;
    for (const step of isForward ? walk.forward(start) : walk.backward(end)) {
      if (step.kind === 'cell') {
        for (const match of matchesIn(step.cell, window, matcher, isForward)) {
          if (match === undefined) yield { kind: 'progress', doneBytes, totalBytes };
          else if (match.offset >= start && match.offset < end) yield match;
        }
      }
      const { doneOffset } = step;
      const done = isForward ? doneOffset - start : end - doneOffset;
      doneBytes = doneBefore + Math.max(0, Math.min(done, end - start));
      yield { kind: 'progress', doneBytes, totalBytes };
    }
    doneBefore += end - start;
  }
}

const matcherFor = (pattern: Pattern): Matcher =>
  pattern.kind === 'bytes' ? needleMatcher(pattern.needles) : expressionMatcher(pattern.expression);

type Match = Extract<SearchStep, { kind: 'match' }>;

function* matchesIn(
  cell: Cell,
  window: Window,
  matcher: Matcher,
  isForward: boolean,
): Generator<Match | undefined, void> {
  const { windowStartOffset } = cell;
  const bytes = window.load(windowStartOffset, cell.windowEndOffset);
  const found: Match[] = [];
  const startIndex = cell.startOffset - windowStartOffset;
  for (const place of matcher.matches(bytes, startIndex, cell.endOffset - windowStartOffset)) {
    if (place === undefined) {
      yield undefined;
      continue;
    }
    const match: Match = {
      kind: 'match',
      offset: windowStartOffset + place.startIndex,
      length: place.length,
    };
    if (isForward) yield match;
    else found.push(match);
  }
  for (let last = found.pop(); last !== undefined; last = found.pop()) yield last;
}
