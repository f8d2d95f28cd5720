import type { ActivityHistory } from './history.js';

/**
 * Which moment is shown.
 *
 *   state   what is shown        begins with
 *   live    the present          `resume`; going forward beyond the newest sample
 *   held    `#heldTime`          `hold`, `move` back
 *
 * Invariant: a moment that is held is not older than what the history still has; when that is forgotten, the moment
 * moves on with it.
 */
export class Moment {
  readonly #history: ActivityHistory;
  #heldTime: number | undefined;

  constructor(history: ActivityHistory) {
    this.#history = history;
  }

  get isLive(): boolean {
    return this.#heldTime === undefined;
  }

  /** Milliseconds since 1970. */
  get time(): number {
    if (this.#heldTime === undefined) return Date.now();
    this.#heldTime = Math.max(this.#heldTime, this.#history.oldestTime ?? this.#heldTime);
    return this.#heldTime;
  }

  toggle(): void {
    this.#heldTime = this.isLive ? this.time : undefined;
  }

  /** Goes back (negative) or forward; the end of it is the present. */
  move(milliseconds: number): void {
    if (this.isLive && milliseconds > 0) return;
    const time = this.time + milliseconds;
    this.#heldTime = time >= Date.now() ? undefined : time;
  }
}
