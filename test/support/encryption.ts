import { createCipheriv, randomBytes } from 'node:crypto';
import { deriveKey } from '../../src/engine/codec/aesGcm.js';
import type { EncryptionParameters } from '../../src/index.js';
import { type Packer, packLz4 } from './snapshotWriter.js';

/** AES-256-GCM as stored blocks have it: the nonce is the global block index, the tag stands behind. */
export function encryptBlock(key: Buffer, blockIndex: number, plain: Buffer): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(blockIndex), 4);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Header field and packer for a snapshot whose entries are all data blocks, from a block index on. */
export function encryptedWith(
  password: string,
  firstBlockIndex = 0,
): {
  readonly encryption: EncryptionParameters;
  readonly pack: Packer;
} {
  const encryption = { salt: randomBytes(16), iterations: 100_000 };
  const key = deriveKey(password, encryption);
  let blockIndex = firstBlockIndex;
  return { encryption, pack: (plain) => encryptBlock(key, blockIndex++, packLz4(plain)) };
}
