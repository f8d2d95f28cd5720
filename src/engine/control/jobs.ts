import { Worker } from 'node:worker_threads';
import { asHexzError, fromPortable, HexzError, type PortableError } from '../errors.js';
import type { JobMessage, JobOrder, JobSetting } from './jobMessages.js';
import type { Progress } from './protocol/values.js';

/** Long jobs at the same time; further ones wait. */
const MAX_LONG_THREADS = 2;
/** A job that does not notice that it is cancelled is ended with its thread. */
const CANCEL_LIMIT_MS = 2000;

/** Where a job's words go. Items and results are JSON text, made where they were found. */
export interface JobSink {
  /** Resolves when there is room for more. */
  items(json: string): void;
  progress(progress: Progress): void;
}

/** A job that was asked for. */
export interface Job {
  /** JSON text of the result; throws HexzError, CANCELLED. */
  readonly result: Promise<string>;
  /** A batch of items was used up. */
  taken(): void;
  cancel(): void;
}

interface Waiting {
  readonly order: JobOrder;
  readonly sink: JobSink;
  readonly resolve: (json: string) => void;
  readonly reject: (error: HexzError) => void;
}

/**
 * The threads that do what takes time: reading, searching, comparing, committing. None exists before it is needed.
 *
 *   thread   does                      how many
 *   short    what is answered at once  one, job after job
 *   long     everything else           at most two, each one job at a time; further jobs wait
 *
 * Invariant: a job is in `#queues` until a thread takes it, then in that thread's `current`, until its result. A job
 * is cancelled through shared memory, which it looks at between two steps; one that does not is ended with its thread.
 */
export class Jobs {
  readonly #setting: JobSetting;
  readonly #threads = { short: [] as JobThread[], long: [] as JobThread[] };
  readonly #queues = { short: [] as Waiting[], long: [] as Waiting[] };
  #lastId = 0;
  #isClosed = false;

  constructor(setting: JobSetting) {
    this.#setting = setting;
  }

  /** @param isShort whether it is answered at once */
  run(method: string, params: unknown, sink: JobSink, isShort: boolean): Job {
    const id = ++this.#lastId;
    const shared = new Int32Array(new SharedArrayBuffer(8));
    const order: JobOrder = { id, method, params, shared };
    const kind = isShort ? 'short' : 'long';
    let cancelTimer: NodeJS.Timeout | undefined;
    const result = new Promise<string>((resolve, reject) => {
      this.#queues[kind].push({ order, sink, resolve, reject });
    }).finally(() => clearTimeout(cancelTimer));
    this.#dispatch(kind);
    return {
      result,
      taken: () => {
        Atomics.add(shared, SHARED_TAKEN, 1);
        Atomics.notify(shared, SHARED_TAKEN);
      },
      cancel: () => {
        const queue = this.#queues[kind];
        const index = queue.findIndex((waiting) => waiting.order.id === id);
        const [waiting] = index === -1 ? [] : queue.splice(index, 1);
        if (waiting !== undefined) {
          waiting.reject(cancelled());
          return;
        }
        Atomics.store(shared, SHARED_CANCELLED, 1);
        Atomics.notify(shared, SHARED_TAKEN);
        const thread = this.#threads[kind].find(({ jobId }) => jobId === id);
        thread?.cancel(id);
        cancelTimer ??= setTimeout(() => {
          if (thread?.jobId === id) void thread.end(cancelled());
        }, CANCEL_LIMIT_MS);
      },
    };
  }

  /** Ends all jobs and threads. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const queue of Object.values(this.#queues)) {
      for (const { reject } of queue.splice(0)) reject(cancelled());
    }
    const threads = Object.values(this.#threads).flat();
    await Promise.all(threads.map((thread) => thread.end(cancelled())));
  }

  #dispatch(kind: 'short' | 'long'): void {
    const threads = this.#threads[kind];
    const queue = this.#queues[kind];
    while (queue.length > 0 && !this.#isClosed) {
      let thread = threads.find(({ jobId }) => jobId === undefined);
      if (thread === undefined) {
        if (threads.length >= (kind === 'short' ? 1 : MAX_LONG_THREADS)) return;
        const started = new JobThread(this.#setting, {
          onIdle: () => this.#dispatch(kind),
          onEnd: () => {
            threads.splice(threads.indexOf(started), 1);
            this.#dispatch(kind);
          },
        });
        threads.push(started);
        thread = started;
      }
      const next = queue.shift();
      if (next !== undefined) thread.run(next);
    }
  }
}

export const SHARED_CANCELLED = 0;
export const SHARED_TAKEN = 1;

export const cancelled = (): HexzError =>
  new HexzError('CANCELLED', 'it was cancelled before it was done');

/** One thread and its one job. */
class JobThread {
  readonly #worker: Worker;
  readonly #events: { readonly onIdle: () => void; readonly onEnd: () => void };
  #current: Waiting | undefined;
  #ending: Promise<void> | undefined;

  constructor(
    setting: JobSetting,
    events: { readonly onIdle: () => void; readonly onEnd: () => void },
  ) {
    this.#events = events;
    this.#worker = new Worker(new URL('./jobWorker.js', import.meta.url), { workerData: setting });
    this.#worker.on('message', (message: JobMessage) => this.#receive(message));
    this.#worker.on('error', (error) => void this.end(asHexzError(error)));
    this.#worker.on('exit', () => void this.end(cancelled()));
  }

  get jobId(): number | undefined {
    return this.#current?.order.id;
  }

  run(job: Waiting): void {
    this.#current = job;
    this.#worker.postMessage(job.order);
  }

  /** For jobs that wait for something else than the shared memory. */
  cancel(id: number): void {
    this.#worker.postMessage({ cancel: id });
  }

  end(error: HexzError): Promise<void> {
    this.#ending ??= (async () => {
      this.#settle((job) => job.reject(error));
      await this.#worker.terminate();
      this.#events.onEnd();
    })();
    return this.#ending;
  }

  #receive(message: JobMessage): void {
    const job = this.#current;
    if (job === undefined || job.order.id !== message.job) return;
    if ('items' in message) job.sink.items(message.items);
    else if ('progress' in message) job.sink.progress(message.progress);
    else {
      this.#settle((settled) =>
        'error' in message
          ? settled.reject(fromPortable(message.error as PortableError))
          : settled.resolve(message.result),
      );
      this.#events.onIdle();
    }
  }

  #settle(how: (job: Waiting) => void): void {
    const job = this.#current;
    this.#current = undefined;
    if (job !== undefined) how(job);
  }
}
