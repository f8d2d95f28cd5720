import { errorOf } from '../../engine/control/client.js';
import type { ActivitySample } from '../../engine/control/protocol/activity.js';
import type { EngineState } from '../../engine/control/protocol/engineState.js';
import type { Item } from '../../engine/control/protocol/methods.js';
import { asHexzError, type HexzError } from '../../engine/errors.js';
import type { EngineClient } from '../../repl/client.js';
import { DamagedBlocks, reasonFirst } from './damage.js';
import { EngineLog, type LogLine } from './engineLog.js';

const RATE_HZ = 8;
/** Enough for a feed that is read; the counters are exact in any case. */
const MAX_EVENTS = 256;

/**
 * What the engine tells by itself: its state, samples of its activity, its log.
 *
 *   state     `state` is               begins with
 *   watching  that of the last sample  `start` resolves
 *   gone      the last one known       the connection's end; `end` says why
 */
export class EngineWatch {
  state: EngineState;
  /** Of the overlay, as the last sample tells it. */
  dirtyPages: number;
  diskLength: number;
  /** Why there is no engine any more. */
  end: HexzError | undefined;
  readonly log = new EngineLog();
  /** Also what views have met. */
  readonly damage = new DamagedBlocks();
  readonly #client: EngineClient;
  readonly #sampleListeners = new Set<(sample: ActivitySample) => void>();
  readonly #stateListeners = new Set<(state: EngineState, before: EngineState) => void>();
  readonly #stop = new AbortController();
  readonly #changed: () => void;

  private constructor(client: EngineClient, state: EngineState, changed: () => void) {
    this.#client = client;
    this.state = state;
    this.dirtyPages = state.overlay?.dirtyPages ?? 0;
    this.diskLength = lengthOf(state);
    this.#changed = changed;
  }

  /**
   * @param changed told of everything that is new
   * @throws HexzError ENGINE_GONE
   */
  static async start(client: EngineClient, changed: () => void): Promise<EngineWatch> {
    const watch = new EngineWatch(client, await client.request('state', {}), changed);
    void watch.#run();
    return watch;
  }

  onSample(listener: (sample: ActivitySample) => void): void {
    this.#sampleListeners.add(listener);
  }

  onState(listener: (state: EngineState, before: EngineState) => void): void {
    this.#stateListeners.add(listener);
  }

  /** A line of our own, beside those of the engine. */
  note(level: LogLine['level'], text: string, code?: string): void {
    this.log.add({ time: Date.now(), level, text, ...(code === undefined ? {} : { code }) });
    this.#changed();
  }

  /** Something went wrong; of a block that cannot be read, the log tells once. */
  readonly met = (error: HexzError): void => {
    if (this.damage.add(error) !== false) this.note('error', reasonFirst(error), error.code);
  };

  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const params = { rateHz: RATE_HZ, maximumEvents: MAX_EVENTS, since: 'start' } as const;
    const { signal } = this.#stop;
    try {
      for await (const batch of this.#client.stream('watch', params, { signal }).batches()) {
        for (const item of batch) this.#take(item);
        this.#changed();
      }
    } catch (error) {
      if (signal.aborted) return;
      this.end = asHexzError(error);
      this.note('error', this.end.toLine(), this.end.code);
    }
  }

  #take(item: Item<'watch'>): void {
    if ('activity' in item) {
      if (this.state.overlay !== null) {
        this.dirtyPages = item.activity.dirtyPages;
        this.diskLength = item.activity.diskLength;
      }
      for (const listener of this.#sampleListeners) listener(item.activity);
    } else if ('state' in item) {
      const before = this.state;
      this.state = item.state;
      this.dirtyPages = item.state.overlay?.dirtyPages ?? 0;
      this.diskLength = lengthOf(item.state);
      for (const listener of this.#stateListeners) listener(item.state, before);
    } else {
      this.#takeLog(item.log);
    }
  }

  #takeLog(line: LogLine): void {
    if (line.error === undefined) {
      this.log.add(line);
      return;
    }
    const error = errorOf(line.error);
    if (this.damage.add(error) !== false) this.log.add({ ...line, text: reasonFirst(error) });
  }
}

const lengthOf = ({ overlay, snapshot }: EngineState): number =>
  overlay?.diskLength ?? snapshot.streams.disk?.length ?? 0;
