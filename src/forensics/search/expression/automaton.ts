import type { ByteSet, Expression } from './expression.js';

/** The state in which an expression has matched. */
export const MATCH = 0;

/** No state. */
export const NONE = -1;

/**
 * A nondeterministic automaton (Thompson's construction). A state with a set takes one byte of it and goes to
 * `next`; one without takes none and goes to `next` and `other`.
 */
export interface Automaton {
  readonly sets: readonly (ByteSet | undefined)[];
  readonly next: readonly number[];
  readonly other: readonly number[];
  readonly start: number;
}

/** @param isReversed whether it is to take the bytes of a match from the last to the first */
export function buildAutomaton(expression: Expression, isReversed: boolean): Automaton {
  const builder = new Builder(isReversed);
  const start = builder.add(expression, MATCH);
  return { ...builder.states, start };
}

/** Builds from the end to the beginning: each part is told the state that follows it. */
class Builder {
  readonly states = {
    sets: [undefined] as (ByteSet | undefined)[],
    next: [NONE],
    other: [NONE],
  };
  readonly #isReversed: boolean;

  constructor(isReversed: boolean) {
    this.#isReversed = isReversed;
  }

  /** @returns the state in which the expression begins */
  add(expression: Expression, following: number): number {
    switch (expression.kind) {
      case 'set':
        return this.#state(expression.bytes, following, NONE);
      case 'sequence': {
        const parts = this.#isReversed ? expression.parts : [...expression.parts].reverse();
        return parts.reduce((state, part) => this.add(part, state), following);
      }
      case 'choice':
        return expression.options.reduce(
          (state, option) => this.#state(undefined, this.add(option, following), state),
          NONE,
        );
      case 'repeat':
        return this.#repeat(expression, following);
    }
  }

  #repeat(
    { part, minimum, maximum }: Extract<Expression, { kind: 'repeat' }>,
    following: number,
  ): number {
    let state = following;
    if (maximum === Number.POSITIVE_INFINITY) {
      state = this.#state(undefined, NONE, following);
      this.states.next[state] = this.add(part, state);
    } else {
      for (let copy = minimum; copy < maximum; copy++) {
        state = this.#state(undefined, this.add(part, state), following);
      }
    }
    for (let copy = 0; copy < minimum; copy++) state = this.add(part, state);
    return state;
  }

  #state(set: ByteSet | undefined, next: number, other: number): number {
    this.states.sets.push(set);
    this.states.next.push(next);
    return this.states.other.push(other) - 1;
  }
}
