import { buildAutomaton } from './expression/automaton.js';
import type { Expression } from './expression/expression.js';
import { DEAD, LazyAutomaton, UNKNOWN } from './expression/lazyAutomaton.js';
import { requiredNeedle } from './expression/requiredNeedle.js';
import type { Found, Matcher } from './matcher.js';
import { needleMatcher } from './needleMatcher.js';
import { MAX_MATCH_BYTES } from './pattern.js';

/** Bytes between two pauses. */
const PAUSE_BYTES = 64 * 1024;

/**
 * Finds a regular expression, without going back: an automaton that takes the bytes of a window from the last to the
 * first marks where matches begin; another one measures from there how long the longest is, up to `MAX_MATCH_BYTES`.
 *
 * Bytes that every match holds are looked for first: windows without them are done, and so is what lies too far before them.
 *
 * Matches do not overlap: one that begins in another is passed over. Which those are is found out from
 * `contextBytes` before a place on, so that it does not depend on where a search began, nor on its direction.
 */
export function expressionMatcher(expression: Expression): Matcher {
  const backward = new LazyAutomaton(buildAutomaton(expression, true), true);
  const forward = new LazyAutomaton(buildAutomaton(expression, false), false);
  const needle = requiredNeedle(expression);
  const required = needle === undefined ? undefined : needleMatcher([needle]);
  const starts = new IndexList();
  return {
    longestBytes: MAX_MATCH_BYTES,
    contextBytes: MAX_MATCH_BYTES,
    matchesZeros: longestAt(forward, Buffer.alloc(MAX_MATCH_BYTES), 0) > 0,
    *matches(
      bytes: Buffer,
      startIndex: number,
      endIndex: number,
    ): Generator<Found | undefined, void> {
      let contextIndex = Math.max(0, startIndex - MAX_MATCH_BYTES);
      if (required !== undefined) {
        const requiredIndex = yield* firstOf(required, bytes, contextIndex);
        if (requiredIndex === undefined) return;
        contextIndex = Math.max(contextIndex, requiredIndex - MAX_MATCH_BYTES);
      }
      starts.clear();
      yield* markStarts(backward, bytes, contextIndex, endIndex, starts);
      let doneIndex = contextIndex;
      let measuredBytes = 0;
      for (const start of starts.fromLast()) {
        if (start < doneIndex) continue;
        const length = longestAt(forward, bytes, start);
        measuredBytes += Math.max(length, 1);
        if (length > 0) {
          doneIndex = start + length;
          if (start >= startIndex) yield { startIndex: start, length };
        }
        if (measuredBytes >= PAUSE_BYTES) {
          measuredBytes = 0;
          yield undefined;
        }
      }
    },
  };
}

/** Where the first match begins, with pauses. */
function* firstOf(
  matcher: Matcher,
  bytes: Buffer,
  startIndex: number,
): Generator<undefined, number | undefined> {
  for (const place of matcher.matches(bytes, startIndex, bytes.length)) {
    if (place !== undefined) return place.startIndex;
    yield undefined;
  }
  return undefined;
}

/** Where matches begin, from the last to the first; also longer ones than are allowed. */
function* markStarts(
  automaton: LazyAutomaton,
  bytes: Buffer,
  startIndex: number,
  endIndex: number,
  starts: IndexList,
): Generator<undefined, void> {
  const { transitions } = automaton;
  let state = automaton.start;
  let index = bytes.length - 1;
  while (index >= startIndex) {
    const pauseIndex = Math.max(startIndex, index - PAUSE_BYTES + 1);
    for (; index >= pauseIndex; index--) {
      const byte = bytes[index] as number;
      let following = transitions[state + byte] as number;
      if (following < 0) {
        if (following === UNKNOWN) following = automaton.transition(state, byte);
        if (following < 0) {
          following = -following;
          if (index < endIndex) starts.add(index);
        }
      }
      state = following;
    }
    if (index >= startIndex) yield undefined;
  }
}

/** The length of the longest match that begins at an index; 0 without one. */
function longestAt(automaton: LazyAutomaton, bytes: Buffer, startIndex: number): number {
  const { transitions } = automaton;
  const end = Math.min(bytes.length, startIndex + MAX_MATCH_BYTES);
  let state = automaton.start;
  let matchEnd = startIndex;
  for (let index = startIndex; index < end; index++) {
    const byte = bytes[index] as number;
    let following = transitions[state + byte] as number;
    if (following === UNKNOWN) following = automaton.transition(state, byte);
    if (following < 0) {
      following = -following;
      matchEnd = index + 1;
    }
    if (following === DEAD) break;
    state = following;
  }
  return matchEnd - startIndex;
}

/** A list of indexes whose memory is used again. */
class IndexList {
  #indexes = new Int32Array(1024);
  #count = 0;

  clear(): void {
    this.#count = 0;
  }

  add(index: number): void {
    if (this.#count === this.#indexes.length) {
      const larger = new Int32Array(this.#count * 2);
      larger.set(this.#indexes);
      this.#indexes = larger;
    }
    this.#indexes[this.#count++] = index;
  }

  *fromLast(): Generator<number, void> {
    for (let at = this.#count - 1; at >= 0; at--) yield this.#indexes[at] as number;
  }
}
