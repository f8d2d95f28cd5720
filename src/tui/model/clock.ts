/** Paints of what happens by itself; keys do not wait for them. */
const TICK_MS = 125;
/** Where they cost much they come less often, so that they take no more than this of a core. */
const CORE_SHARE = 1 / 6;
const MAX_TICK_MS = 500;
/** After a pause of so long, what was used before says nothing. */
const PAUSE_MS = 1000;
/** Of keys that come faster, one paint shows several; one that comes alone is shown at once. */
const KEY_GAP_MS = 33;

/**
 * The one clock of the screen: whoever has something new says so, and everything that is new is painted at once.
 *
 *   state    a paint comes               begins with
 *   still    never                       the start; a tick in which nothing has changed
 *   ticking  at the next tick            `changed`, or `changedIn` for what is known to change later
 *   due      when the caller is done     `changedNow`, until it is painted
 *
 * Invariant: nothing is painted when nothing has changed, and there is one timer at most for each of both. Ticks come
 * as far apart as they must be for the screen to leave most of a core to others.
 */
export class Clock {
  #revision = 0;
  #timer: NodeJS.Timeout | undefined;
  #tickAt = 0;
  #due: NodeJS.Timeout | undefined;
  #paintedAt = 0;
  readonly #processorMilliseconds: () => number;
  /** At the last tick. */
  #tickedAt = 0;
  #used = 0;
  #gap = TICK_MS;
  readonly #listeners = new Set<() => void>();
  readonly #tickListeners = new Set<() => void>();

  /** @param processorMilliseconds what this process has used */
  constructor(processorMilliseconds = usedByProcess) {
    this.#processorMilliseconds = processorMilliseconds;
  }

  /** Grows with every paint. */
  readonly revision = (): number => this.#revision;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Told before each paint of a tick: what fades, and what is asked of the engine at that rate. */
  onTick(listener: () => void): void {
    this.#tickListeners.add(listener);
  }

  /** Something is to be painted, soon. */
  readonly changed = (): void => this.changedIn(0);

  /** Something will be another then, such as an age; a tick that comes earlier asks for it again. */
  readonly changedIn = (milliseconds: number): void => {
    const now = performance.now();
    const wait = Math.max(now - this.#tickedAt > PAUSE_MS ? TICK_MS : this.#gap, milliseconds);
    const tickAt = now + wait;
    if (this.#timer !== undefined && this.#tickAt <= tickAt) return;
    clearTimeout(this.#timer);
    this.#tickAt = tickAt;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pace();
      for (const listener of this.#tickListeners) listener();
      this.#paint();
    }, wait);
  };

  /** A person waits for it. */
  readonly changedNow = (): void => {
    const wait = Math.max(0, this.#paintedAt + KEY_GAP_MS - performance.now());
    this.#due ??= setTimeout(() => {
      this.#due = undefined;
      this.#paint();
    }, wait);
  };

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#due);
    this.#listeners.clear();
    this.#tickListeners.clear();
  }

  /** The next tick comes when what was used since the last one is no more than its share of the time. */
  #pace(): void {
    const used = this.#processorMilliseconds();
    const wanted = (used - this.#used) / CORE_SHARE;
    this.#gap = Math.min(MAX_TICK_MS, Math.max(TICK_MS, wanted));
    this.#used = used;
    this.#tickedAt = performance.now();
  }

  #paint(): void {
    this.#revision++;
    for (const listener of this.#listeners) listener();
    this.#paintedAt = performance.now();
  }
}

function usedByProcess(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
