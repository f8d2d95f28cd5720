import { decryptBlock } from '../codec/aesGcm.js';
import { crc32 } from '../codec/crc32.js';
import { decodeLz4 } from '../codec/lz4.js';
import { decodeZstd } from '../codec/zstd.js';
import { HexzError } from '../errors.js';
import type { StoredBlock } from '../format/indexPage.js';
import { maximumStoredBytes } from '../format/limits.js';
import { liesInFile, outside } from '../format/references.js';
import type { Compression } from '../format/types.js';
import type { Source } from './source.js';

/**
 * Turns stored blocks of one file into plaintext: read, CRC, decrypt, decompress. A byte reaches the
 * target only from a block whose CRC (and GCM tag) was right, and a target that was not filled completely
 * is reported by an exception; its contents then mean nothing.
 *
 * State: `#stored` is the buffer that stored bytes are read into. It grows to the longest block met.
 */
export class BlockDecoder {
  readonly #source: Source;
  readonly #compression: Compression;
  readonly #key: Buffer | undefined;
  readonly #dictionary: Buffer | undefined;
  #stored = Buffer.alloc(0);

  constructor(
    source: Source,
    compression: Compression,
    key: Buffer | undefined,
    dictionary: Buffer | undefined,
  ) {
    this.#source = source;
    this.#compression = compression;
    this.#key = key;
    this.#dictionary = dictionary;
  }

  /**
   * Decodes a block into all of the target.
   *
   * @param target exactly as long as the block's logical length
   * @throws HexzError BAD_OFFSET, BAD_BLOCK, CRC, AUTH, UNREADABLE
   */
  decode(block: StoredBlock, target: Buffer): void {
    const { storedOffset, storedLength } = block;
    if (!liesInFile(storedOffset, storedLength, this.#source.length)) {
      throw new HexzError(
        'BAD_OFFSET',
        `the block ${outside(storedOffset, storedLength, this.#source.length)}`,
      );
    }
    if (storedLength > maximumStoredBytes(target.length)) {
      throw new HexzError(
        'BAD_BLOCK',
        `${storedLength} stored bytes for a block of ${target.length} bytes`,
      );
    }
    if (storedLength > this.#stored.length) this.#stored = Buffer.allocUnsafeSlow(storedLength);
    const stored = this.#stored.subarray(0, storedLength);
    this.#source.read(stored, storedOffset);
    const checksum = crc32(stored);
    if (checksum !== block.checksum) {
      throw new HexzError(
        'CRC',
        `the stored bytes are damaged (CRC-32 ${hex32(checksum)}, should be ${hex32(block.checksum)})`,
      );
    }
    const packed =
      this.#key === undefined ? stored : decryptBlock(this.#key, block.blockIndex, stored);
    if (this.#compression === 'lz4') decodeLz4(packed, target);
    else decodeZstd(packed, target, this.#dictionary);
  }
}

const hex32 = (value: number): string => value.toString(16).padStart(8, '0');
