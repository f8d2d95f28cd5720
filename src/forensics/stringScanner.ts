import { UNDECIDED } from './characters.js';
import { PlaceList } from './placeList.js';
import { type Reading, readingOf, type StringEncoding } from './stringReadings.js';

/** A string that is longer is told in pieces of so many bytes, or up to three more. */
export const STRING_PIECE_BYTES = 4096;

/** So many units are looked at together, at most: what is found to fit in vain is looked at again. */
const MAX_UNITS_AT_ONCE = 8;

/**
 * Finds strings of one encoding, in windows that follow each other.
 *
 * State: everything before `offset` is done; there a string may begin, which went on at the end of the last window. It is
 * looked at again from its beginning, with the next one. `#isRest`: the piece before that is already told.
 */
export class StringScanner {
  offset: number;
  readonly encoding: StringEncoding;
  readonly found = new PlaceList();
  readonly #reading: Reading;
  readonly #minimumCharacters: number;
  #isRest = false;

  private constructor(encoding: StringEncoding, offset: number, minimumCharacters: number) {
    this.encoding = encoding;
    this.#reading = readingOf(encoding);
    this.offset = offset;
    this.#minimumCharacters = minimumCharacters;
  }

  /** Those that together find all strings of an encoding from an offset on. */
  static of(encoding: StringEncoding, offset: number, minimumCharacters: number): StringScanner[] {
    return Array.from(
      { length: readingOf(encoding).unitBytes },
      (_, phase) => new StringScanner(encoding, offset + phase, minimumCharacters),
    );
  }

  /** Goes on behind zeros that begin where it is, or before. */
  passZeros(toOffset: number): void {
    const { unitBytes } = this.#reading;
    const units = Math.max(0, Math.floor((toOffset - this.offset) / unitBytes));
    this.offset += units * unitBytes;
  }

  /**
   * Finds those of a window; `found` has them until the next.
   *
   * @param isLast whether strings end where the window ends
   */
  scan(bytes: Buffer, windowOffset: number, isLast: boolean): void {
    const { found } = this;
    found.clear();
    const { bytesAt, unitBytes, nextPossible, runEnd } = this.#reading;
    const units = Math.min(this.#minimumCharacters, MAX_UNITS_AT_ONCE);
    let start = this.offset - windowOffset;
    while (start < bytes.length) {
      if (!this.#isRest) start = nextPossible(bytes, start, units);
      const limit = start + STRING_PIECE_BYTES;
      const end = runEnd(bytes, start, limit);
      const following = end < bytes.length ? bytesAt(bytes, end) : UNDECIDED;
      if (following === UNDECIDED && !isLast) break;
      if (following > 0) {
        // The limit ended it.
        found.add(start, end, true);
        this.#isRest = true;
        start = end;
        continue;
      }
      if (this.#isEnough(bytes, start, end)) found.add(start, end, false);
      this.#isRest = false;
      start = end + unitBytes;
    }
    this.offset = windowOffset + start;
  }

  #isEnough(bytes: Buffer, start: number, end: number): boolean {
    const wanted = this.#isRest ? 1 : this.#minimumCharacters;
    // A character has four bytes at most.
    return end - start >= 4 * wanted || this.#reading.countCharacters(bytes, start, end) >= wanted;
  }
}
