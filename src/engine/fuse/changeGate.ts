/**
 * Holds back requests that change a disk while somebody needs it to stay as it is. Reads pass.
 *
 *   open  requests are answered as they come; `held` is undefined
 *   held  as long as one `hold` was not released: they wait for `held`, and other threads that write leave their
 *         requests to the one that has this gate
 */
export class ChangeGate {
  readonly #reserve: () => () => void;
  readonly #holds = new Set<symbol>();
  #held: Promise<void> | undefined;
  #open: () => void = () => {};
  #release: () => void = () => {};

  /** @param reserve keeps other threads from writing until what it answers is called, as `Overlay.reserve` */
  constructor(reserve: () => () => void = () => () => {}) {
    this.#reserve = reserve;
  }

  /** What a request that changes something has to wait for. */
  get held(): Promise<void> | undefined {
    return this.#held;
  }

  /**
   * @returns releases it; the second time, and after `openAll`, it does nothing
   * @throws HexzError as `Overlay.reserve`
   */
  hold(): () => void {
    const hold = Symbol('hold');
    if (this.#held === undefined) this.#release = this.#reserve();
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
    this.#release();
    this.#release = () => {};
    this.#open();
  }
}
