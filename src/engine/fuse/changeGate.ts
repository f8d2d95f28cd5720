/**
 * Holds back requests that change a disk while somebody needs it to stay as it is. Reads pass.
 *
 *   open  requests are answered as they come; `held` is undefined
 *   held  as long as one `hold` was not released: they wait for `held`
 */
export class ChangeGate {
  readonly #holds = new Set<symbol>();
  #held: Promise<void> | undefined;
  #open: () => void = () => {};

  /** What a request that changes something has to wait for. */
  get held(): Promise<void> | undefined {
    return this.#held;
  }

  /** @returns releases it; the second time, and after `openAll`, it does nothing */
  hold(): () => void {
    const hold = Symbol('hold');
    this.#holds.add(hold);
    this.#held ??= new Promise((resolve) => {
      this.#open = resolve;
    });
    return () => {
      if (this.#holds.delete(hold) && this.#holds.size === 0) this.openAll();
    };
  }

  /** Lets everything pass, whoever holds it: nothing is served any more. */
  openAll(): void {
    this.#holds.clear();
    this.#held = undefined;
    this.#open();
  }
}
