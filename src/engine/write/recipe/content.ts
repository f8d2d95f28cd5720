/** Bytes that follow, valid until the next piece is asked for; or a number: that many zeros. */
export type Piece = Buffer | number;

/** Bytes that can be made again and again, in order and in little memory. */
export interface Content {
  readonly length: number;
  /** How many of them are not known to be zero. */
  readonly dataBytes: number;
  pieces(): Iterable<Piece>;
}

export const PIECE_BYTES = 64 * 1024;

export const zeros = (length: number): Content => ({
  length,
  dataBytes: 0,
  pieces: () => (length === 0 ? [] : [length]),
});

export const bytes = (buffer: Buffer): Content => ({
  length: buffer.length,
  dataBytes: buffer.length,
  *pieces() {
    for (let offset = 0; offset < buffer.length; offset += PIECE_BYTES) {
      yield buffer.subarray(offset, offset + PIECE_BYTES);
    }
  },
});

/** A unit of at least one byte, again and again, cut off at the length. */
export function pattern(unit: Buffer, length: number): Content {
  const unitCount = Math.max(1, Math.floor(PIECE_BYTES / unit.length));
  return {
    length,
    dataBytes: length,
    *pieces() {
      const wholeUnits = Buffer.alloc(Math.min(length, unitCount * unit.length), unit);
      for (let offset = 0; offset < length; offset += wholeUnits.length) {
        yield wholeUnits.subarray(0, length - offset);
      }
    },
  };
}

/** Contents one behind the other. */
export const sequence = (parts: readonly Content[]): Content => ({
  length: sum(parts.map(({ length }) => length)),
  dataBytes: sum(parts.map(({ dataBytes }) => dataBytes)),
  *pieces() {
    for (const part of parts) yield* part.pieces();
  },
});

/** A content this many times. Short ones are made once. */
export function repetition(content: Content, times: number): Content {
  const length = content.length * times;
  if (content.dataBytes === 0 || length === 0) return zeros(length);
  if (content.length <= PIECE_BYTES) return pattern(wholeOf(content), length);
  return {
    length,
    dataBytes: content.dataBytes * times,
    *pieces() {
      for (let time = 0; time < times; time++) yield* content.pieces();
    },
  };
}

/** All bytes of a content that fits into memory. */
function wholeOf(content: Content): Buffer {
  const whole = Buffer.alloc(content.length);
  let offset = 0;
  for (const piece of content.pieces()) {
    if (typeof piece === 'number') {
      offset += piece;
    } else {
      piece.copy(whole, offset);
      offset += piece.length;
    }
  }
  return whole;
}

const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, next) => total + next, 0);
