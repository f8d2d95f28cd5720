import { HexzError } from '../engine/errors.js';

/** A part of a source, in bytes. */
export interface ByteRange {
  readonly startOffset: number;
  readonly length: number;
}

/**
 * Ranges as they are looked at: cut at the end of the source, without empty ones, and those that touch each other
 * as one. Between two of them is a gap.
 *
 * @param ranges in the order of their offsets, without overlaps; undefined is the whole source
 * @throws HexzError USAGE when they overlap, are not in order, or are no ranges
 */
export function contiguousRanges(
  ranges: Iterable<ByteRange> | undefined,
  sourceLength: number,
): ByteRange[] {
  const merged: { startOffset: number; length: number }[] = [];
  let endOffset = 0;
  for (const range of ranges ?? [{ startOffset: 0, length: sourceLength }]) {
    const { startOffset } = range;
    checkRange(range, endOffset);
    const length = Math.min(range.length, sourceLength - startOffset);
    if (length <= 0) continue;
    const last = merged.at(-1);
    if (last !== undefined && startOffset === endOffset) last.length += length;
    else merged.push({ startOffset, length });
    endOffset = startOffset + length;
  }
  return merged;
}

function checkRange({ startOffset, length }: ByteRange, previousEndOffset: number): void {
  const areNumbers = Number.isSafeInteger(startOffset) && Number.isSafeInteger(length);
  if (!areNumbers || startOffset < 0 || length < 0) {
    throw new HexzError('USAGE', `${startOffset}+${length} is not a range of bytes`);
  }
  if (startOffset < previousEndOffset) {
    throw new HexzError('USAGE', 'ranges must be in the order of their offsets, without overlaps');
  }
}

export const totalLength = (ranges: readonly ByteRange[]): number =>
  ranges.reduce((sum, { length }) => sum + length, 0);
