interface Step<State> {
  readonly state: State;
  readonly cost: number;
}

const MAX_STEPS = 10_000;

/**
 * States that can be gone back to, and forth again. The oldest are forgotten when there are too many, or when together they cost
 * more than they may; the last one never is.
 */
export class History<State> {
  readonly #maximumCost: number;
  readonly #past: Step<State>[] = [];
  readonly #future: Step<State>[] = [];
  #cost = 0;

  constructor(maximumCost: number) {
    this.#maximumCost = maximumCost;
  }

  get canUndo(): boolean {
    return this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  /** Notes the state that another one takes the place of, and what keeping it costs. */
  add(state: State, cost: number): void {
    for (const step of this.#future.splice(0)) this.#cost -= step.cost;
    this.#past.push({ state, cost });
    this.#cost += cost;
    while (
      this.#past.length > MAX_STEPS ||
      (this.#cost > this.#maximumCost && this.#past.length > 1)
    ) {
      this.#cost -= this.#past.shift()?.cost ?? 0;
    }
  }

  /** The state before, in place of this one; undefined if there is none. */
  undo(state: State): State | undefined {
    return move(this.#past, this.#future, state);
  }

  /** The state that was undone last, in place of this one; undefined if there is none. */
  redo(state: State): State | undefined {
    return move(this.#future, this.#past, state);
  }

  clear(): void {
    this.#past.length = 0;
    this.#future.length = 0;
    this.#cost = 0;
  }
}

function move<State>(from: Step<State>[], to: Step<State>[], state: State): State | undefined {
  const step = from.pop();
  if (step === undefined) return undefined;
  to.push({ state, cost: step.cost });
  return step.state;
}
