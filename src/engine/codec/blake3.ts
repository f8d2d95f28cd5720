import blakeHash from '@napi-rs/blake-hash';

/** BLAKE3-256 of a plaintext block, 32 bytes. */
export function blake3(bytes: Buffer): Buffer {
  return blakeHash.blake3(bytes);
}
