import { parseZstdFrameHeader } from '../codec/zstdFrame.js';
import type { Compression, StreamName } from '../format/types.js';
import type { Block } from '../snapshot/fileIndex.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import type { StoredCopy } from './blockPipeline.js';

/**
 * Finds blocks of a base that can go into a new snapshot as they are stored, without being decoded: those of just
 * the wanted range, with the wanted codec, not encrypted, made without a dictionary, and with a hash. Blocks that the
 * base borrows are taken from whom it borrows them.
 */
export class StoredSource {
  readonly #base: Snapshot;
  readonly #compression: Compression;
  readonly #fileNumbers: ReadonlyMap<Snapshot, number>;

  constructor(base: Snapshot, compression: Compression) {
    this.#base = base;
    this.#compression = compression;
    this.#fileNumbers = new Map(base.chain().map((snapshot, number) => [snapshot, number]));
  }

  /**
   * @returns undefined where the range has to be decoded; `stored` is valid until the next call
   * @throws HexzError of the indexes, or CRC when the stored bytes are damaged
   */
  find(stream: StreamName, offset: number, length: number): StoredCopy | undefined {
    const found = this.#locate(stream, offset, length);
    if (found === undefined) return undefined;
    const { owner, block, hash } = found;
    const stored = owner.storedBytes(block);
    if (this.#compression === 'zstd' && parseZstdFrameHeader(stored).dictionaryId !== 0)
      return undefined;
    return {
      logicalLength: length,
      stored,
      checksum: block.checksum,
      hash,
      source: { file: this.#fileNumbers.get(owner) ?? 0, offset: block.storedOffset },
    };
  }

  /**
   * How many bytes `find` would answer with, told by the indexes alone: of a file with a dictionary, all blocks are
   * taken for ones that need it.
   */
  storedLengthOf(stream: StreamName, offset: number, length: number): number | undefined {
    const found = this.#locate(stream, offset, length);
    if (found === undefined || found.owner.header.dictionary !== undefined) return undefined;
    return found.block.storedLength;
  }

  #locate(
    stream: StreamName,
    offset: number,
    length: number,
  ): { owner: Snapshot; block: Block; hash: Buffer } | undefined {
    const found = holderOf(this.#base, stream, offset, length);
    if (found === undefined) return undefined;
    const { compression, encryption } = found.owner.header;
    const { hash } = found.block;
    if (compression !== this.#compression || encryption !== undefined || hash === undefined) {
      return undefined;
    }
    return { ...found, hash };
  }
}

/** The data block of just this range, in a snapshot or in whom it borrows it from by offset. */
function holderOf(
  snapshot: Snapshot,
  stream: StreamName,
  offset: number,
  length: number,
): { owner: Snapshot; block: Block } | undefined {
  const block = snapshot.blockAt(stream, offset);
  if (block?.offset !== offset || block.length !== length) return undefined;
  if (block.kind === 'data') return { owner: snapshot, block };
  const [parent] = snapshot.parents;
  // Of generation B the bytes may lie anywhere in the parents; those are decoded.
  if (block.kind !== 'parent' || parent === undefined || snapshot.generation === 'B') {
    return undefined;
  }
  snapshot.checkParentReference(block);
  return holderOf(parent, stream, offset, length);
}
