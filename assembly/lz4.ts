/**
 * One LZ4 block, decoded (the "LZ4 Block Format Description" of the LZ4 project).
 *
 * Trusts nobody: whatever the source holds, no byte outside of source and target is read or written, and nothing that was in the
 * target before gets into the plaintext. Inside of the target it may write behind the end of a copy, where the next one
 * overwrites that: so it copies whole vectors.
 *
 * Most sequences lie far from both ends. The first loop of `decode` takes those, with one check each of source and
 * target; before whatever it does not take, it stops, and the careful way behind it takes that sequence from its
 * beginning. Only the careful way refuses.
 *
 * A block ends behind literals, where both source and target end. How many those are does not matter here, nor does
 * it for the Rust hexz; encoders leave five at least.
 */

const REFUSED: i32 = -1;
const MIN_MATCH: u32 = 4;
const VECTOR: u32 = 16;
/** Of a length in a token: more bytes follow. */
const LONG: u32 = 15;
/** More than a sequence of the first loop reads, and writes, behind where it may begin at last or its long copies end. */
const MARGIN: u32 = 96;

// biome-ignore format: row d says which bytes of a vector repeat its first d bytes
const repetitions = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
  0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0,
  0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0,
  0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2, 3, 4,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1, 2,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0,
]);

/** How many bytes of such a vector are whole repetitions. */
const wholeRepetitions = memory.data<u8>([
  0, 16, 16, 15, 16, 15, 12, 14, 16, 9, 10, 11, 12, 13, 14, 15,
]);

/**
 * Decodes a block, or the beginning of it.
 *
 * @param source where it lies in the memory
 * @param target where the plaintext goes, targetLength bytes; not overlapping with the source
 * @param wantedLength how much of that is needed: if less than all, decoding stops behind it, and what the target
 *   holds from there on means nothing
 * @returns how many bytes were decoded, or -1 for a block that is damaged or has another length than the target
 */
export function decode(
  source: u32,
  sourceLength: u32,
  target: u32,
  targetLength: u32,
  wantedLength: u32,
): i32 {
  const sourceEnd = source + sourceLength;
  const targetEnd = target + targetLength;
  const fastSource: u32 = sourceLength < MARGIN ? 0 : sourceEnd - MARGIN;
  let fastTarget: u32 = targetLength < MARGIN ? 0 : targetEnd - MARGIN;
  let stop: u32 = u32.MAX_VALUE;
  if (wantedLength < targetLength) {
    stop = target + wantedLength;
    fastTarget = min(fastTarget, stop - 1);
  }
  let from = source;
  let to = target;

  while (from < sourceEnd) {
    while (from <= fastSource) {
      // Not in one condition with the other: that would be computed without a branch, which takes longer.
      if (to > fastTarget) break;
      const token: u32 = load<u8>(from);
      let at = from + 1;
      let end = to;
      let length = token >> 4;
      if (length < LONG) {
        v128.store(end, v128.load(at));
      } else {
        const more: u32 = load<u8>(at);
        at++;
        length += more;
        if (more === 255 || at + length > fastSource || end + length > fastTarget) break;
        copyInSteps(end, at, length);
      }
      at += length;
      end += length;

      const distance: u32 = load<u16>(at);
      at += 2;
      if (distance > end - target) break;
      const near = end - distance;
      length = token & 15;
      if (length < LONG && distance >= 8) {
        store<u64>(end, load<u64>(near));
        store<u64>(end, load<u64>(near, 8), 8);
        store<u16>(end, load<u16>(near, 16), 16);
        from = at;
        to = end + length + MIN_MATCH;
        continue;
      }
      if (length === LONG) {
        const more: u32 = load<u8>(at);
        at++;
        length += more;
        if (more === 255 || end + length > fastTarget) break;
      }
      length += MIN_MATCH;
      if (distance >= VECTOR) {
        copyInSteps(end, near, length);
      } else {
        if (distance === 0) break;
        repeat(end, distance, end + length);
      }
      from = at;
      to = end + length;
    }
    if (to >= stop) return to - target;

    // The careful way. The first loop has left at least MARGIN bytes of the source, or has not run.
    const token: u32 = load<u8>(from);
    from++;
    let length = token >> 4;
    if (length === LONG) {
      let more: u32;
      do {
        if (from >= sourceEnd || length > targetLength) return REFUSED;
        more = load<u8>(from);
        from++;
        length += more;
      } while (more === 255);
    }
    if (length > sourceEnd - from || length > targetEnd - to) return REFUSED;
    memory.copy(to, from, length);
    from += length;
    to += length;
    if (from === sourceEnd) return to === targetEnd ? to - target : REFUSED;

    if (sourceEnd - from < 2) return REFUSED;
    const distance: u32 = load<u16>(from);
    from += 2;
    if (distance === 0 || distance > to - target) return REFUSED;
    length = (token & 15) + MIN_MATCH;
    if (length === LONG + MIN_MATCH) {
      let more: u32;
      do {
        if (from >= sourceEnd || length > targetLength) return REFUSED;
        more = load<u8>(from);
        from++;
        length += more;
      } while (more === 255);
    }
    if (length > targetEnd - to) return REFUSED;
    const end = to + length;
    if (distance >= VECTOR) {
      for (; end - to >= VECTOR; to += VECTOR) v128.store(to, v128.load(to - distance));
    } else if (length >= 2 * VECTOR) {
      to = repeat(to, distance, end - VECTOR);
    }
    for (; to < end; to++) store<u8>(to, load<u8>(to - distance));
  }
  return REFUSED;
}

/** Copies forwards, two vectors at a time, up to 31 bytes more than asked; a source in the target is 16 bytes away at least. */
function copyInSteps(to: u32, from: u32, length: u32): void {
  const end = to + length;
  do {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, VECTOR), VECTOR);
    from += 2 * VECTOR;
    to += 2 * VECTOR;
  } while (to < end);
}

/**
 * Repeats the bytes in front of `to`, 1 to 15 of them, a vector at a time, until `end` is reached; the last vector may
 * go 15 bytes beyond. Returns where whole repetitions end, which is not before `end`.
 */
function repeat(to: u32, distance: u32, end: u32): u32 {
  const row = v128.load(repetitions + distance * VECTOR);
  const repeated = v128.swizzle(v128.load(to - distance), row);
  const step: u32 = load<u8>(wholeRepetitions + distance);
  do {
    v128.store(to, repeated);
    to += step;
  } while (to < end);
  return to;
}
