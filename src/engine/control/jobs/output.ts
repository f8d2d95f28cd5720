import { HexzError } from '../../errors.js';
import type { BatchWindow } from '../batchWindow.js';
import type { JobMessage } from '../jobMessages.js';
import type { Progress } from '../protocol/values.js';

/** A batch is sent when it has so many characters of JSON, or is so old. */
const BATCH_CHARACTERS = 32 * 1024;
const BATCH_MS = 30;
const PROGRESS_MS = 100;

/** Told how far a job is. */
export interface JobProgress {
  /** @throws HexzError CANCELLED */
  progress(progress: Progress): void;
}

/**
 * What a job says before its result: items in batches, and how far it is.
 *
 * A job runs synchronously and its thread has nothing else to do: while its window is full, it sleeps. So a search with a
 * million matches needs no more memory than one.
 */
export class JobOutput<Item> implements JobProgress {
  /** Aborted when the job is cancelled, for those that wait for promises. */
  readonly signal: AbortSignal;
  readonly #job: number;
  readonly #window: BatchWindow;
  readonly #tell: (message: JobMessage) => void;
  #batch: string[] = [];
  #batchCharacters = 0;
  #batchBegan = 0;
  #toldProgress = 0;

  constructor(
    job: number,
    window: BatchWindow,
    signal: AbortSignal,
    tell: (message: JobMessage) => void,
  ) {
    this.#job = job;
    this.#window = window;
    this.signal = signal;
    this.#tell = tell;
  }

  /** @throws HexzError CANCELLED */
  check(): void {
    if (this.#window.isClosed) throw this.cancelled();
  }

  cancelled(): HexzError {
    return new HexzError('CANCELLED', 'it was cancelled before it was done');
  }

  /** @throws HexzError CANCELLED */
  item(item: Item): void {
    const json = JSON.stringify(item);
    if (this.#batch.length === 0) this.#batchBegan = performance.now();
    this.#batch.push(json);
    this.#batchCharacters += json.length;
    if (this.#batchCharacters >= BATCH_CHARACTERS) this.flush();
    else if (this.#batch.length % 64 === 0) this.#flushIfOld();
  }

  /** @throws HexzError CANCELLED */
  progress(progress: Progress): void {
    this.check();
    this.#flushIfOld();
    const now = performance.now();
    if (now - this.#toldProgress < PROGRESS_MS) return;
    this.#toldProgress = now;
    this.#tell({ job: this.#job, progress });
  }

  /** @throws HexzError CANCELLED */
  flush(): void {
    if (this.#batch.length === 0) return;
    if (!this.#window.awaitRoom()) throw this.cancelled();
    // Before whoever gets it asks how full the window is.
    this.#window.sent();
    this.#tell({ job: this.#job, items: `[${this.#batch.join(',')}]` });
    this.#batch = [];
    this.#batchCharacters = 0;
  }

  #flushIfOld(): void {
    if (this.#batch.length > 0 && performance.now() - this.#batchBegan >= BATCH_MS) this.flush();
  }
}
