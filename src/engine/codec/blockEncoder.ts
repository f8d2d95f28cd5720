/** Compresses blocks of one snapshot. The same bytes give the same result, whatever came before. */
export interface BlockEncoder {
  /** Which encoder it is and of which version: another one may write other bytes. */
  readonly name: string;
  /**
   * Writes the stored form of a block into the target, before encryption.
   *
   * @param target at least `maximumStoredBytes(plain.length)` long
   * @returns how many bytes that are
   */
  encode(plain: Buffer, target: Buffer): number;
}
