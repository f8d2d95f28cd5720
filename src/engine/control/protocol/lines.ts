import { HexzError } from '../../errors.js';

const LINE_FEED = 0x0a;

/**
 * Cuts a stream of bytes into lines. A line that is not complete yet is kept in the pieces that came, so that one long
 * line costs no more than its length.
 */
export class LineSplitter {
  readonly #maximumBytes: number;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;

  constructor(maximumBytes: number) {
    this.#maximumBytes = maximumBytes;
  }

  /**
   * The lines that are complete with this chunk, without line feeds; empty ones are left out.
   *
   * @throws HexzError LIMIT for a line that is too long
   */
  *take(chunk: Buffer): Generator<string, void> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      const piece = chunk.subarray(start, end === -1 ? chunk.length : end);
      if (this.#pieceBytes + piece.length > this.#maximumBytes) {
        throw new HexzError('LIMIT', `a message has more than ${this.#maximumBytes} bytes`);
      }
      if (end === -1) {
        if (piece.length > 0) this.#pieces.push(piece);
        this.#pieceBytes += piece.length;
        return;
      }
      const line = this.#pieces.length === 0 ? piece : Buffer.concat([...this.#pieces, piece]);
      this.#pieces = [];
      this.#pieceBytes = 0;
      start = end + 1;
      if (line.length > 0) yield line.toString('utf8');
    }
  }
}
