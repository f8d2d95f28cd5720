import { HexzError } from '../engine/errors.js';
import { isZero } from '../engine/snapshot/zeros.js';
import { type ByteRange, contiguousRanges, totalLength } from './byteRanges.js';
import type { ByteSource } from './byteSource.js';
import type { ZeroRunAt } from './streamSource.js';

export type HexStep =
  | HexRow
  /** So many more rows, all of them like the row before. */
  | { readonly kind: 'equal'; readonly offset: number; readonly rowCount: number }
  /** Nothing is there before the next range. */
  | { readonly kind: 'gap'; readonly offset: number; readonly length: number }
  /** How far it is; after each MiB. */
  | { readonly kind: 'progress'; readonly doneBytes: number; readonly totalBytes: number };

/** The buffer is used again afterwards. */
export interface HexRow {
  readonly kind: 'row';
  readonly offset: number;
  /** Shorter at the end of a range. */
  readonly bytes: Buffer;
}

export interface HexRowOptions {
  /** What to show, in the order of offsets and without overlaps; default everything. Rows begin where a range does. */
  readonly ranges?: Iterable<ByteRange> | undefined;
  /** Default 16. */
  readonly rowBytes?: number | undefined;
  /** Whether rows like the row before are only counted; default true. */
  readonly squeezes?: boolean | undefined;
  /** Lets zeros be counted that an index knows, without reading them. */
  readonly zeroRunAt?: ZeroRunAt | undefined;
}

const MAX_ROW_BYTES = 4096;
const PIECE_BYTES = 1024 * 1024;
const MAX_LOOK_AHEAD_BYTES = 2 ** 40;

/**
 * The bytes of a source in rows. Rows that are like the row before are counted, not told; a shorter last row is always
 * told. Memory: a MiB.
 *
 * @throws HexzError USAGE for ranges that are none; what reading the source throws
 */
export function* hexRows(
  source: ByteSource,
  { ranges, rowBytes = 16, squeezes = true, zeroRunAt }: HexRowOptions = {},
): Generator<HexStep, void> {
  if (!Number.isSafeInteger(rowBytes) || rowBytes < 1 || rowBytes > MAX_ROW_BYTES) {
    throw new HexzError('USAGE', `a row has 1 to ${MAX_ROW_BYTES} bytes`);
  }
  const wanted = contiguousRanges(ranges, source.length);
  const totalBytes = totalLength(wanted);
  const zerosAt = squeezes ? zeroRunAt : undefined;
  const pieces = new RowPieces(source, rowBytes, zerosAt);
  let doneBefore = 0;
  let gapOffset: number | undefined;
  for (const range of wanted) {
    const { startOffset, length } = range;
    if (gapOffset !== undefined) {
      yield { kind: 'gap', offset: gapOffset, length: startOffset - gapOffset };
    }
    gapOffset = startOffset + length;
    const squeezer = new Squeezer(rowBytes, squeezes);
    for (const { offset, bytes, zeroRows } of pieces.of(range)) {
      if (bytes === undefined) {
        yield* squeezer.addZeros(offset, zeroRows);
      } else {
        for (let at = 0; at < bytes.length; at += rowBytes) {
          yield* squeezer.add(offset + at, bytes.subarray(at, at + rowBytes));
        }
      }
      const pieceBytes = bytes?.length ?? zeroRows * rowBytes;
      const doneBytes = doneBefore + offset + pieceBytes - startOffset;
      yield { kind: 'progress', doneBytes, totalBytes };
    }
    yield* squeezer.flush();
    doneBefore += length;
  }
}

/** Bytes that were read, or whole rows that an index knows to be zero. */
interface Piece {
  readonly offset: number;
  readonly bytes: Buffer | undefined;
  readonly zeroRows: number;
}

class RowPieces {
  readonly #source: ByteSource;
  readonly #rowBytes: number;
  readonly #zeroRunAt: ZeroRunAt | undefined;
  readonly #memory: Buffer;

  constructor(source: ByteSource, rowBytes: number, zeroRunAt: ZeroRunAt | undefined) {
    this.#source = source;
    this.#rowBytes = rowBytes;
    this.#zeroRunAt = zeroRunAt;
    this.#memory = Buffer.allocUnsafeSlow(PIECE_BYTES - (PIECE_BYTES % rowBytes));
  }

  *of({ startOffset, length }: ByteRange): Generator<Piece, void> {
    const endOffset = startOffset + length;
    let lookAhead = PIECE_BYTES;
    for (let offset = startOffset; offset < endOffset; ) {
      const limit = Math.min(lookAhead, endOffset - offset);
      const zeroRows = Math.floor((this.#zeroRunAt?.(offset, limit) ?? 0) / this.#rowBytes);
      if (zeroRows > 0) {
        yield { offset, bytes: undefined, zeroRows };
        offset += zeroRows * this.#rowBytes;
        lookAhead = Math.min(lookAhead * 2, MAX_LOOK_AHEAD_BYTES);
        continue;
      }
      lookAhead = PIECE_BYTES;
      const bytes = this.#memory.subarray(0, Math.min(this.#memory.length, endOffset - offset));
      if (this.#source.readInto(offset, bytes) < bytes.length) {
        throw new HexzError('UNREADABLE', 'the source ended while it was read', {
          location: { offset },
        });
      }
      yield { offset, bytes, zeroRows: 0 };
      offset += bytes.length;
    }
  }
}

/**
 * State: `#last` is the row that was told last, if any; `#equalRows` rows from `#equalOffset` on are like it and not yet
 * counted to the caller.
 */
class Squeezer {
  readonly #squeezes: boolean;
  readonly #last: Buffer;
  #lastLength = 0;
  #equalRows = 0;
  #equalOffset = 0;

  constructor(rowBytes: number, squeezes: boolean) {
    this.#squeezes = squeezes;
    this.#last = Buffer.alloc(rowBytes);
  }

  *add(offset: number, bytes: Buffer): Generator<HexStep, void> {
    if (this.#squeezes && bytes.length === this.#lastLength && bytes.equals(this.#last)) {
      this.#count(offset, 1);
      return;
    }
    yield* this.flush();
    bytes.copy(this.#last);
    this.#lastLength = bytes.length;
    yield { kind: 'row', offset, bytes };
  }

  *addZeros(offset: number, rowCount: number): Generator<HexStep, void> {
    if (this.#lastLength > 0 && isZero(this.#last)) {
      this.#count(offset, rowCount);
      return;
    }
    yield* this.flush();
    this.#last.fill(0);
    this.#lastLength = this.#last.length;
    yield { kind: 'row', offset, bytes: this.#last };
    if (rowCount > 1) this.#count(offset + this.#last.length, rowCount - 1);
  }

  *flush(): Generator<HexStep, void> {
    const rowCount = this.#equalRows;
    this.#equalRows = 0;
    if (rowCount > 0) yield { kind: 'equal', offset: this.#equalOffset, rowCount };
  }

  #count(offset: number, rowCount: number): void {
    if (this.#equalRows === 0) this.#equalOffset = offset;
    this.#equalRows += rowCount;
  }
}
