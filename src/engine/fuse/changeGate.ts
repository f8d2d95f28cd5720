/**
 * Holds back requests that change a disk while something needs it to stay as it is. Reads pass.
 *
 *   open  requests are answered as they come; `held` is undefined
 *   held  from `hold` to `release`: they wait for `held`
 */
export class ChangeGate {
  #held: Promise<void> | undefined;
  #release: () => void = () => {};

  /** What a request that changes something has to wait for. */
  get held(): Promise<void> | undefined {
    return this.#held;
  }

  hold(): void {
    this.#held ??= new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release(): void {
    this.#held = undefined;
    this.#release();
  }
}
