import type { Found, Matcher } from './matcher.js';
import type { Needle } from './needle.js';

/** Every so many bytes, one is counted to see which are rare; no divisor of a page or record. */
const SAMPLE_STRIDE_BYTES = 251;

/** Places that are compared one by one before the next native search: a call costs as much as that. */
const STRETCH_PLACES = 64;

/** The same where nothing can be searched for natively. */
const LONG_STRETCH_PLACES = 4096;

/** Of longer ones, Node gives up looking for the first byte natively where that is not rare, and jumps by one or two zeros. */
const MAX_ANCHOR_BYTES = 7;

/** Shorter ones are not shared: what they leave out tells too much. */
const MIN_SHARED_ANCHOR_BYTES = 3;

/** Bytes that are compared between two pauses, at most. */
const PAUSE_BYTES = 16 * 1024 * 1024;

/** Finds any of several needles of one length; places that overlap are all found. */
export function needleMatcher(needles: readonly Needle[]): Matcher {
  const finders = needles.map((needle) => new NeedleFinder(needle));
  const longestBytes = needles[0]?.value.length ?? 0;
  return {
    longestBytes,
    contextBytes: 0,
    matchesZeros: needles.some(({ value }) => value.every((byte) => byte === 0)),
    matches: (bytes, startIndex, endIndex) =>
      merged(finders, bytes, startIndex, endIndex, longestBytes),
  };
}

function* merged(
  finders: readonly NeedleFinder[],
  bytes: Buffer,
  startIndex: number,
  endIndex: number,
  length: number,
): Generator<Found | undefined, void> {
  const rarity = new Rarity(bytes);
  for (const finder of finders) finder.begin(bytes, startIndex, endIndex, rarity);
  shareAnchors(finders);
  for (;;) {
    let first: NeedleFinder | undefined;
    for (const finder of finders) {
      while (!finder.advance()) yield undefined;
      if (first === undefined || finder.placeIndex < first.placeIndex) first = finder;
    }
    if (first === undefined || first.placeIndex >= endIndex) return;
    yield { startIndex: first.placeIndex, length };
    first.pass();
  }
}

/** How often each byte is in a window, by a sample. */
class Rarity {
  readonly #counts = new Uint32Array(256);

  constructor(bytes: Buffer) {
    for (let at = 0; at < bytes.length; at += SAMPLE_STRIDE_BYTES) {
      const byte = bytes[at] as number;
      this.#counts[byte] = (this.#counts[byte] as number) + 1;
    }
  }

  /** Sampled bytes that fit. */
  countOf(value: number, mask: number): number {
    if (mask === 0xff) return this.#counts[value] ?? 0;
    return this.#counts.reduce(
      (sum, count, byte) => sum + ((byte & mask) === value ? count : 0),
      0,
    );
  }
}

/**
 * Has needles look for their anchors together where one begins with the other: so it is with a text in both byte orders,
 * but for its first or last byte.
 */
function shareAnchors(finders: readonly NeedleFinder[]): void {
  for (const [index, finder] of finders.entries()) {
    for (const other of finders.slice(0, index)) {
      if (other.anchor !== undefined && finder.anchor?.beginsWith(other.anchor) === true) {
        finder.anchor = other.anchor;
      } else if (finder.anchor !== undefined && other.anchor?.beginsWith(finder.anchor) === true) {
        other.anchor = finder.anchor;
      }
    }
  }
}

/**
 * Bytes that are looked for natively in a window.
 *
 * State: from `#fromIndex` on, the first place is `#foundIndex`.
 */
class Anchor {
  readonly #bytes: Buffer;
  readonly #value: Buffer;
  #fromIndex = 0;
  #foundIndex = -1;

  constructor(bytes: Buffer, value: Buffer) {
    this.#bytes = bytes;
    this.#value = value;
  }

  /** Whether it is found only where the other one is. */
  beginsWith(other: Anchor): boolean {
    const { length } = other.#value;
    if (length < MIN_SHARED_ANCHOR_BYTES) return false;
    return other.#value.equals(this.#value.subarray(0, length));
  }

  /** The first place from an index on; Infinity without one. */
  next(fromIndex: number): number {
    if (fromIndex < this.#fromIndex || fromIndex > this.#foundIndex) {
      const found = this.#bytes.indexOf(this.#value, fromIndex);
      this.#fromIndex = fromIndex;
      this.#foundIndex = found < 0 ? Number.POSITIVE_INFINITY : found;
    }
    return this.#foundIndex;
  }
}

/**
 * Finds one needle in a window. What is looked for natively is its anchor: known bytes from the one on that is rarest in
 * this window. Where the anchor is found again and again without a match, and where no byte is wholly known,
 * places are compared one by one.
 *
 * State: places before `placeIndex` are done; `#isFound` says that the one there fits. At the end of the
 * window, `placeIndex` is `#endIndex` or Infinity.
 */
class NeedleFinder {
  placeIndex = 0;
  anchor: Anchor | undefined;
  readonly #value: Buffer;
  readonly #mask: Buffer;
  #bytes: Buffer = Buffer.alloc(0);
  #endIndex = 0;
  #isFound = false;
  #rarestAt = 0;
  readonly #stretchPlaces: number;

  constructor({ value, mask }: Needle) {
    this.#value = value;
    this.#mask = mask;
    this.#stretchPlaces = mask.includes(0xff) ? STRETCH_PLACES : LONG_STRETCH_PLACES;
  }

  begin(bytes: Buffer, startIndex: number, endIndex: number, rarity: Rarity): void {
    this.#bytes = bytes;
    this.placeIndex = startIndex;
    this.#endIndex = Math.min(endIndex, bytes.length - this.#value.length + 1);
    this.#isFound = false;
    this.#chooseAnchor(rarity);
  }

  /** Goes on to the next place that fits, or the end; false where that may take longer. */
  advance(): boolean {
    let comparedBytes = 0;
    while (!this.#isFound && this.placeIndex < this.#endIndex) {
      if (comparedBytes > PAUSE_BYTES) return false;
      comparedBytes += this.#stretchPlaces * this.#value.length;
      this.#compareStretch();
      if (!this.#isFound) this.#skipToAnchor();
    }
    if (!this.#isFound) this.placeIndex = Number.POSITIVE_INFINITY;
    return true;
  }

  pass(): void {
    this.placeIndex++;
    this.#isFound = false;
  }

  #chooseAnchor(rarity: Rarity): void {
    const mask = this.#mask;
    const value = this.#value;
    const hasKnownByte = mask.includes(0xff);
    let fewest = Number.POSITIVE_INFINITY;
    for (let at = 0; at < mask.length; at++) {
      const bits = mask[at] as number;
      if (bits === 0 || (bits !== 0xff && hasKnownByte)) continue;
      const count = rarity.countOf(value[at] as number, bits);
      if (count >= fewest) continue;
      fewest = count;
      this.#rarestAt = at;
    }
    if (!hasKnownByte) return;
    const longestEnd = this.#rarestAt + MAX_ANCHOR_BYTES;
    let anchorEnd = this.#rarestAt;
    while (anchorEnd < longestEnd && mask[anchorEnd] === 0xff) anchorEnd++;
    this.anchor = new Anchor(this.#bytes, value.subarray(this.#rarestAt, anchorEnd));
  }

  #compareStretch(): void {
    const bytes = this.#bytes;
    const rarestAt = this.#rarestAt;
    const mask = this.#mask[rarestAt] as number;
    const value = this.#value[rarestAt] as number;
    const stretchEnd = Math.min(this.placeIndex + this.#stretchPlaces, this.#endIndex);
    let place = this.placeIndex;
    for (; place < stretchEnd; place++) {
      if (((bytes[place + rarestAt] as number) & mask) === value && this.#fitsAt(place)) {
        this.#isFound = true;
        break;
      }
    }
    this.placeIndex = place;
  }

  #skipToAnchor(): void {
    if (this.anchor === undefined || this.placeIndex >= this.#endIndex) return;
    const found = this.anchor.next(this.placeIndex + this.#rarestAt);
    this.placeIndex = Math.min(this.#endIndex, found - this.#rarestAt);
  }

  #fitsAt(place: number): boolean {
    const bytes = this.#bytes;
    const value = this.#value;
    const mask = this.#mask;
    for (let at = 0; at < value.length; at++) {
      if (((bytes[place + at] as number) & (mask[at] as number)) !== value[at]) return false;
    }
    return true;
  }
}
