import { createCipheriv, createDecipheriv, pbkdf2Sync } from 'node:crypto';
import { HexzError } from '../errors.js';
import type { EncryptionParameters } from '../format/types.js';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Derives the key of an encrypted snapshot: PBKDF2-HMAC-SHA256, a fifth of a second by design. */
export function deriveKey(password: string, { salt, iterations }: EncryptionParameters): Buffer {
  return pbkdf2Sync(Buffer.from(password), salt, iterations, KEY_BYTES, 'sha256');
}

/**
 * Opens a stored block: AES-256-GCM, the tag behind the ciphertext, the nonce made of the global block
 * index (docs/format.md, "Encryption").
 *
 * @throws HexzError BAD_BLOCK, AUTH
 */
export function decryptBlock(key: Buffer, blockIndex: number, stored: Buffer): Buffer {
  if (stored.length < TAG_BYTES) {
    throw new HexzError('BAD_BLOCK', `an encrypted block of ${stored.length} bytes`);
  }
  const ciphertextLength = stored.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(blockIndex), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(stored.subarray(ciphertextLength));
  const plain = decipher.update(stored.subarray(0, ciphertextLength));
  try {
    decipher.final();
  } catch {
    throw new HexzError('AUTH', 'wrong password, or the encrypted block was altered');
  }
  return plain;
}

/**
 * Closes a compressed block: what `decryptBlock` opens. A key never serves for two blocks of one index.
 */
export function encryptBlock(key: Buffer, blockIndex: number, packed: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(blockIndex), {
    authTagLength: TAG_BYTES,
  });
  return Buffer.concat([cipher.update(packed), cipher.final(), cipher.getAuthTag()]);
}

function nonceOf(blockIndex: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64BE(BigInt(blockIndex), NONCE_BYTES - 8);
  return nonce;
}
