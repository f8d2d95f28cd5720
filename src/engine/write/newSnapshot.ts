import { randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { deriveKey } from '../codec/aesGcm.js';
import type { EncoderChoice } from '../codec/encoder.js';
import { HexzError } from '../errors.js';
import { encodeHeader } from '../format/header.js';
import { MAX_BLOCK_BYTES } from '../format/limits.js';
import {
  type Compression,
  type EncryptionParameters,
  type StreamName,
  streamNames,
} from '../format/types.js';
import { openSnapshot } from '../snapshot/open.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { identityOfFile } from '../snapshot/source.js';
import { BlockPipeline, type StreamCounts } from './blockPipeline.js';
import { type BlockPool, openBlockPool } from './blockPool.js';
import { isFileOutput } from './outputFile.js';
import { type HeaderChoices, SnapshotFile } from './snapshotFile.js';
import { attempt, TemporaryFile } from './temporaryFile.js';

/** What all commands that make a snapshot let choose. */
export interface OutputOptions {
  /** Where the snapshot goes. */
  readonly output: string;
  /** Whether it may replace a file. */
  readonly force?: boolean;
  /** Default: lz4. */
  readonly compression?: Compression;
  /** Length of blocks in bytes. Default: 65536. */
  readonly blockBytes?: number;
  readonly encryption?: NewEncryption | undefined;
  /** Default: fastest. */
  readonly encoders?: EncoderChoice;
  /** Text that is stored with the snapshot. */
  readonly message?: string | undefined;
  /** Decode and compare everything that was written, in place of as much as shows that all is well. */
  readonly verifiesAll?: boolean;
  /** Threads beside this one; default: as many as there are cores, fewer for little work. */
  readonly workerCount?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: WriteProgress) => void;
}

export interface NewEncryption {
  readonly password: string;
  /** 16 bytes. For fixtures only: two snapshots of one salt and password give away what they share. */
  readonly salt?: Buffer | undefined;
}

/** How far a command is that makes a snapshot. */
export interface WriteProgress {
  readonly phase: 'write' | 'check';
  readonly doneBytes: number;
  /** Unknown while a pipe is read. */
  readonly totalBytes: number | undefined;
}

/** What was made. */
export interface NewSnapshotReport {
  readonly output: string;
  readonly fileBytes: number;
  readonly streams: Partial<Record<StreamName, StreamCounts & { readonly length: number }>>;
  /** Which encoder made the blocks, with its version. */
  readonly encoder: string;
  readonly seconds: number;
  readonly warnings: readonly string[];
}

/** What a command has found out before the first block. */
export interface NewSnapshotPlan {
  readonly variableBlocks: boolean;
  readonly maximumBlockBytes: number;
  readonly dictionary?: Buffer | undefined;
  /** As it is stored. */
  readonly parentPath?: string | undefined;
  /** Bytes that will have to be encoded; undefined where nobody knows. */
  readonly expectedBytes: number | undefined;
  /** Files that are read for it, and so never written. Their names count, too: some may come to be. */
  readonly inputs: readonly string[];
  /** What was encrypted becomes readable in the output: for its owner only. */
  readonly isPrivate: boolean;
}

export const DEFAULT_BLOCK_BYTES = 65_536;
export const SALT_BYTES = 16;

/** As the Rust hexz has it. */
const KEY_ITERATIONS = 600_000;

/** For fewer bytes a thread is not worth its start. */
const BYTES_PER_WORKER = 64 * 1024 * 1024;

/** How long signals, timers and the threads' answers may have to wait. */
const YIELD_MS = 50;

/** How much is written between two calls that bring it onto the disk. */
const FLUSH_BYTES = 32 * 1024 * 1024;

/**
 * A snapshot in the making, under a temporary name.
 *
 *   state      what happens
 *   open       blocks go into `pipeline`
 *   complete   index and header are written and on the disk; it can be opened under `temporaryPath`
 *   published  it has its name
 *   discarded  nothing of it is left
 */
export class NewSnapshot {
  readonly pipeline: BlockPipeline;
  readonly #options: OutputOptions;
  readonly #choices: HeaderChoices;
  readonly #temporary: TemporaryFile;
  readonly #file: SnapshotFile;
  readonly #pool: BlockPool;
  readonly #startedAt = performance.now();
  readonly #onAbort: () => void;
  #flushedAt = 0;
  #isFlushing = false;
  #yieldedAt = performance.now();

  private constructor(
    options: OutputOptions,
    plan: NewSnapshotPlan,
    choices: HeaderChoices,
    temporary: TemporaryFile,
    pool: BlockPool,
    onAbort: () => void,
  ) {
    this.#onAbort = onAbort;
    this.#options = options;
    this.#choices = choices;
    this.#temporary = temporary;
    this.#file = new SnapshotFile(temporary, plan.dictionary);
    this.#pool = pool;
    this.pipeline = new BlockPipeline(this.#file, pool, {
      isEncrypted: choices.encryption !== undefined,
      maximumBlockBytes: plan.maximumBlockBytes,
    });
  }

  /** @throws HexzError USAGE, LIMIT, CODEC_MISSING, OUTPUT_EXISTS, OUTPUT_FAILED */
  static async create(options: OutputOptions, plan: NewSnapshotPlan): Promise<NewSnapshot> {
    const { output, encryption } = options;
    checkOutput(output, plan.inputs);
    const parameters: EncryptionParameters | undefined =
      encryption === undefined
        ? undefined
        : { salt: encryption.salt ?? randomBytes(SALT_BYTES), iterations: KEY_ITERATIONS };
    const choices: HeaderChoices = {
      blockSize: options.blockBytes ?? DEFAULT_BLOCK_BYTES,
      parentPaths: plan.parentPath === undefined ? [] : [plan.parentPath],
      encryption: parameters,
      compression: options.compression ?? 'lz4',
      variableBlocks: plan.variableBlocks,
      chunking: undefined,
    };
    checkFits(choices);
    const key =
      encryption === undefined || parameters === undefined
        ? undefined
        : deriveKey(encryption.password, parameters);
    const temporary = new TemporaryFile(output, {
      force: options.force === true,
      mode: plan.isPrivate ? 0o600 : 0o666,
    });
    const onAbort = () => temporary.removeName();
    options.signal?.addEventListener('abort', onAbort);
    let pool: BlockPool | undefined;
    try {
      pool = await openBlockPool(
        {
          compression: choices.compression,
          choice: options.encoders ?? 'fastest',
          dictionary: plan.dictionary,
          key,
        },
        options.workerCount ?? workersFor(plan.expectedBytes),
      );
      return new NewSnapshot(options, plan, choices, temporary, pool, onAbort);
    } catch (error) {
      temporary.discard();
      options.signal?.removeEventListener('abort', onAbort);
      await pool?.close();
      throw error;
    }
  }

  /** Where it is until it is published. */
  get temporaryPath(): string {
    return this.#temporary.temporaryPath;
  }

  /**
   * Tells how far it is, and stops where that is wanted. Answers a promise where the rest of the process has to
   * get a turn: much of the work waits for nothing.
   */
  progress(
    phase: WriteProgress['phase'],
    doneBytes: number,
    totalBytes: number | undefined,
  ): Promise<void> | undefined {
    this.#options.signal?.throwIfAborted();
    this.#options.onProgress?.({ phase, doneBytes, totalBytes });
    this.#flushBehind();
    const now = performance.now();
    if (now - this.#yieldedAt < YIELD_MS) return undefined;
    this.#yieldedAt = now;
    return new Promise((resolve) => setImmediate(resolve));
  }

  #flushBehind(): void {
    if (this.#isFlushing || this.#file.length - this.#flushedAt < FLUSH_BYTES) return;
    this.#isFlushing = true;
    this.#flushedAt = this.#file.length;
    void this.#temporary.flushBehind().finally(() => {
      this.#isFlushing = false;
    });
  }

  /** Waits for the blocks, writes index and header, and brings everything onto the disk. */
  async complete(): Promise<void> {
    const { message } = this.#options;
    await this.pipeline.finish();
    this.#file.finish(this.#choices, message === undefined ? undefined : Buffer.from(message));
    await this.#temporary.sync();
  }

  /**
   * Opens what was written and checks these streams, in the threads that have encoded them: every stored block by its
   * checksum, and one in sixteen, or all, decoded and by their hashes.
   *
   * @throws HexzError what is wrong with the first bad block
   */
  async checkBlocks(
    streams: readonly StreamName[],
    access: OpenAccess,
    everything = this.#options.verifiesAll === true,
  ): Promise<void> {
    const snapshot = this.open(access);
    const pages: { stream: StreamName; pageNumber: number; bytes: number }[] = [];
    for (const stream of streams) {
      const { pageCount, startOffsets, streamLength } = snapshot.index.masterIndex[stream];
      for (let pageNumber = 0; pageNumber < pageCount; pageNumber++) {
        const end = startOffsets[pageNumber + 1] ?? streamLength;
        pages.push({ stream, pageNumber, bytes: end - (startOffsets[pageNumber] as number) });
      }
    }
    snapshot.close();
    const total = pages.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    let next = 0;
    const checkOneByOne = async () => {
      for (let page = pages[next++]; page !== undefined; page = pages[next++]) {
        const { stream, pageNumber, bytes } = page;
        await this.#pool.check({
          path: this.temporaryPath,
          ...this.#accessWith(access),
          stream,
          pageNumber,
          everything,
        });
        done += bytes;
        await this.progress('check', done, total);
      }
    };
    await Promise.all(Array.from({ length: this.#pool.batchesAtOnce }, checkOneByOne));
  }

  /** Opens what was written, under its temporary name. */
  open(access: OpenAccess): Snapshot {
    return openSnapshot(this.temporaryPath, this.#accessWith(access));
  }

  /** Gives it its name. */
  async publish(warnings: readonly string[]): Promise<NewSnapshotReport> {
    this.#options.signal?.throwIfAborted();
    this.#temporary.publish();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    await this.#pool.close();
    const streams = Object.fromEntries(
      streamNames
        .map((stream) => [stream, this.#file.streamLength(stream)] as const)
        .filter(([, length]) => length > 0)
        .map(([stream, length]) => [stream, { length, ...this.pipeline.counts[stream] }]),
    );
    return {
      output: this.#options.output,
      fileBytes: this.#file.length,
      streams,
      encoder: this.#pool.encoderName,
      seconds: (performance.now() - this.#startedAt) / 1000,
      warnings,
    };
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    this.#temporary.removeName();
    try {
      await this.#pool.close();
    } finally {
      // Closed last: until the pool is, others may be about to write to it.
      this.#temporary.discard();
      this.#options.signal?.removeEventListener('abort', this.#onAbort);
    }
  }

  #accessWith({ passwords, parentDirectories }: OpenAccess) {
    const { encryption } = this.#options;
    return {
      passwords: encryption === undefined ? passwords : [encryption.password, ...passwords],
      parentDirectories,
    };
  }
}

/** What opening the new snapshot takes because of its parents. */
export interface OpenAccess {
  readonly passwords: readonly string[];
  readonly parentDirectories: readonly string[];
}

/** @throws HexzError USAGE */
export function checkBlockBytes(blockBytes: number): void {
  if (!Number.isInteger(blockBytes) || blockBytes < 1 || blockBytes > MAX_BLOCK_BYTES) {
    throw new HexzError('USAGE', `blocks of ${blockBytes} bytes cannot be`, {
      hint: `a block has 1 to ${MAX_BLOCK_BYTES} bytes`,
    });
  }
}

function checkOutput(output: string, inputs: readonly string[]): void {
  if (output === '' || output === '-') {
    throw new HexzError('USAGE', 'a snapshot is written into a file with a name', {
      hint: 'its beginning is written last, which a pipe cannot take',
    });
  }
  const identity = attempt(output, () => identityOfFile(output));
  const place = placeOf(output);
  const isInput = (path: string) =>
    placeOf(path) === place || (identity !== undefined && identityOfFile(path) === identity);
  if (inputs.some(isInput)) {
    throw new HexzError('USAGE', 'the output is one of the files that it is made from', {
      location: { file: output },
    });
  }
  if (!isFileOutput(output)) {
    throw new HexzError('USAGE', 'a snapshot can be written into a regular file only', {
      location: { file: output },
    });
  }
}

/** Where a file is or would be: the same for all names of its directory. */
function placeOf(path: string): string {
  const absolute = resolve(path);
  try {
    return join(realpathSync(dirname(absolute)), basename(absolute));
  } catch {
    return absolute;
  }
}

/** The header is written last; that it fits is known from the beginning. */
function checkFits(choices: HeaderChoices): void {
  const range = { offset: 0, length: 0 };
  encodeHeader({
    ...choices,
    layout: 'A',
    indexOffset: 0,
    hasDisk: false,
    hasMemory: false,
    dictionary: range,
    metadata: range,
    signature: range,
  });
}

function workersFor(expectedBytes: number | undefined): number {
  const cores = availableParallelism();
  if (expectedBytes === undefined) return cores;
  return Math.min(cores, Math.floor(expectedBytes / BYTES_PER_WORKER));
}
