import type { EngineClient } from '../../../repl/client.js';
import type { StreamGrid } from './streamGrid.js';

/** What is dirty and cached is asked for no more often, and not so often that the engine does little else. */
const REFRESH_MS = 400;
const REST_FACTOR = 10;

/** Who is told of what came. */
export interface Telling {
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
  readonly warn: (text: string, code: string) => void;
}

/**
 * Has the engine tell a grid what it is made of, once, and what is dirty and cached, as often as that may have
 * changed.
 *
 * State: `#isStale` from `invalidate` until it is asked for; while an answer is awaited nothing more is, nor before
 * `#restsUntil`.
 */
export class GridFetcher {
  readonly #client: EngineClient;
  readonly #grid: StreamGrid;
  readonly #telling: Telling;
  readonly #stop = new AbortController();
  #isStale = true;
  #isAsking = false;
  #restsUntil = 0;

  constructor(client: EngineClient, grid: StreamGrid, telling: Telling) {
    this.#client = client;
    this.#grid = grid;
    this.#telling = telling;
    // Of what has no bytes there is nothing to ask.
    if (grid.cellCount > 0) void this.#run(() => this.#map());
    else this.#isStale = false;
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  /** Something was read or written. */
  invalidate(): void {
    this.#isStale = this.#grid.cellCount > 0;
  }

  /** Asks again, if that is due. */
  refresh(): void {
    if (!this.#isStale || this.#isAsking || performance.now() < this.#restsUntil) return;
    this.#isStale = false;
    this.#isAsking = true;
    void this.#run(() => this.#occupancy()).finally(() => {
      this.#isAsking = false;
    });
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#telling.failed(error);
    }
  }

  async #map(): Promise<void> {
    const { stream, cellBytes } = this.#grid;
    const { signal } = this.#stop;
    const map = this.#client.stream('map', { stream, cellBytes }, { signal });
    for await (const batch of map.batches()) {
      for (const run of batch) this.#grid.take(run);
      this.#telling.changed();
    }
    const [damage] = (await map.result).damage;
    if (damage !== undefined) this.#telling.warn(damage.message, damage.code);
  }

  async #occupancy(): Promise<void> {
    const { stream, cellBytes, length } = this.#grid;
    const { signal } = this.#stop;
    const params = { stream, cellBytes, length };
    const askedAt = performance.now();
    const occupancy = await this.#client.request('occupancy', params, { signal });
    const answeredAt = performance.now();
    this.#restsUntil = answeredAt + Math.max(REFRESH_MS, REST_FACTOR * (answeredAt - askedAt));
    if (this.#grid.update(occupancy, Date.now())) this.#telling.changed();
  }
}
