import { type DataEntry, type EncodableEntry, LONG_ENTRY_BYTES } from '../format/indexPage.js';
import type { StreamName } from '../format/types.js';
import { BlockBatch } from './blockBatch.js';
import type { BlockPool } from './blockPool.js';
import { DeduplicationTable } from './deduplication.js';
import type { SnapshotFile } from './snapshotFile.js';

/** A block that goes into the new file as it is stored in another. */
export interface StoredCopy {
  readonly logicalLength: number;
  readonly stored: Buffer;
  readonly checksum: number;
  readonly hash: Buffer;
  /** Same for two blocks exactly when they are the same bytes in the same file; below 2^61. */
  readonly source: { readonly file: number; readonly offset: number };
}

/** What came of the blocks of a stream. */
export interface StreamCounts {
  /** Encoded and written. */
  encodedBlocks: number;
  /** Taken from another file as they were stored there. */
  copiedBlocks: number;
  /** Found equal to one that was written before. */
  sharedBlocks: number;
  zeroBlocks: number;
  parentBlocks: number;
  /** Bytes of stored blocks. */
  storedBytes: number;
}

const BATCH_BYTES = 1024 * 1024;

/** Plaintext of all batches together; their stored forms take as much again. Two there are in any case. */
const ALL_BATCHES_BYTES = 96 * 1024 * 1024;

/** What waits for blocks before it: how many entries of the queue, and how many bytes of copies. */
const MAX_WAITING = 8192;
const MAX_WAITING_BYTES = 8 * 1024 * 1024;

/** Some blocks of one batch, in their place among all others. */
interface Segment {
  readonly kind: 'segment';
  readonly work: Work;
  readonly firstBlock: number;
  endBlock: number;
}

/** A batch, first while it is filled, then while it is encoded; `done` when that is over. */
interface Work {
  batch: BlockBatch;
  isDone: boolean;
  /** Segments that are not written yet. */
  segments: number;
}

type Waiting =
  | Segment
  | { readonly kind: 'entry'; readonly entry: EncodableEntry }
  | { readonly kind: 'copy'; readonly copy: StoredCopy }
  | { readonly kind: 'references'; readonly entries: Buffer; readonly blockBytes: number }
  | { readonly kind: 'stream'; readonly stream: StreamName };

/**
 * Puts the blocks of a new snapshot into its file, in the order in which they are given, while others are being
 * encoded.
 *
 * What is given waits in `#queue` until everything before it is written. Blocks to encode are collected in batches,
 * whose memory goes round: free -> filled here -> encoded in the pool -> written -> free. As many batches exist
 * as the pool wants, fewer of large blocks, so memory is bounded, whatever the input.
 *
 * Which block is written and which is shared is decided while writing, in order: the file depends on the input
 * alone, and not on which thread was faster.
 *
 * The first failure, of a thread or of writing, ends all: `reserve`, `settle` and `finish` throw it from then on.
 */
export class BlockPipeline {
  readonly counts: Record<StreamName, StreamCounts> = { disk: noCounts(), memory: noCounts() };
  readonly #file: SnapshotFile;
  readonly #pool: BlockPool;
  readonly #isEncrypted: boolean;
  readonly #batchBytes: number;
  readonly #batchLimit: number;
  readonly #free: BlockBatch[] = [];
  #batchCount = 0;
  #current: Work | undefined;
  readonly #queue: Waiting[] = [];
  #queueStart = 0;
  #waitingBytes = 0;
  #givenBlocks = 0;
  #stream: StreamName = 'disk';
  readonly #encoded = new DeduplicationTable();
  readonly #copied = new DeduplicationTable();
  #failure: unknown;
  #wake: (() => void) | undefined;

  /** @param maximumBlockBytes of any block that is given */
  constructor(
    file: SnapshotFile,
    pool: BlockPool,
    options: { readonly isEncrypted: boolean; readonly maximumBlockBytes: number },
  ) {
    this.#file = file;
    this.#pool = pool;
    this.#isEncrypted = options.isEncrypted;
    this.#batchBytes = Math.max(BATCH_BYTES, options.maximumBlockBytes);
    const affordable = Math.max(2, Math.floor(ALL_BATCHES_BYTES / this.#batchBytes));
    this.#batchLimit = Math.min(pool.batchesAtOnce, affordable);
  }

  /** From here on blocks belong to this stream; the disk comes first. */
  beginStream(stream: StreamName): void {
    this.#give({ kind: 'stream', stream });
  }

  /** Bytes of a reservation that nothing else is in. */
  get batchBytes(): number {
    return this.#batchBytes;
  }

  /** Memory for the next blocks, at least so many bytes of it. It is valid until the next call. */
  async reserve(bytes: number): Promise<Buffer> {
    this.#throwFailure();
    if (this.#current !== undefined) {
      const { room, isFull } = this.#current.batch;
      if (room.length >= bytes && !isFull) return room;
      this.#submit();
    }
    while (this.#free.length === 0 && this.#batchCount === this.#batchLimit) {
      await this.#change();
    }
    let batch = this.#free.pop();
    if (batch === undefined) {
      batch = BlockBatch.create(this.#batchBytes);
      this.#batchCount++;
    }
    batch.clear();
    this.#current = { batch, isDone: false, segments: 0 };
    return batch.room;
  }

  /**
   * The next block. Its bytes lie in what `reserve` gave, behind those of the blocks since then; a reservation
   * takes MAX_BLOCKS of them at the most.
   */
  addBlock(bytes: Buffer): void {
    const work = this.#current;
    if (work === undefined) throw new Error('no memory was reserved');
    const block = work.batch.add(bytes, this.#givenBlocks++);
    const last = this.#queue.at(-1);
    if (last?.kind === 'segment' && last.work === work) last.endBlock = block + 1;
    else {
      work.segments++;
      this.#queue.push({ kind: 'segment', work, firstBlock: block, endBlock: block + 1 });
    }
  }

  /** A block of zeros or a parent reference. */
  addEntry(entry: EncodableEntry): void {
    this.#givenBlocks++;
    this.#give({ kind: 'entry', entry });
  }

  /** Parent references of blocks of one length, encoded; they are copied if they have to wait. */
  addReferences(entries: Buffer, blockBytes: number): void {
    this.#givenBlocks += entries.length / LONG_ENTRY_BYTES;
    if (this.#isIdle()) {
      this.#write({ kind: 'references', entries, blockBytes });
      return;
    }
    this.#waitingBytes += entries.length;
    this.#queue.push({ kind: 'references', entries: Buffer.from(entries), blockBytes });
  }

  /** A block as another file stores it; its bytes are copied if they have to wait. */
  addCopy(copy: StoredCopy): void {
    this.#givenBlocks++;
    if (this.#isIdle()) {
      this.#write({ kind: 'copy', copy });
      return;
    }
    // What it waits for shall not wait for more.
    this.#submit();
    this.#waitingBytes += copy.stored.length;
    this.#queue.push({ kind: 'copy', copy: { ...copy, stored: Buffer.from(copy.stored) } });
  }

  /** Waits until not too much is waiting. */
  async settle(): Promise<void> {
    this.#throwFailure();
    if (this.#isTooMuch()) this.#submit();
    while (this.#isTooMuch()) await this.#change();
  }

  #isTooMuch(): boolean {
    return (
      this.#queue.length - this.#queueStart > MAX_WAITING || this.#waitingBytes > MAX_WAITING_BYTES
    );
  }

  /** Waits until everything that was given is in the file. */
  async finish(): Promise<void> {
    this.#submit();
    while (!this.#isIdle()) await this.#change();
    this.#throwFailure();
  }

  #give(waiting: Waiting): void {
    if (this.#isIdle()) this.#write(waiting);
    else this.#queue.push(waiting);
  }

  #isIdle(): boolean {
    return this.#queue.length === this.#queueStart;
  }

  #submit(): void {
    const work = this.#current;
    this.#current = undefined;
    if (work === undefined) return;
    if (work.batch.blockCount === 0) {
      this.#free.push(work.batch);
      return;
    }
    this.#pool.encode(work.batch).then(
      (batch) => {
        work.batch = batch;
        work.isDone = true;
        this.#drain();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** Writes what no longer waits for anything. */
  #drain(): void {
    try {
      while (this.#failure === undefined && !this.#isIdle()) {
        const first = this.#queue[this.#queueStart] as Waiting;
        if (first.kind === 'segment' && !first.work.isDone) break;
        this.#queueStart++;
        if (first.kind === 'copy') this.#waitingBytes -= first.copy.stored.length;
        if (first.kind === 'references') this.#waitingBytes -= first.entries.length;
        this.#write(first);
      }
    } catch (error) {
      this.#fail(error);
    }
    // Most of the time this empties it.
    if (this.#isIdle() || this.#queueStart > MAX_WAITING) {
      this.#queue.splice(0, this.#queueStart);
      this.#queueStart = 0;
    }
    this.#wake?.();
  }

  #write(waiting: Waiting): void {
    const counts = this.counts[this.#stream];
    switch (waiting.kind) {
      case 'stream':
        this.#stream = waiting.stream;
        this.#file.beginStream(waiting.stream);
        break;
      case 'entry':
        if (waiting.entry.kind === 'zero') counts.zeroBlocks++;
        else counts.parentBlocks++;
        this.#file.add(waiting.entry);
        break;
      case 'references':
        counts.parentBlocks += waiting.entries.length / LONG_ENTRY_BYTES;
        this.#file.addEncoded(waiting.entries, waiting.blockBytes);
        break;
      case 'copy':
        this.#writeCopy(waiting.copy, counts);
        break;
      case 'segment':
        for (let block = waiting.firstBlock; block < waiting.endBlock; block++) {
          this.#writeEncoded(waiting.work.batch, block, counts);
        }
        if (--waiting.work.segments === 0) this.#free.push(waiting.work.batch);
    }
  }

  #writeEncoded(batch: BlockBatch, block: number, counts: StreamCounts): void {
    const logicalLength = batch.lengthOf(block);
    if (batch.outcomeOf(block) === 'zero') {
      counts.zeroBlocks++;
      this.#file.add({ kind: 'zero', logicalLength });
      return;
    }
    const hash = this.#isEncrypted ? undefined : batch.hashOf(block);
    const known = hash === undefined ? undefined : this.#sameBlock(hash, logicalLength);
    if (known !== undefined) {
      counts.sharedBlocks++;
      this.#file.add(known);
      return;
    }
    if (hash !== undefined) this.#remember(hash);
    const stored = batch.storedOf(block);
    counts.encodedBlocks++;
    counts.storedBytes += stored.length;
    this.#file.add({
      kind: 'data',
      logicalLength,
      storedOffset: this.#file.append(stored),
      storedLength: stored.length,
      checksum: batch.checksumOf(block),
      hash: hash === undefined ? undefined : Buffer.from(hash),
    });
  }

  /**
   * Blocks that are copied share with each other where they shared in their own file. They are not held against
   * hashes that others claim: those of a forged file would bring wrong bytes into sound blocks.
   */
  #writeCopy(copy: StoredCopy, counts: StreamCounts): void {
    const { logicalLength, stored, checksum, hash, source } = copy;
    const low = source.offset >>> 0;
    const high = (Math.floor(source.offset / 2 ** 32) | (source.file << 21)) >>> 0;
    const known = this.#copied.find(low, high);
    const entry = known === undefined ? undefined : this.#file.entryAt(known);
    if (entry?.storedLength === stored.length && entry.checksum === checksum) {
      counts.sharedBlocks++;
      this.#file.add({ ...entry, logicalLength, hash });
      return;
    }
    // Two entries of one place and other contents are forged; the first one stays known.
    if (known === undefined) this.#copied.add(low, high, this.#file.blockCount);
    counts.copiedBlocks++;
    counts.storedBytes += stored.length;
    this.#file.add({
      kind: 'data',
      logicalLength,
      storedOffset: this.#file.append(stored),
      storedLength: stored.length,
      checksum,
      hash,
    });
  }

  #sameBlock(hash: Buffer, logicalLength: number): DataEntry | undefined {
    const found = this.#encoded.find(hash.readUInt32LE(0), hash.readUInt32LE(4));
    if (found === undefined) return undefined;
    const entry = this.#file.entryAt(found);
    const isSame = entry.hash?.equals(hash) === true && entry.logicalLength === logicalLength;
    return isSame ? entry : undefined;
  }

  #remember(hash: Buffer): void {
    const [low, high] = [hash.readUInt32LE(0), hash.readUInt32LE(4)];
    // Two hashes that begin alike: the first one stays.
    if (this.#encoded.find(low, high) === undefined) {
      this.#encoded.add(low, high, this.#file.blockCount);
    }
  }

  /** Resolves when something was written; throws when something failed. */
  async #change(): Promise<void> {
    this.#throwFailure();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    this.#throwFailure();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function noCounts(): StreamCounts {
  return {
    encodedBlocks: 0,
    copiedBlocks: 0,
    sharedBlocks: 0,
    zeroBlocks: 0,
    parentBlocks: 0,
    storedBytes: 0,
  };
}
