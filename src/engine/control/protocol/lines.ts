import { HexzError } from '../../errors.js';

const LINE_FEED = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const OPENING_BRACE = 0x7b;

const NOTHING = Buffer.alloc(0);

/**
 * Cuts a stream of bytes into lines. What has come of a line that is not complete yet is kept in one buffer, which at
 * most doubles: so a line costs about its length, in whatever pieces it comes.
 */
export class LineSplitter {
  readonly #maximumBytes: number;
  #held = NOTHING;
  #heldBytes = 0;

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
      if (this.#heldBytes + piece.length > this.#maximumBytes) {
        throw new HexzError('LIMIT', `a message has more than ${this.#maximumBytes} bytes`);
      }
      if (end === -1) {
        this.#hold(piece);
        return;
      }
      start = end + 1;
      if (this.#heldBytes === 0) {
        if (piece.length > 0) yield piece.toString('utf8');
        continue;
      }
      this.#hold(piece);
      const line = this.#held.toString('utf8', 0, this.#heldBytes);
      this.#held = NOTHING;
      this.#heldBytes = 0;
      yield line;
    }
  }

  #hold(piece: Buffer): void {
    const neededBytes = this.#heldBytes + piece.length;
    if (neededBytes > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.max(neededBytes, 2 * this.#held.length));
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    piece.copy(this.#held, this.#heldBytes);
    this.#heldBytes = neededBytes;
  }
}

/**
 * Whether a line of JSON consists of more values than so many. Parsing 32 MiB of brackets takes seconds and a gigabyte,
 * of text milliseconds.
 */
export function hasMoreValues(line: string, maximum: number): boolean {
  // Each value but the first has one of these before it.
  let separators = 0;
  let isInString = false;
  for (let index = 0; index < line.length; index++) {
    const character = line.charCodeAt(index);
    if (isInString) {
      if (character === BACKSLASH) index++;
      else if (character === QUOTE) isInString = false;
    } else if (character === QUOTE) isInString = true;
    else if (
      character === COMMA ||
      character === COLON ||
      character === OPENING_BRACKET ||
      character === OPENING_BRACE
    ) {
      separators++;
      if (separators >= maximum) return true;
    }
  }
  return false;
}
