/**
 * Bytes that can be read at any offset: a stream of a snapshot, a file, a buffer. `readInto` fills the target from an
 * offset on and answers how many bytes it read: fewer than asked only where the source ends.
 */
export interface ByteSource {
  readonly length: number;
  readInto(offset: number, target: Buffer): number;
}
