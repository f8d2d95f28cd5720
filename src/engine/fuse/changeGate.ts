/**
 * Holds back requests that change a disk while somebody needs it to stay as it is. Reads pass.
 *
 *   open  requests are answered as they come; `held` is undefined
 *   held  as long as one `hold` was not released: they wait for `held`
 */
export class ChangeGate {
  #held: Promise<void> | undefined;
  #open: () => void = () => {};
  #holders = 0;

  /** What a request that changes something has to wait for. */
  get held(): Promise<void> | undefined {
    return this.#held;
  }

  /** @returns releases it; the second time it does nothing */
  hold(): () => void {
    this.#holders++;
    this.#held ??= new Promise((resolve) => {
      this.#open = resolve;
    });
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      this.#holders--;
      if (this.#holders === 0) this.openAll();
    };
  }

  /** Lets everything pass, whoever holds it: nothing is served any more. */
  openAll(): void {
    this.#held = undefined;
    this.#open();
  }
}
