import { decryptBlock } from '../codec/aesGcm.js';
import { crc32 } from '../codec/crc32.js';
import type { DecoderMemory } from '../codec/decoderMemory.js';
import { decodeLz4 } from '../codec/lz4.js';
import { decodeZstd } from '../codec/zstd.js';
import { HexzError } from '../errors.js';
import type { StoredBlock } from '../format/indexPage.js';
import { maximumStoredBytes } from '../format/limits.js';
import { liesInFile, outside } from '../format/references.js';
import type { Compression } from '../format/types.js';
import type { Source } from './source.js';

/** How much is read at once from blocks that follow each other; small enough for the processor's cache. */
const READ_AHEAD_BYTES = 256 * 1024;

const NOTHING = Buffer.alloc(0);

/**
 * Turns stored blocks of one file into plaintext: read, CRC, decrypt, decompress. A byte reaches the
 * target only from a block whose CRC (and GCM tag) was right, and a target that was not filled completely
 * is reported by an exception; its contents then mean nothing.
 *
 * State: `#window` holds the bytes of the file from `#windowOffset` on, `#windowLength` of them. Blocks
 * that follow each other in the file are read many at a time; any other block is read alone. The file does not change, so
 * what is in the window stays true.
 */
export class BlockDecoder {
  readonly #source: Source;
  readonly #compression: Compression;
  readonly #key: Buffer | undefined;
  readonly #dictionary: Buffer | undefined;
  readonly #memory: DecoderMemory;
  #window: Buffer = NOTHING;
  #windowOffset = 0;
  #windowLength = 0;

  constructor(
    source: Source,
    compression: Compression,
    key: Buffer | undefined,
    dictionary: Buffer | undefined,
    memory: DecoderMemory,
  ) {
    this.#source = source;
    this.#compression = compression;
    this.#key = key;
    this.#dictionary = dictionary;
    this.#memory = memory;
  }

  /**
   * Whether it takes less time to decode the beginning of a block. It would not be worth it where blocks are read in the
   * order of the file: the rest is wanted next.
   */
  canStopEarly({ storedOffset }: StoredBlock): boolean {
    return (
      this.#compression === 'lz4' &&
      this.#key === undefined &&
      this.#memory.canStopEarly &&
      !this.#followsWindow(storedOffset)
    );
  }

  /**
   * Decodes a block into all of the target, or at least into its first `wantedLength` bytes.
   *
   * @param target exactly as long as the block's logical length
   * @throws HexzError BAD_OFFSET, BAD_BLOCK, CRC, AUTH, UNREADABLE
   */
  decode(block: StoredBlock, target: Buffer, wantedLength = target.length): void {
    const stored = this.stored(block, target.length);
    const packed =
      this.#key === undefined ? stored : decryptBlock(this.#key, block.blockIndex, stored);
    if (this.#compression === 'lz4') {
      decodeLz4(packed, target, this.#memory.decodeLz4, wantedLength);
    } else decodeZstd(packed, target, this.#dictionary);
  }

  /**
   * The stored bytes of a block, whose checksum is right; a view that is valid until the next call.
   *
   * @throws HexzError BAD_OFFSET, BAD_BLOCK, CRC, UNREADABLE
   */
  stored(block: StoredBlock, logicalLength: number): Buffer {
    const { storedOffset, storedLength } = block;
    if (!liesInFile(storedOffset, storedLength, this.#source.length)) {
      throw new HexzError(
        'BAD_OFFSET',
        `the block ${outside(storedOffset, storedLength, this.#source.length)}`,
      );
    }
    if (storedLength > maximumStoredBytes(logicalLength)) {
      throw new HexzError(
        'BAD_BLOCK',
        `${storedLength} stored bytes for a block of ${logicalLength} bytes`,
      );
    }
    const stored = this.#read(storedOffset, storedLength);
    const checksum = crc32(stored);
    if (checksum !== block.checksum) {
      throw new HexzError(
        'CRC',
        `the stored bytes are damaged (CRC-32 ${hex32(checksum)}, should be ${hex32(block.checksum)})`,
      );
    }
    return stored;
  }

  /** Stored bytes, which lie inside the file; a view that is valid until the next call. */
  #read(offset: number, length: number): Buffer {
    let start = offset - this.#windowOffset;
    if (start < 0 || start + length > this.#windowLength) {
      this.#fill(offset, length, this.#followsWindow(offset) ? READ_AHEAD_BYTES : 0);
      start = 0;
    }
    return this.#window.subarray(start, start + length);
  }

  /** Whether an offset lies in what was read last, or right behind it. */
  #followsWindow(offset: number): boolean {
    const start = offset - this.#windowOffset;
    return start >= 0 && start <= this.#windowLength && this.#windowLength > 0;
  }

  #fill(offset: number, length: number, ahead: number): void {
    const wanted = Math.min(Math.max(length, ahead), this.#source.length - offset);
    this.#windowLength = 0;
    // A block larger than the window gets memory that is let go of with the next one.
    if (
      wanted !== this.#window.length &&
      (wanted > this.#window.length || this.#window.length > READ_AHEAD_BYTES)
    ) {
      this.#memory.free(this.#window);
      this.#window = this.#memory.allocate(Math.max(wanted, READ_AHEAD_BYTES));
    }
    try {
      this.#source.read(this.#window.subarray(0, wanted), offset);
      this.#windowLength = wanted;
    } catch (error) {
      if (wanted === length) throw error;
      // What cannot be read may lie behind the block that is needed.
      this.#source.read(this.#window.subarray(0, length), offset);
      this.#windowLength = length;
    }
    this.#windowOffset = offset;
  }
}

const hex32 = (value: number): string => value.toString(16).padStart(8, '0');
