import type { Progress } from '../../../engine/control/protocol/values.js';
import type { EngineClient } from '../../../repl/client.js';
import type { Place } from '../../../repl/commands/place.js';

/** Bytes that were found. */
export interface FoundRange {
  readonly offset: number;
  readonly length: number;
}

export type Direction = 'forward' | 'backward';

interface Found {
  readonly range: FoundRange | undefined;
  /** Whether it lies on the other side of where the search began. */
  readonly hasWrapped: boolean;
}

/**
 * Searches the next place of a pattern, one search at a time.
 *
 *   state      begins with                        `progress`
 *   idle       the start, an answer, `cancel`     undefined
 *   searching  `find`, which cancels another one  how far it is
 *
 * What was looked for last, and in which direction, stays for those who go on.
 */
export class Finder {
  pattern: string | undefined;
  direction: Direction = 'forward';
  progress: Progress | undefined;
  readonly #client: EngineClient;
  readonly #changed: () => void;
  #running: AbortController | undefined;

  constructor(client: EngineClient, changed: () => void) {
    this.#client = client;
    this.#changed = changed;
  }

  get isSearching(): boolean {
    return this.#running !== undefined;
  }

  cancel(): void {
    this.#running?.abort();
    this.#running = undefined;
    this.progress = undefined;
  }

  /**
   * The nearest match that begins behind an offset, or before it, and else the one that is farthest in the other
   * direction.
   *
   * @param reachBytes bytes that a match before the offset may reach over it
   * @throws HexzError USAGE for a pattern that is none; CANCELLED
   */
  async find(
    place: Place,
    pattern: string,
    direction: Direction,
    fromOffset: number,
    options: { readonly reachBytes?: number; readonly wraps?: boolean } = {},
  ): Promise<Found> {
    const { reachBytes = 0, wraps = true } = options;
    this.cancel();
    const controller = new AbortController();
    this.#running = controller;
    this.progress = { doneBytes: 0 };
    const first = (offset: number, length: number | undefined, isMeant = (_: FoundRange) => true) =>
      this.#first({ ...place, pattern, offset, length }, direction, isMeant, controller);
    try {
      if (direction === 'forward') {
        const ahead = await first(fromOffset + 1, undefined);
        if (ahead !== undefined || !wraps) return { range: ahead, hasWrapped: false };
        return { range: await first(0, fromOffset + 1 + reachBytes), hasWrapped: true };
      }
      const before = await first(0, fromOffset + reachBytes, ({ offset }) => offset < fromOffset);
      if (before !== undefined || !wraps) return { range: before, hasWrapped: false };
      return { range: await first(fromOffset, undefined), hasWrapped: true };
    } finally {
      if (this.#running === controller) this.cancel();
      this.#changed();
    }
  }

  async #first(
    params: Place & { pattern: string; offset: number; length: number | undefined },
    direction: Direction,
    isMeant: (range: FoundRange) => boolean,
    { signal }: AbortController,
  ): Promise<FoundRange | undefined> {
    const onProgress = (progress: Progress): void => {
      if (signal.aborted) return;
      this.progress = progress;
      this.#changed();
    };
    const isBackward = direction === 'backward';
    const options = { signal, onProgress };
    const stream = this.#client.stream('search', { ...params, isBackward }, options);
    for await (const batch of stream.batches()) {
      const range = batch.find(isMeant);
      if (range !== undefined) return { offset: range.offset, length: range.length };
    }
    return undefined;
  }
}
