const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** What a command makes and must not leave behind unfinished. */
interface Discardable {
  /** Leaves nothing behind; does nothing once it is finished or discarded. */
  discard(): void;
}

/**
 * For a command that writes files: while it runs, a signal removes what is unfinished before it ends the
 * process as it would any other. It is on watch before anything is opened, so that no moment is left in
 * which a file could stay behind.
 *
 * State: `#watched` are in the order in which they were opened, and discarded in the opposite one.
 */
export class SignalGuard {
  readonly #watched: Discardable[] = [];
  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.#end();
    this.#discard();
    process.kill(process.pid, signal);
  };

  private constructor() {}

  /**
   * Runs a command. Whatever it has put under watch is discarded when a signal comes, and when the command
   * throws.
   *
   * @param options.isNeeded false where nothing is to be removed, and writing may block for ever: a pipe, a
   *   device. Signals just end us there.
   */
  static async run<T>(
    command: (guard: SignalGuard) => T | Promise<T>,
    { isNeeded = true } = {},
  ): Promise<T> {
    const guard = new SignalGuard();
    if (isNeeded) guard.#begin();
    try {
      return await command(guard);
    } catch (error) {
      guard.#discard();
      throw error;
    } finally {
      guard.#end();
    }
  }

  /** A signal for what cleans up after itself when it is aborted. */
  abortSignal(): AbortSignal {
    const controller = new AbortController();
    this.watch(() => ({ discard: () => controller.abort() }));
    return controller.signal;
  }

  /** Opens something under watch. Opening must be synchronous: signals wait for its end. */
  watch<T extends Discardable>(open: () => T): T {
    const opened = open();
    this.#watched.push(opened);
    return opened;
  }

  #begin(): void {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  #end(): void {
    for (const signal of SIGNALS) process.removeListener(signal, this.#onSignal);
  }

  #discard(): void {
    for (const opened of this.#watched.splice(0).reverse()) opened.discard();
  }
}
