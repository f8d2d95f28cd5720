import { blake3 } from '../codec/blake3.js';
import type { BlockEncoder } from '../codec/blockEncoder.js';
import { maximumStoredBytes } from '../format/limits.js';
import { isZero } from '../snapshot/zeros.js';
import type { CommitSource } from './commitSource.js';

/** Enough to know how dense a disk becomes, and encoded within some tenths of a second. */
const SAMPLE_BYTES = 8 * 1024 * 1024;
/** Of a longer block, its beginning. */
const MAX_PIECE_BYTES = 1024 * 1024;
/** Bytes between two looks at whoever waits. */
const BYTES_AT_ONCE = 256 * 1024;

/** How much blocks take that are to be encoded. */
export interface EncodedEstimate {
  readonly storedBytes: number;
  /** How many were encoded to know it. */
  readonly sampledBlocks: number;
}

/**
 * Blocks of a stream that are to be encoded, of which some are, to know how much all of them will take: all where they
 * are few, else such as lie at even distances.
 *
 * Invariant: kept is every `#stride`-th block, at most twice as many as have room in the sample.
 */
export class EncodingSample {
  readonly #kept: { readonly offset: number; readonly length: number }[] = [];
  readonly #room: number;
  #stride = 1;
  #blocks = 0;
  #bytes = 0;

  constructor(blockBytes: number) {
    this.#room = Math.max(4, Math.floor(SAMPLE_BYTES / Math.min(blockBytes, MAX_PIECE_BYTES)));
  }

  add(offset: number, length: number): void {
    if (this.#blocks++ % this.#stride === 0) this.#kept.push({ offset, length });
    this.#bytes += length;
    if (this.#kept.length < 2 * this.#room) return;
    this.#stride *= 2;
    const every = this.#kept.filter((_, index) => index % 2 === 0);
    this.#kept.splice(0, Number.POSITIVE_INFINITY, ...every);
  }

  /**
   * Encodes what was kept. Blocks of zeros, and those like one before, take nothing.
   *
   * @throws HexzError of base and overlay
   */
  *measure(source: CommitSource, encoder: BlockEncoder): Generator<void, EncodedEstimate> {
    const seen = new Set<string>();
    let plain = Buffer.alloc(0);
    let target = Buffer.alloc(0);
    let readBytes = 0;
    let storedBytes = 0;
    let toldBytes = 0;
    for (const { offset, length } of this.#kept) {
      const pieceBytes = Math.min(length, MAX_PIECE_BYTES);
      if (plain.length < pieceBytes) {
        plain = Buffer.allocUnsafeSlow(pieceBytes);
        target = Buffer.allocUnsafeSlow(maximumStoredBytes(pieceBytes) + 4);
      }
      const piece = plain.subarray(0, pieceBytes);
      source.read(offset, piece);
      readBytes += pieceBytes;
      if (!isZero(piece)) {
        const hash = blake3(piece).toString('hex');
        if (!seen.has(hash)) storedBytes += encoder.encode(piece, target);
        seen.add(hash);
      }
      if (readBytes - toldBytes < BYTES_AT_ONCE) continue;
      toldBytes = readBytes;
      yield;
    }
    const density = readBytes === 0 ? 0 : storedBytes / readBytes;
    return {
      storedBytes: Math.ceil(density * this.#bytes),
      sampledBlocks: this.#kept.length,
    };
  }
}
