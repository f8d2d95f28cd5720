import { Worker } from 'node:worker_threads';
import { fromPortable, type HexzError } from '../../errors.js';
import type { SharedVolume } from '../../volume/attachedVolume.js';
import type { SystemCalls } from './systemCalls.js';
import type { ServeOrder, WorkerMessage, WorkerSetting } from './workerMessages.js';

export interface RequestThreadsOptions {
  /** What each thread answers by. */
  readonly volumes: readonly (SharedVolume | undefined)[];
  readonly diskTouch: Float64Array<SharedArrayBuffer>;
  /** Becomes readable when they are to end. */
  readonly wakeDescriptor: number;
  /** Answers a request that a thread does not. */
  readonly handle: (bytes: Buffer) => void;
  /** Told of an error that a thread has answered with an errno. */
  readonly onTrouble: (operation: string, error: HexzError) => void;
  /** Told of a bug in one of them: the mount cannot be served any more. */
  readonly onBug: (error: Error) => void;
}

/** What serves makes little garbage; more room for it would only be filled before it is cleared. */
const resourceLimits = { maxYoungGenerationSizeMb: 4 };

const WAKE_VALUE = Buffer.from(new BigUint64Array([1n]).buffer);

/**
 * The threads that serve one mount, seen from the main thread.
 *
 *   opening  each opens its volume; `serve` may have been called already, and is obeyed then
 *   waiting  for `serve`, when it has opened it
 *   serving  until the connection ends, or `stop`: while they serve, they hear nothing else
 *   ended    `ended` has resolved
 */
export class RequestThreads {
  /** Resolves when all have ended. */
  readonly ended: Promise<void>;
  readonly #workers: readonly Worker[];
  readonly #stop = new Int32Array(new SharedArrayBuffer(4));
  readonly #calls: SystemCalls;
  readonly #wakeDescriptor: number;
  readonly #opened: Promise<unknown>;
  #isServing = false;

  constructor(calls: SystemCalls, options: RequestThreadsOptions) {
    const { volumes, diskTouch, wakeDescriptor } = options;
    this.#calls = calls;
    this.#wakeDescriptor = wakeDescriptor;
    this.#workers = volumes.map((volume) => {
      const setting: WorkerSetting = { volume, diskTouch, stop: this.#stop };
      return new Worker(new URL('./requestWorker.js', import.meta.url), {
        workerData: setting,
        resourceLimits,
      });
    });
    const exits = this.#workers.map(
      (worker) => new Promise<void>((resolve) => worker.once('exit', () => resolve())),
    );
    this.ended = Promise.all(exits).then(() => {});
    this.#opened = Promise.all(this.#workers.map((worker) => this.#listen(worker, options)));
    this.#opened.catch(() => {});
  }

  /**
   * Resolves when each has opened its volume.
   *
   * @throws HexzError with which one could not
   */
  async opened(): Promise<void> {
    await this.#opened;
  }

  /** Has them serve a mount. */
  serve(descriptor: number): void {
    const order: ServeOrder = { descriptor, wakeDescriptor: this.#wakeDescriptor };
    this.#isServing = true;
    for (const worker of this.#workers) worker.postMessage(order);
  }

  /** Ends them. Those that serve notice at once, without any help of an event loop: also when this process exits. */
  stop(): void {
    Atomics.store(this.#stop, 0, 1);
    this.#calls.write(this.#wakeDescriptor, WAKE_VALUE, WAKE_VALUE.length);
    if (!this.#isServing) for (const worker of this.#workers) void worker.terminate();
  }

  #listen(worker: Worker, { handle, onTrouble, onBug }: RequestThreadsOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      worker.on('message', (message: WorkerMessage) => {
        switch (message.kind) {
          case 'opened':
            resolve();
            break;
          case 'failed':
            reject(fromPortable(message.error));
            break;
          case 'request':
            handle(Buffer.from(message.bytes.buffer));
            break;
          case 'trouble':
            onTrouble(message.operation, fromPortable(message.error));
            break;
        }
      });
      worker.once('error', (error) => {
        reject(error);
        onBug(error);
      });
    });
  }
}
