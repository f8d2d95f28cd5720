import { countWhile } from '../../model/ordered.js';

/** Addresses that are present. */
export interface AddressRange {
  readonly startOffset: number;
  readonly length: number;
}

interface Placed extends AddressRange {
  /** Bytes that are present before it. */
  readonly index: number;
}

/**
 * Bytes that are present, numbered one after another, as if there were no gaps between their ranges.
 */
export class RangeOrder {
  readonly length: number;
  readonly #ranges: readonly Placed[];

  /** @param ranges in order, without overlaps */
  constructor(ranges: readonly AddressRange[]) {
    let index = 0;
    this.#ranges = ranges.map(({ startOffset, length }) => {
      const placed = { startOffset, length, index };
      index += length;
      return placed;
    });
    this.length = index;
  }

  /** Behind the last range. */
  get endOffset(): number {
    const last = this.#ranges.at(-1);
    return last === undefined ? 0 : last.startOffset + last.length;
  }

  /** How many bytes are present before an address. */
  indexOf(offset: number): number {
    const range = this.#ranges[this.#last(({ startOffset }) => startOffset <= offset)];
    if (range === undefined) return 0;
    return range.index + Math.min(range.length, offset - range.startOffset);
  }

  /** The address of the byte with so many before it. */
  offsetOf(index: number): number {
    const range = this.#ranges[this.#last((one) => one.index <= index)];
    return range === undefined ? 0 : range.startOffset + index - range.index;
  }

  /** The last range that is so; they are so up to one of them. */
  #last(isSo: (range: Placed) => boolean): number {
    return countWhile(this.#ranges, isSo) - 1;
  }
}

/** What lies before the first of these ranges and between them; of what is behind the last, nothing is known. */
export function gapsBetween(
  ranges: readonly AddressRange[],
): { startOffset: number; endOffset: number }[] {
  let end = 0;
  return ranges.flatMap(({ startOffset, length }) => {
    const gap = { startOffset: end, endOffset: startOffset };
    end = startOffset + length;
    return gap.endOffset > gap.startOffset ? [gap] : [];
  });
}
