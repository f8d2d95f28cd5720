/** A place that fits, in a window of bytes. */
export interface Found {
  readonly startIndex: number;
  readonly length: number;
}

/** Finds a pattern in windows of bytes. What it finds depends on the window alone. */
export interface Matcher {
  /** Bytes of the longest match. */
  readonly longestBytes: number;
  /** Bytes before a place that have a say in what is found there. */
  readonly contextBytes: number;
  /** Whether zeros alone can be a match. */
  readonly matchesZeros: boolean;
  /**
   * The matches that begin from one index on and before another, in the order of where they begin. Undefined is a
   * pause: it comes after some thousands of bytes that take long.
   *
   * @param bytes are not changed until the generator has ended
   */
  matches(bytes: Buffer, startIndex: number, endIndex: number): Generator<Found | undefined, void>;
}
