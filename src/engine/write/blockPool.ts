import { Worker } from 'node:worker_threads';
import { asHexzError, fromPortable, type PortableError } from '../errors.js';
import type { FileTally } from '../snapshot/verify.js';
import { type BatchMemory, BlockBatch } from './blockBatch.js';
import { BatchEncoder, type EncoderSettings } from './encodeBatch.js';
import { PageChecker, type PageToCheck } from './pageChecker.js';

export type WorkerRequest =
  | { readonly type: 'encode'; readonly memory: BatchMemory }
  | { readonly type: 'check'; readonly page: PageToCheck };

export type WorkerReply =
  | { readonly type: 'encoded'; readonly memory: BatchMemory }
  | { readonly type: 'checked'; readonly counts: FileTally }
  | { readonly type: 'failed'; readonly error: PortableError };

/** Encodes batches and checks index pages, one after the other or many at a time. */
export interface BlockPool {
  /** Which encoder it has, with its version. */
  readonly encoderName: string;
  /** How many batches are worth having under way. */
  readonly batchesAtOnce: number;
  /** Takes a batch; answers one in the same memory, with what became of its blocks. */
  encode(batch: BlockBatch): Promise<BlockBatch>;
  /** @throws HexzError what is wrong with the first bad block */
  check(page: PageToCheck): Promise<FileTally>;
  close(): Promise<void>;
}

/** Batches for each worker: one that it works on, one that waits, one that is filled or written meanwhile. */
const BATCHES_PER_WORKER = 3;

/**
 * @param workerCount threads; 0 does everything on this one
 * @throws HexzError CODEC_MISSING
 */
export async function openBlockPool(
  settings: EncoderSettings,
  workerCount: number,
): Promise<BlockPool> {
  const encoder = await BatchEncoder.create(settings);
  return workerCount === 0
    ? new InlinePool(encoder)
    : new ThreadPool(encoder.name, settings, workerCount);
}

/** Works on the calling thread: starting others would take longer than small work itself. */
class InlinePool implements BlockPool {
  readonly encoderName: string;
  readonly batchesAtOnce = 1;
  readonly #encoder: BatchEncoder;
  readonly #checker = new PageChecker();

  constructor(encoder: BatchEncoder) {
    this.#encoder = encoder;
    this.encoderName = encoder.name;
  }

  async encode(batch: BlockBatch): Promise<BlockBatch> {
    this.#encoder.encode(batch);
    return batch;
  }

  async check(page: PageToCheck): Promise<FileTally> {
    return this.#checker.check(page);
  }

  async close(): Promise<void> {
    this.#checker.close();
  }
}

/**
 * Threads that take requests in turn, each the one with the fewest waiting.
 *
 * Invariant: a worker answers its requests in the order in which it got them, so the oldest of `pending` is the one
 * that a reply belongs to. A worker that fails fails all of its requests, and those that come later.
 */
class ThreadPool implements BlockPool {
  readonly encoderName: string;
  readonly batchesAtOnce: number;
  readonly #threads: readonly Thread[];

  constructor(encoderName: string, settings: EncoderSettings, workerCount: number) {
    this.encoderName = encoderName;
    this.batchesAtOnce = workerCount * BATCHES_PER_WORKER;
    this.#threads = Array.from({ length: workerCount }, () => new Thread(settings));
  }

  async encode(batch: BlockBatch): Promise<BlockBatch> {
    const memory = batch.release();
    const transfer = [memory.plain, memory.stored, memory.table];
    const reply = await this.#least().ask({ type: 'encode', memory }, transfer);
    if (reply.type !== 'encoded') throw new Error(`a worker answered ${reply.type}`);
    return BlockBatch.of(reply.memory);
  }

  async check(page: PageToCheck): Promise<FileTally> {
    const reply = await this.#least().ask({ type: 'check', page }, []);
    if (reply.type !== 'checked') throw new Error(`a worker answered ${reply.type}`);
    return reply.counts;
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  #least(): Thread {
    return this.#threads.reduce((least, thread) =>
      thread.pendingCount < least.pendingCount ? thread : least,
    );
  }
}

interface Pending {
  resolve(reply: WorkerReply): void;
  reject(error: Error): void;
}

class Thread {
  readonly #worker: Worker;
  readonly #pending: Pending[] = [];
  #failure: Error | undefined;

  constructor(settings: EncoderSettings) {
    this.#worker = new Worker(new URL('./blockWorker.js', import.meta.url), {
      workerData: settings,
    });
    this.#worker.on('message', (reply: WorkerReply) => {
      const pending = this.#pending.shift();
      if (reply.type === 'failed') pending?.reject(fromPortable(reply.error));
      else pending?.resolve(reply);
    });
    this.#worker.on('error', (error) => this.#fail(asHexzError(error)));
    this.#worker.on('exit', () => this.#fail(asHexzError(new Error('a worker ended too early'))));
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  ask(request: WorkerRequest, transfer: readonly ArrayBuffer[]): Promise<WorkerReply> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#pending.push({ resolve, reject });
      this.#worker.postMessage(request, transfer);
    });
  }

  async end(): Promise<void> {
    if (this.#failure !== undefined) return;
    this.#failure = new Error('the pool is closed');
    for (const { reject } of this.#pending.splice(0)) reject(this.#failure);
    await this.#worker.terminate();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.splice(0)) reject(this.#failure);
  }
}
