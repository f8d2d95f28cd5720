/** Bytes at offsets from 0 on: a stream of a snapshot or a volume, memory in a container, or a buffer. */
export interface ByteSource {
  /** In bytes. */
  readonly length: number;
  /**
   * Reads into the target: as many bytes as fit, fewer only at the end.
   *
   * @returns the number of bytes read; 0 at or behind the end
   * @throws HexzError for bytes that are not there or cannot be read; the target's contents then mean nothing
   */
  readInto(offset: number, target: Buffer): number;
}
