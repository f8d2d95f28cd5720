import { type Automaton, MATCH, NONE } from './automaton.js';

/** The transition has not been asked for yet. */
export const UNKNOWN = -1;

/** The state from which no match is reached any more. */
export const DEAD = 0;

/** States that are kept: 1 MiB of transitions. When they are full, all are forgotten. */
const MAX_STATES = 1024;

/**
 * A deterministic automaton that is made of a nondeterministic one while it runs: each byte is one look into a table,
 * whatever the expression, so that no expression takes more than linear time (but for `transition`, whose time is in
 * proportion to the size of the expression).
 *
 * A state is a multiple of 256; `transitions[state + byte]` is the next one, negative where it accepts, `UNKNOWN`
 * where `transition` has to be asked. Each state stands for a set of states of the nondeterministic automaton.
 *
 * State: the states found so far. When `MAX_STATES` are there, `transition` forgets all of them and answers with the
 * first of a new table; states from before mean nothing then, but `start`, which is always the same.
 */
export class LazyAutomaton {
  /** Never another array. */
  readonly transitions = new Int32Array(MAX_STATES * 256);
  readonly start = 256;
  readonly #automaton: Automaton;
  /** Whether a match may begin at every byte, or only at the first. */
  readonly #isUnanchored: boolean;
  readonly #members: Int32Array[] = [];
  readonly #byMembers = new Map<string, number>();
  readonly #marks: Int32Array;
  #mark = 0;
  readonly #collected: number[] = [];
  readonly #stack: number[] = [];

  constructor(automaton: Automaton, isUnanchored: boolean) {
    this.#automaton = automaton;
    this.#isUnanchored = isUnanchored;
    this.#marks = new Int32Array(automaton.sets.length);
    this.#forget();
  }

  /** What belongs at `transitions[state + byte]`; it is entered there. */
  transition(state: number, byte: number): number {
    const { sets, next, start } = this.#automaton;
    this.#begin();
    for (const member of this.#members[state / 256] ?? []) {
      if (sets[member]?.[byte] === 1) this.#collect(next[member] ?? NONE);
    }
    if (this.#isUnanchored) this.#collect(start);
    const members = Int32Array.from(this.#collected).sort();
    const key = members.join();
    const isFull = this.#members.length >= MAX_STATES && !this.#byMembers.has(key);
    if (isFull) this.#forget();
    const following = this.#byMembers.get(key) ?? this.#add(members, key);
    const result = members[0] === MATCH ? -following : following;
    if (!isFull) this.transitions[state + byte] = result;
    return result;
  }

  #forget(): void {
    this.transitions.fill(UNKNOWN);
    this.#members.length = 0;
    this.#byMembers.clear();
    this.#add(new Int32Array(), '');
    this.#begin();
    this.#collect(this.#automaton.start);
    const members = Int32Array.from(this.#collected).sort();
    this.#add(members, members.join());
  }

  #add(members: Int32Array, key: string): number {
    const state = (this.#members.push(members) - 1) * 256;
    this.#byMembers.set(key, state);
    return state;
  }

  #begin(): void {
    this.#collected.length = 0;
    this.#mark++;
  }

  /** Adds a state, and those that it reaches without a byte. */
  #collect(state: number): void {
    const { sets, next, other } = this.#automaton;
    const stack = this.#stack;
    stack.push(state);
    for (let member = stack.pop(); member !== undefined; member = stack.pop()) {
      if (member === NONE || this.#marks[member] === this.#mark) continue;
      this.#marks[member] = this.#mark;
      if (member === MATCH || sets[member] !== undefined) this.#collected.push(member);
      else stack.push(other[member] ?? NONE, next[member] ?? NONE);
    }
  }
}
