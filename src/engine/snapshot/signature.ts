import { createHash, createPublicKey, verify } from 'node:crypto';
import { HexzError } from '../errors.js';
import { streamNames } from '../format/types.js';
import type { FileIndex } from './fileIndex.js';
import type { Source } from './source.js';

const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
const CHUNK_BYTES = 1024 * 1024;

/** DER of an Ed25519 public key, up to the raw key (RFC 8410). */
const PUBLIC_KEY_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Checks the Ed25519 signature of a snapshot, which covers the master index, the metadata and earlier
 * signatures, and neither header nor index pages nor blocks (docs/format.md, "Signature").
 *
 * @param publicKey the raw key: the first 32 bytes count
 * @throws HexzError NOT_SIGNED, BAD_SIGNATURE, BAD_KEY, UNREADABLE
 */
export function checkSignature(index: FileIndex, publicKey: Buffer): void {
  const { source, header } = index;
  const location = { file: source.path };
  if (publicKey.length < KEY_BYTES) {
    throw new HexzError(
      'BAD_KEY',
      `a public key of ${publicKey.length} bytes (${KEY_BYTES} needed)`,
    );
  }
  const { signature, indexOffset } = header;
  if (signature === undefined) {
    throw new HexzError('NOT_SIGNED', 'the snapshot is not signed', { location });
  }
  if (signature.length !== SIGNATURE_BYTES || signature.offset < indexOffset) {
    throw new HexzError(
      'BAD_SIGNATURE',
      `no signature can be ${signature.length} bytes at ${signature.offset}, with the index at ${indexOffset}`,
      { location },
    );
  }
  const signatureBytes = Buffer.alloc(SIGNATURE_BYTES);
  source.read(signatureBytes, signature.offset);
  const key = createPublicKey({
    key: Buffer.concat([PUBLIC_KEY_PREFIX, publicKey.subarray(0, KEY_BYTES)]),
    format: 'der',
    type: 'spki',
  });
  const refuse = (message: string) => new HexzError('BAD_SIGNATURE', message, { location });
  const message = digestOf(source, indexOffset, signature.offset);
  if (!verify(null, message, key, signatureBytes)) {
    throw refuse('the signature does not fit this file and key');
  }
  const problem = findUnsigned(index, signature.offset);
  if (problem !== undefined) throw refuse(problem);
}

/** What is signed: the SHA-256 of the file from the master index to the signature. */
export function digestOf(source: Source, start: number, end: number): Buffer {
  const hash = createHash('sha256');
  for (let offset = start; offset < end; ) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - offset));
    source.read(chunk, offset);
    hash.update(chunk);
    offset += chunk.length;
  }
  return hash.digest();
}

/**
 * What a signature would not cover although it should: the header is not signed, so what it points at has to
 * lie where writers put it, the metadata within the signed range and the index pages before the master index.
 */
export function findUnsigned(
  { header, masterIndex }: FileIndex,
  signedEnd: number,
): string | undefined {
  const { indexOffset, metadata } = header;
  if (
    metadata !== undefined &&
    metadata.length > 0 &&
    (metadata.offset < indexOffset || metadata.offset + metadata.length > signedEnd)
  ) {
    return 'the metadata does not lie in what is signed';
  }
  for (const stream of streamNames) {
    const { pageCount, pageOffsets, pageLengths } = masterIndex[stream];
    for (let page = 0; page < pageCount; page++) {
      if ((pageOffsets[page] as number) + (pageLengths[page] as number) > indexOffset) {
        return `index page ${page} of the ${stream} stream lies behind the master index`;
      }
    }
  }
  return undefined;
}
