import { Worker } from 'node:worker_threads';
import { asHexzError, fromPortable, HexzError, type PortableError } from '../errors.js';
import { BatchWindow } from './batchWindow.js';
import type { JobMessage, JobOrder, JobSetting } from './jobMessages.js';
import type { Progress } from './protocol/values.js';

/** Which threads do a job. */
export type JobKind = 'short' | 'guest' | 'long';

/** Jobs that work at the same time, and threads that there may be for those and for jobs whose batches nobody takes. */
const LIMITS = {
  short: { working: 1, threads: 1 },
  guest: { working: 1, threads: 1 },
  long: { working: 2, threads: 16 },
} as const satisfies Record<JobKind, unknown>;

/** Long jobs of one owner at the same time, those that nobody listens to included. */
const MAX_OWN_JOBS = 4;
/** A job that does not notice that it is cancelled is ended with its thread. */
const CANCEL_LIMIT_MS = 2000;
/** One that writes a file has to take it away. */
const WRITER_CANCEL_LIMIT_MS = 20_000;

/**
 * What a job finds is garbage once it is sent: with the usual 48 MiB for what is young, a thread that lists a million things
 * takes 40 MiB more, and is no faster.
 */
const YOUNG_MEBIBYTES = 12;

const limitOf = (method: string): number =>
  method === 'commit' ? WRITER_CANCEL_LIMIT_MS : CANCEL_LIMIT_MS;

/** Where a job's words go. Items and results are JSON text, made where they were found. */
export interface JobSink {
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
  /** Who asked for it. */
  readonly owner: object;
  readonly window: BatchWindow;
  readonly resolve: (json: string) => void;
  readonly reject: (error: HexzError) => void;
  /** Resolves when it is over, one way or the other. */
  readonly settled: Promise<void>;
}

/**
 * The threads that do what takes time: reading, searching, comparing, committing. None exists before it is needed.
 *
 *   thread   does                      how many
 *   short    what is answered at once  one, job after job
 *   guest    the same, by addresses    one, job after job: the container of a memory is first passed through, which takes
 *                                      a second for some GiB, and nobody waits for that who asks for something else
 *   long     everything else           two that work, and some whose batches nobody takes; further jobs wait
 *
 * Invariant: a job is in `#queues` until a thread takes it, then in that thread's `job`, until its result. Whoever has
 * the fewest jobs running is next. A job is cancelled through shared memory, which it looks at between two steps; one
 * that does not is ended with its thread.
 */
export class Jobs {
  readonly #setting: JobSetting;
  readonly #threads: Record<JobKind, JobThread[]> = { short: [], guest: [], long: [] };
  readonly #queues: Record<JobKind, Waiting[]> = { short: [], guest: [], long: [] };
  #lastId = 0;
  #isClosed = false;

  constructor(setting: JobSetting) {
    this.#setting = setting;
  }

  /**
   * @param owner who asks: of several, none waits for all jobs of another
   */
  run(method: string, params: unknown, sink: JobSink, kind: JobKind, owner: object): Job {
    const id = ++this.#lastId;
    const window = new BatchWindow();
    const order: JobOrder = { id, method, params, window: window.shared };
    let cancelTimer: NodeJS.Timeout | undefined;
    let settle = (): void => {};
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const result = new Promise<string>((resolve, reject) => {
      if (this.#isClosed) reject(cancelled());
      else this.#queues[kind].push({ order, sink, owner, window, resolve, reject, settled });
    }).finally(() => {
      clearTimeout(cancelTimer);
      settle();
    });
    this.#dispatch(kind);
    return {
      result,
      taken: () => window.taken(),
      cancel: () => {
        const queue = this.#queues[kind];
        const index = queue.findIndex((waiting) => waiting.order.id === id);
        const [waiting] = index === -1 ? [] : queue.splice(index, 1);
        if (waiting !== undefined) {
          waiting.reject(cancelled());
          return;
        }
        const thread = this.#threads[kind].find(({ jobId }) => jobId === id);
        if (thread === undefined) return;
        thread.cancel();
        cancelTimer ??= setTimeout(() => {
          if (thread.jobId === id) void thread.end(cancelled());
        }, limitOf(method));
      },
    };
  }

  /** Ends all jobs and threads; further jobs are cancelled. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const queue of Object.values(this.#queues)) {
      for (const { reject } of queue.splice(0)) reject(cancelled());
    }
    const threads = Object.values(this.#threads).flat();
    await Promise.all(threads.map((thread) => thread.stop()));
  }

  #dispatch(kind: JobKind): void {
    const threads = this.#threads[kind];
    const limits = LIMITS[kind];
    while (!this.#isClosed) {
      if (threads.filter(({ isWorking }) => isWorking).length >= limits.working) return;
      const idle = threads.find(({ isIdle }) => isIdle);
      if (idle === undefined && threads.length >= limits.threads) return;
      const next = this.#takeNext(kind);
      if (next === undefined) return;
      (idle ?? this.#startThread(kind)).run(next);
    }
  }

  #takeNext(kind: JobKind): Waiting | undefined {
    const queue = this.#queues[kind];
    const runningOf = ({ owner }: Waiting): number =>
      this.#threads[kind].filter(({ jobOwner }) => jobOwner === owner).length;
    let best = -1;
    let fewest = MAX_OWN_JOBS;
    for (const [index, waiting] of queue.entries()) {
      const running = runningOf(waiting);
      if (running >= fewest) continue;
      best = index;
      fewest = running;
    }
    return best === -1 ? undefined : queue.splice(best, 1)[0];
  }

  #startThread(kind: JobKind): JobThread {
    const threads = this.#threads[kind];
    const thread = new JobThread(this.#setting, {
      onRoom: () => {
        this.#dispatch(kind);
        // It took the place of one that nobody listened to.
        const isSurplus = thread.isIdle && threads.length > LIMITS[kind].working;
        if (isSurplus) void thread.end(cancelled());
      },
      onEnd: () => {
        threads.splice(threads.indexOf(thread), 1);
        this.#dispatch(kind);
      },
    });
    threads.push(thread);
    return thread;
  }
}

export const cancelled = (): HexzError =>
  new HexzError('CANCELLED', 'it was cancelled before it was done');

interface ThreadEvents {
  /** It works no more: its job is done, or waits for its batches to be taken. */
  onRoom(): void;
  onEnd(): void;
}

/** One thread and its one job. */
class JobThread {
  readonly #worker: Worker;
  readonly #events: ThreadEvents;
  #job: Waiting | undefined;
  #ending: Promise<void> | undefined;

  constructor(setting: JobSetting, events: ThreadEvents) {
    this.#events = events;
    this.#worker = new Worker(new URL('./jobWorker.js', import.meta.url), {
      workerData: setting,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEBIBYTES },
    });
    this.#worker.on('message', (message: JobMessage) => this.#receive(message));
    this.#worker.on('error', (error) => void this.end(asHexzError(error)));
    this.#worker.on('exit', () => void this.end(cancelled()));
  }

  get jobId(): number | undefined {
    return this.#job?.order.id;
  }

  get jobOwner(): object | undefined {
    return this.#job?.owner;
  }

  /** Whether it can take a job: one that is being ended cannot. */
  get isIdle(): boolean {
    return this.#job === undefined && this.#ending === undefined;
  }

  /** Whether its job is not just waiting for somebody to take what it found. */
  get isWorking(): boolean {
    return this.#job !== undefined && !this.#job.window.isFull;
  }

  run(job: Waiting): void {
    this.#job = job;
    this.#worker.postMessage(job.order);
  }

  /** Tells its job to end. */
  cancel(): void {
    if (this.#job === undefined) return;
    const { order, window } = this.#job;
    window.close();
    // For jobs that wait for something else than the shared memory.
    this.#worker.postMessage({ cancel: order.id });
  }

  /** Lets its job clean up, but not for ever, and ends. */
  async stop(): Promise<void> {
    const job = this.#job;
    if (job !== undefined) {
      this.cancel();
      let timer: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, limitOf(job.order.method));
      });
      await Promise.race([job.settled, limit]);
      clearTimeout(timer);
    }
    await this.end(cancelled());
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
    const job = this.#job;
    if (job === undefined || job.order.id !== message.job) return;
    if ('items' in message) {
      job.sink.items(message.items);
      if (!this.isWorking) this.#events.onRoom();
    } else if ('progress' in message) job.sink.progress(message.progress);
    else {
      this.#settle((settled) =>
        'error' in message
          ? settled.reject(fromPortable(message.error as PortableError))
          : settled.resolve(message.result),
      );
      this.#events.onRoom();
    }
  }

  #settle(how: (job: Waiting) => void): void {
    const job = this.#job;
    this.#job = undefined;
    if (job !== undefined) how(job);
  }
}
