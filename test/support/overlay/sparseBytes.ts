const CHUNK_BYTES = 4096;

/** The contents of a file of any length; what was never written reads as zeros and takes no memory. */
export class SparseBytes {
  readonly #chunks = new Map<number, Buffer>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Fills the target; answers how many bytes there were. */
  read(target: Buffer, offset: number): number {
    const end = Math.min(offset + target.length, this.#length);
    for (const piece of piecesOf(offset, end)) {
      const chunk = this.#chunks.get(piece.index);
      const wanted = target.subarray(piece.start - offset, piece.end - offset);
      if (chunk === undefined) wanted.fill(0);
      else chunk.copy(wanted, 0, piece.start % CHUNK_BYTES);
    }
    return Math.max(0, end - offset);
  }

  write(bytes: Buffer, offset: number): void {
    this.place(bytes, offset);
    this.#length = Math.max(this.#length, offset + bytes.length);
  }

  /** Writes without a change of length; bytes behind the end appear when it moves there. */
  place(bytes: Buffer, offset: number): void {
    for (const { index, start, end } of piecesOf(offset, offset + bytes.length)) {
      let chunk = this.#chunks.get(index);
      if (chunk === undefined) {
        chunk = Buffer.alloc(CHUNK_BYTES);
        this.#chunks.set(index, chunk);
      }
      bytes.copy(chunk, start % CHUNK_BYTES, start - offset, end - offset);
    }
  }

  /** Moves the end; what was behind a new end is gone. */
  truncate(length: number): void {
    for (const [index, chunk] of this.#chunks) {
      const start = index * CHUNK_BYTES;
      if (start >= length) this.#chunks.delete(index);
      else if (start + CHUNK_BYTES > length) chunk.fill(0, length - start);
    }
    this.#length = length;
  }

  /** Moves the end forward; what was placed behind the old one appears. */
  extend(length: number): void {
    this.#length = Math.max(this.#length, length);
  }

  toBuffer(): Buffer {
    const bytes = Buffer.alloc(this.#length);
    this.read(bytes, 0);
    return bytes;
  }

  clone(): SparseBytes {
    const copy = new SparseBytes();
    for (const [index, chunk] of this.#chunks) copy.#chunks.set(index, Buffer.from(chunk));
    copy.#length = this.#length;
    return copy;
  }
}

function* piecesOf(
  offset: number,
  endOffset: number,
): Generator<{ index: number; start: number; end: number }> {
  let start = offset;
  while (start < endOffset) {
    const index = Math.floor(start / CHUNK_BYTES);
    const end = Math.min((index + 1) * CHUNK_BYTES, endOffset);
    yield { index, start, end };
    start = end;
  }
}
