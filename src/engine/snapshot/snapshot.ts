import type { BlockWork } from '../activity/blockWork.js';
import type { CacheMarks } from '../activity/cachedBlocks.js';
import { HexzError } from '../errors.js';
import type { SnapshotHeader } from '../format/header.js';
import type { IndexPage } from '../format/indexPage.js';
import type { StreamName } from '../format/types.js';
import type { BlockCache } from './blockCache.js';
import type { BlockDecoder } from './blockDecoder.js';
import { BlockReader } from './blockReader.js';
import {
  type Block,
  describeBlock,
  type FileIndex,
  type Generation,
  hasStream,
} from './fileIndex.js';
import type { BlockPlace } from './hashIndex.js';
import { checkReferenceLength, lenderByHash, lenderByOffset } from './lenders.js';
import { type Origin, storedOrigin } from './origin.js';
import type { StreamIndex } from './streamIndex.js';

/** A stretch of a stream that the index knows to be all zero, or that it does not. */
export interface Run {
  readonly kind: 'zero' | 'data';
  readonly length: number;
}

/** How much of a block is decoded: enough for what is read, or all of it. */
export type Decoding = 'enough' | 'whole';

const NO_ENTRIES = Buffer.alloc(0);

/**
 * An open snapshot file with its parents: reads any range of its streams, synchronously.
 *
 * Every byte that is handed out comes from a block whose checksum was right, from a parent, or is a zero
 * that the index promises. What cannot be read throws; nothing is ever made up.
 *
 * State: the cursors in the stream indexes and the caches. None of it changes what a read returns. Not for
 * use from several threads: each opens the file for itself.
 */
export class Snapshot {
  readonly path: string;
  /** What header and index pages say of this file alone. */
  readonly index: FileIndex;
  readonly header: SnapshotHeader;
  readonly generation: Generation;
  /** The snapshots that this one borrows from, in the header's order. */
  readonly parents: readonly Snapshot[];
  readonly #streams: Readonly<Record<StreamName, StreamIndex>>;
  readonly #blocks: BlockReader;
  readonly #cache: BlockCache;
  #ancestors: readonly Snapshot[] | undefined;
  #work: BlockWork | undefined;
  #cacheMarks: CacheMarks | undefined;

  /** @internal Use `openSnapshot`. */
  constructor(
    index: FileIndex,
    parents: readonly Snapshot[],
    decoder: BlockDecoder,
    cache: BlockCache,
  ) {
    this.path = index.source.path;
    this.index = index;
    this.header = index.header;
    this.generation = index.generation;
    this.parents = parents;
    this.#streams = index.streams;
    this.#blocks = new BlockReader(decoder, cache, index.header.encryption !== undefined);
    this.#cache = cache;
  }

  /** Memory for decoded blocks of the whole chain, in bytes. */
  get cacheBytes(): number {
    return this.#cache.capacityBytes;
  }

  /** Size of a stream in bytes; 0 for one that the snapshot does not have. */
  streamLength(stream: StreamName): number {
    return this.index.masterIndex[stream].streamLength;
  }

  /**
   * From now on reads count there which blocks of this snapshot they touch, and which of the chain they take; the
   * marks tell which of its blocks are cached.
   *
   * @internal For the volume.
   */
  countInto(work: BlockWork, marks: CacheMarks): void {
    this.#work = work;
    this.#cacheMarks = marks;
    this.#cache.work = work;
    this.#cache.marks = marks;
  }

  /** Whether the snapshot has a stream; it may still be empty. */
  hasStream(stream: StreamName): boolean {
    return hasStream(this.index, stream);
  }

  /**
   * Reads from a stream into the target: as many bytes as fit, fewer only at the end of the stream.
   *
   * @param decoding whether a block of which only the beginning is needed may be decoded only so far, or is decoded whole:
   *   then nothing that is damaged in it goes unnoticed
   * @returns the number of bytes read; 0 at or behind the end
   * @throws HexzError naming file, stream, block and offset; the target's contents then mean nothing
   */
  readInto(
    stream: StreamName,
    offset: number,
    target: Buffer,
    decoding: Decoding = 'enough',
  ): number {
    checkOffset(offset);
    checkStream(stream);
    if (!Buffer.isBuffer(target)) throw new HexzError('USAGE', 'the target must be a Buffer');
    const length = Math.max(0, Math.min(target.length, this.streamLength(stream) - offset));
    let done = 0;
    while (done < length) {
      done += this.#readPiece(stream, offset + done, target, done, length - done, decoding);
    }
    return length;
  }

  /**
   * Memory for `readInto` to fill, with anything in it: whole blocks are decoded straight into it, but into any other by way
   * of a copy. It counts beyond the cache: for few buffers, which are used again until they go to `freeTarget`.
   */
  allocateTarget(length: number): Buffer {
    return this.#cache.memory.allocate(length);
  }

  /** Takes back what `allocateTarget` has answered. */
  freeTarget(target: Buffer): void {
    this.#cache.memory.free(target);
  }

  /** The block that covers an offset; undefined where no block does (behind the last one). */
  blockAt(stream: StreamName, offset: number): Block | undefined {
    checkOffset(offset);
    if (offset >= this.streamLength(stream)) return undefined;
    const index = this.#seek(stream, offset);
    return index.page === undefined ? undefined : describeBlock(stream, index.page, index.entry);
  }

  /**
   * Index entries as they are stored, from the block on that begins at an offset: as many as lie together in the index and
   * have this length, at most so many; none if no block begins there. A view that is valid until the next call.
   */
  encodedEntriesAt(
    stream: StreamName,
    offset: number,
    blockLength: number,
    maximum: number,
  ): Buffer {
    checkOffset(offset);
    if (offset >= this.streamLength(stream)) return NO_ENTRIES;
    const { page, entry, start } = this.#seek(stream, offset);
    if (page === undefined || start !== offset) return NO_ENTRIES;
    return page.encodedEntries(entry, blockLength, maximum);
  }

  /** All blocks of a stream in order, also empty ones. */
  blocks(stream: StreamName): Generator<Block, void> {
    return this.index.blocks(stream);
  }

  /**
   * The run of zeros, or of bytes that must be read, that begins at an offset inside the stream. Only the
   * indexes are asked: data blocks that hold zeros count as data.
   *
   * @param limit where looking further stops; the run may end there though its kind goes on
   */
  runAt(stream: StreamName, offset: number, limit = Number.POSITIVE_INFINITY): Run {
    checkOffset(offset);
    const end = Math.min(this.streamLength(stream), offset + limit);
    if (offset >= end) return { kind: 'zero', length: 0 };
    const first = this.#pieceKindAt(stream, offset, end - offset);
    let length = first.length;
    while (offset + length < end) {
      const next = this.#pieceKindAt(stream, offset + length, end - offset - length);
      if (next.kind !== first.kind) break;
      length += next.length;
    }
    return { kind: first.kind, length };
  }

  /**
   * Where the bytes at an offset come from, through all parents. Only the indexes are asked.
   *
   * @param limit where looking further stops
   * @throws HexzError as `readInto`, but for what only the block itself could tell
   */
  originAt(stream: StreamName, offset: number, limit = Number.POSITIVE_INFINITY): Origin {
    checkOffset(offset);
    const wanted = Math.min(this.streamLength(stream) - offset, limit);
    if (wanted <= 0) return { kind: 'zero', length: Math.max(0, limit) };
    const { kind, page, entry, start, end } = this.#seek(stream, offset);
    const length = Math.min(end - offset, wanted);
    const innerOffset = offset - start;
    if (kind === 'data' && page !== undefined) {
      const { identity } = this.index.source;
      const isEncrypted = this.header.encryption !== undefined;
      return storedOrigin({ identity, isEncrypted }, page, entry, innerOffset, length);
    }
    if (kind !== 'parent' || page === undefined) {
      const [parent] = kind === 'uncovered' ? this.parents : [];
      return parent?.originAt(stream, offset, length) ?? { kind: 'zero', length };
    }
    try {
      checkReferenceLength(page.storedLengthOf(entry));
      const hash = page.hashOf(entry);
      const blockLength = page.logicalLengthOf(entry);
      if (this.generation === 'B') {
        return { kind: 'block', length, blockLength, innerOffset, hash, stored: undefined };
      }
      return lenderByOffset(this.parents, stream, start, blockLength, hash).originAt(
        stream,
        offset,
        length,
      );
    } catch (error) {
      throw this.#located(error, stream, page.startBlockIndex + entry, start);
    }
  }

  /**
   * Decodes one data block of this file, past the cache.
   *
   * @param target exactly as long as the block
   * @throws HexzError naming file, stream, block and offset
   */
  decodeBlock(block: Block, target: Buffer): void {
    try {
      this.#blocks.decode(block, target);
    } catch (error) {
      throw this.#located(error, block.stream, block.blockIndex, block.offset);
    }
  }

  /**
   * The stored bytes of a data block of this file, whose checksum is right; a view that is valid until the next
   * call.
   *
   * @throws HexzError naming file, stream, block and offset
   */
  storedBytes(block: Block): Buffer {
    try {
      return this.#blocks.stored(block, block.length);
    } catch (error) {
      throw this.#located(error, block.stream, block.blockIndex, block.offset);
    }
  }

  /**
   * Holds a parent reference against the parents, without decoding anything: generation B's block must
   * be there; in A and A4, where both sides record a hash for the same range, the hashes must be equal.
   *
   * @throws HexzError PARENT_BLOCK_MISSING, PARENT_MISMATCH, BAD_INDEX
   */
  checkParentReference(block: Block): void {
    try {
      checkReferenceLength(block.storedLength);
      if (this.generation === 'B') this.#findByHash(block.hash, block.length);
      else lenderByOffset(this.parents, block.stream, block.offset, block.length, block.hash);
    } catch (error) {
      throw this.#located(error, block.stream, block.blockIndex, block.offset);
    }
  }

  /** Closes the file and its parents. */
  close(): void {
    for (const snapshot of this.chain()) snapshot.index.source.close();
    this.#cache.clear();
  }

  /** Whether it or one of its ancestors is encrypted: what it shows is not for everybody. */
  get isChainEncrypted(): boolean {
    return this.chain().some(({ header }) => header.encryption !== undefined);
  }

  /** This snapshot and all its ancestors, each once, children before parents. */
  chain(): Snapshot[] {
    const seen = new Set<Snapshot>();
    const visit = (snapshot: Snapshot) => {
      if (seen.has(snapshot)) return;
      seen.add(snapshot);
      snapshot.parents.forEach(visit);
    };
    visit(this);
    return [...seen];
  }

  /** Reads at least one byte and at most to the end of the entry that covers the offset. */
  #readPiece(
    stream: StreamName,
    offset: number,
    target: Buffer,
    targetOffset: number,
    wanted: number,
    decoding: Decoding,
  ): number {
    const index = this.#seek(stream, offset);
    const { kind, page, entry, start, end } = index;
    const length = Math.min(wanted, end - offset);
    const targetEnd = targetOffset + length;
    if (page !== undefined) {
      this.#work?.touch(page.startBlockIndex + entry);
      this.#cacheMarks?.at(stream, start);
    }
    try {
      if (kind === 'data' && page !== undefined) {
        if (length === end - start) {
          this.#blocks.readWhole(page, entry, target.subarray(targetOffset, targetEnd));
        } else {
          const innerOffset = offset - start;
          const needed = decoding === 'whole' ? end - start : innerOffset + length;
          const plain = this.#blocks.plaintext(page, entry, needed);
          plain.copy(target, targetOffset, innerOffset, innerOffset + length);
        }
      } else if (kind === 'parent' && page !== undefined) {
        this.#readFromParent(
          stream,
          page,
          entry,
          offset,
          target.subarray(targetOffset, targetEnd),
          decoding,
        );
      } else {
        const [parent] = kind === 'uncovered' ? this.parents : [];
        const count =
          parent?.readInto(stream, offset, target.subarray(targetOffset, targetEnd), decoding) ?? 0;
        target.fill(0, targetOffset + count, targetEnd);
      }
    } catch (error) {
      const blockIndex = page === undefined ? undefined : page.startBlockIndex + entry;
      throw this.#located(error, stream, blockIndex, start);
    }
    return length;
  }

  #readFromParent(
    stream: StreamName,
    page: IndexPage,
    entry: number,
    offset: number,
    target: Buffer,
    decoding: Decoding,
  ): void {
    checkReferenceLength(page.storedLengthOf(entry));
    const start = page.offsetOf(entry);
    const length = page.logicalLengthOf(entry);
    const hash = page.hashOf(entry);
    if (this.generation === 'B') {
      const { owner, place } = this.#findByHash(hash, length);
      const innerEnd = offset - start + target.length;
      const plain = owner.#plaintextAt(place, decoding === 'whole' ? length : innerEnd);
      plain.copy(target, 0, offset - start, innerEnd);
      return;
    }
    const parent = lenderByOffset(this.parents, stream, start, length, hash);
    target.fill(0, parent.readInto(stream, offset, target, decoding));
  }

  /** The block with this hash in the parents of a B file, their own parents included. */
  #findByHash(hash: Buffer | undefined, length: number): { owner: Snapshot; place: BlockPlace } {
    this.#ancestors ??= this.chain().slice(1);
    return lenderByHash(this.#ancestors, hash, length);
  }

  #plaintextAt({ stream, pageNumber, entry }: BlockPlace, wantedLength: number): Buffer {
    const page = this.#streams[stream].loadPage(pageNumber);
    try {
      return this.#blocks.plaintext(page, entry, wantedLength);
    } catch (error) {
      throw this.#located(error, stream, page.startBlockIndex + entry, page.offsetOf(entry));
    }
  }

  #pieceKindAt(stream: StreamName, offset: number, limit: number): Run {
    const { kind, page, entry, end } = this.#seek(stream, offset);
    const length = Math.min(end - offset, limit);
    if (kind === 'zero') return { kind: 'zero', length };
    const isReference = kind === 'parent' && page !== undefined;
    if (kind === 'data' || (isReference && !this.#isSoundReference(stream, page, entry))) {
      return { kind: 'data', length };
    }
    const [parent] = this.parents;
    const parentLength = parent?.streamLength(stream) ?? 0;
    if (parent === undefined || offset >= parentLength) return { kind: 'zero', length };
    return parent.runAt(stream, offset, Math.min(length, parentLength - offset));
  }

  /** Whether a reference by offset can be followed; where it cannot, reading says why. */
  #isSoundReference(stream: StreamName, page: IndexPage, entry: number): boolean {
    if (this.generation === 'B' || page.storedLengthOf(entry) !== 0) return false;
    try {
      const length = page.logicalLengthOf(entry);
      lenderByOffset(this.parents, stream, page.offsetOf(entry), length, page.hashOf(entry));
      return true;
    } catch {
      return false;
    }
  }

  #seek(stream: StreamName, offset: number): StreamIndex {
    const index = this.#streams[stream];
    try {
      index.seek(offset);
    } catch (error) {
      throw this.#located(error, stream, undefined, offset);
    }
    return index;
  }

  #located(error: unknown, stream: StreamName, blockIndex?: number, offset?: number): unknown {
    if (!(error instanceof HexzError)) return error;
    const { file, stream: known } = error.location;
    // An error that names another file comes from a parent and knows its own place.
    if (known !== undefined || (file !== undefined && file !== this.path)) return error;
    return error.at({ file: this.path, stream, blockIndex, offset });
  }
}

function checkStream(stream: string): void {
  if (stream !== 'disk' && stream !== 'memory') {
    throw new HexzError('USAGE', `there is no stream "${stream}", only disk and memory`);
  }
}

function checkOffset(offset: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new HexzError('USAGE', `offset ${offset} is not a whole number from 0 on`);
  }
}
