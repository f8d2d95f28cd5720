import { blake3 } from '../codec/blake3.js';
import type { IndexPage } from '../format/indexPage.js';

/** Where bytes of a stream come from, as far as the indexes of the chain tell. Lengths and offsets in bytes. */
export type Origin = ZeroOrigin | BlockOrigin;

interface ZeroOrigin {
  readonly kind: 'zero';
  readonly length: number;
}

interface BlockOrigin {
  readonly kind: 'block';
  /** How far it goes on like this. */
  readonly length: number;
  readonly blockLength: number;
  /** Where in the plaintext of the block the bytes begin. */
  readonly innerOffset: number;
  /** BLAKE3 of the plaintext of the block, where one is recorded. */
  readonly hash: Buffer | undefined;
  /** Undefined where only its hash tells which block it is. */
  readonly stored: StoredOrigin | undefined;
}

interface StoredOrigin {
  readonly fileIdentity: string;
  readonly storedOffset: number;
  readonly storedLength: number;
  readonly checksum: number;
  /** The nonce; undefined where the file is not encrypted. */
  readonly blockIndex: number | undefined;
}

/** The origin of bytes in a data block of a file. */
export function storedOrigin(
  file: { readonly identity: string; readonly isEncrypted: boolean },
  page: IndexPage,
  entry: number,
  innerOffset: number,
  length: number,
): Origin {
  const { storedOffset, storedLength, checksum, blockIndex } = page.storedBlock(entry);
  const { identity: fileIdentity, isEncrypted } = file;
  return {
    kind: 'block',
    length,
    blockLength: page.logicalLengthOf(entry),
    innerOffset,
    hash: page.hashOf(entry),
    stored: {
      fileIdentity,
      storedOffset,
      storedLength,
      checksum,
      blockIndex: isEncrypted ? blockIndex : undefined,
    },
  };
}

/** Blocks of zeros up to this length are known by their hash. */
const MAX_ZERO_BLOCK_BYTES = 1024 * 1024;
const MAX_ZERO_HASHES = 64;

/**
 * Tells from indexes alone whether bytes are the same.
 *
 * State: `#zeroHashes`, the hashes of blocks of zeros that were asked for, by their length.
 */
export class OriginComparer {
  readonly #zeroHashes = new Map<number, Buffer>();

  /**
   * Whether as many bytes as the shorter of both has are the same: zeros on both sides, the same part of one
   * stored block, or of blocks of one length with one hash. False where only the bytes could tell.
   *
   * Believed are the hashes that the indexes record: `verifyChain` checks them. Entries that name one stored block
   * but differ in its length, checksum or nonce contradict each other, and prove nothing.
   */
  isSame(a: Origin, b: Origin): boolean {
    if (a.kind === 'zero') return b.kind === 'zero' || this.#isZero(b);
    if (b.kind === 'zero') return this.#isZero(a);
    if (a.innerOffset !== b.innerOffset || a.blockLength !== b.blockLength) return false;
    return (
      isSameStored(a.stored, b.stored) || (b.hash !== undefined && a.hash?.equals(b.hash) === true)
    );
  }

  #isZero({ hash, blockLength }: BlockOrigin): boolean {
    if (hash === undefined || blockLength > MAX_ZERO_BLOCK_BYTES) return false;
    let zeroHash = this.#zeroHashes.get(blockLength);
    if (zeroHash === undefined) {
      if (this.#zeroHashes.size >= MAX_ZERO_HASHES) this.#zeroHashes.clear();
      zeroHash = blake3(Buffer.alloc(blockLength));
      this.#zeroHashes.set(blockLength, zeroHash);
    }
    return zeroHash.equals(hash);
  }
}

const isSameStored = (a: StoredOrigin | undefined, b: StoredOrigin | undefined): boolean =>
  a !== undefined &&
  a.storedOffset === b?.storedOffset &&
  a.storedLength === b.storedLength &&
  a.checksum === b.checksum &&
  a.blockIndex === b.blockIndex &&
  a.fileIdentity === b.fileIdentity;
