import { LRUCache } from 'lru-cache';
import { asHexzError, HexzError } from '../../../engine/errors.js';
import type { EngineClient } from '../../../repl/client.js';
import type { Place } from '../../../repl/commands/place.js';

/** What is read at a time; every row lies in one of them. */
const CHUNK_BYTES = 16 * 1024;
/** 8 MiB of bytes that were looked at. */
const MAX_CHUNKS = 512;
/** More requests at a time would only wait for each other. */
const MAX_READS = 4;
/** Where a chunk cannot be read, each of its parts is tried. */
const PART_BYTES = 4096;

/** What a cell is when it is no byte. */
export const UNKNOWN = -1;
export const ABSENT = -2;
export const UNREADABLE = -3;
export const BEHIND_END = -4;

interface Piece {
  readonly offset: number;
  readonly bytes: Buffer;
  readonly streamOffset: number | null | undefined;
}

interface Damage {
  readonly offset: number;
  readonly length: number;
  readonly error: HexzError;
}

interface Chunk {
  pieces: readonly Piece[];
  damage: readonly Damage[];
  isKnown: boolean;
  isLoading: boolean;
  isStale: boolean;
}

/**
 * Bytes of a stream around what is shown, read through the engine in chunks.
 *
 *   a chunk is   drawn as               asked for
 *   absent       unknown                when it is wanted
 *   loading      unknown, or as it was  -
 *   known        what it holds          -
 *   stale        as it was              when it is wanted again
 *
 * Invariant: at most `MAX_CHUNKS` are kept, those looked at last, and `MAX_READS` are loading. What was wanted before
 * the last `want` is not read any more. A chunk that changes while it loads stays stale.
 */
export class StreamBytes {
  readonly place: Place;
  /** Behind the last byte; a guess from the state until something was read. */
  endOffset: number;
  isEndKnown = false;
  readonly #client: EngineClient;
  readonly #changed: () => void;
  readonly #failed: (error: HexzError) => void;
  readonly #chunks = new LRUCache<number, Chunk>({ max: MAX_CHUNKS });
  #wanted: readonly number[] = [];
  #reads = 0;
  #isGone = false;

  /**
   * @param changed told when what is known has become another thing
   * @param failed told why bytes cannot be read
   */
  constructor(
    client: EngineClient,
    place: Place,
    endOffset: number,
    changed: () => void,
    failed: (error: HexzError) => void,
  ) {
    this.#client = client;
    this.place = place;
    this.endOffset = endOffset;
    this.#changed = changed;
    this.#failed = failed;
  }

  /** Asks for what is shown, then for what may be shown next; by the offsets of rows. */
  want(shown: readonly number[], ahead: readonly number[]): void {
    const chunks = [...shown, ...ahead].map((offset) => Math.floor(offset / CHUNK_BYTES));
    this.#wanted = [...new Set(chunks)];
    this.#load();
  }

  /** Bytes, or what there is instead of them. `target.length` cells from an offset on, within one chunk. */
  copyCells(offset: number, target: Int16Array): void {
    const chunk = this.#chunks.get(Math.floor(offset / CHUNK_BYTES));
    target.fill(chunk?.isKnown === true ? ABSENT : UNKNOWN);
    for (const { offset: start, bytes } of chunk?.pieces ?? []) {
      const from = Math.max(0, start - offset);
      const to = Math.min(target.length, start + bytes.length - offset);
      for (let at = from; at < to; at++) target[at] = bytes[offset + at - start] ?? UNKNOWN;
    }
    for (const { offset: start, length } of chunk?.damage ?? []) {
      const to = Math.max(0, start + length - offset);
      if (start - offset < target.length) target.fill(UNREADABLE, Math.max(0, start - offset), to);
    }
    if (this.isEndKnown && offset + target.length > this.endOffset) {
      target.fill(BEHIND_END, Math.max(0, this.endOffset - offset));
    }
  }

  /** Where a byte of a container lies in the stream: null nowhere, undefined where that is not known, or the same. */
  streamOffsetOf(offset: number): number | null | undefined {
    const piece = this.#chunks
      .peek(Math.floor(offset / CHUNK_BYTES))
      ?.pieces.find(({ offset: start, bytes }) => offset >= start && offset < start + bytes.length);
    const { streamOffset } = piece ?? {};
    return typeof streamOffset === 'number' && piece !== undefined
      ? streamOffset + offset - piece.offset
      : streamOffset;
  }

  /** Why a byte cannot be read. */
  damageAt(offset: number): HexzError | undefined {
    return this.#chunks
      .peek(Math.floor(offset / CHUNK_BYTES))
      ?.damage.find(({ offset: start, length }) => offset >= start && offset < start + length)
      ?.error;
  }

  /** Bytes of a range may be others by now. */
  markStale(startOffset = 0, endOffset = Number.MAX_SAFE_INTEGER): void {
    for (const [index, chunk] of this.#chunks.entries()) {
      const start = index * CHUNK_BYTES;
      if (start < endOffset && start + CHUNK_BYTES > startOffset) chunk.isStale = true;
    }
  }

  #load(): void {
    for (const index of this.#wanted) {
      if (this.#reads >= MAX_READS || this.#isGone) return;
      const chunk = this.#chunks.get(index) ?? newChunk();
      this.#chunks.set(index, chunk);
      if (!chunk.isLoading && (!chunk.isKnown || chunk.isStale)) void this.#read(index, chunk);
    }
  }

  async #read(index: number, chunk: Chunk): Promise<void> {
    this.#reads++;
    chunk.isLoading = true;
    chunk.isStale = false;
    const before = chunk.pieces;
    const hadDamage = chunk.damage.length > 0;
    const wasKnown = chunk.isKnown && this.isEndKnown;
    const endBefore = this.endOffset;
    try {
      await this.#fill(index * CHUNK_BYTES, chunk);
      chunk.isKnown = true;
    } catch {
      // Only the end of the engine gets here, and that is shown all the time.
      this.#isGone = true;
    }
    chunk.isLoading = false;
    this.#reads--;
    const isSame =
      wasKnown &&
      endBefore === this.endOffset &&
      !hadDamage &&
      chunk.damage.length === 0 &&
      arePiecesEqual(before, chunk.pieces);
    if (!isSame) this.#changed();
    this.#load();
  }

  /** @throws HexzError ENGINE_GONE */
  async #fill(offset: number, chunk: Chunk): Promise<void> {
    try {
      chunk.pieces = await this.#request(offset, CHUNK_BYTES);
      chunk.damage = [];
      return;
    } catch (error) {
      failIfGone(error);
    }
    const pieces: Piece[] = [];
    const damage: Damage[] = [];
    for (let part = offset; part < offset + CHUNK_BYTES; part += PART_BYTES) {
      try {
        pieces.push(...(await this.#request(part, PART_BYTES)));
      } catch (error) {
        const known = failIfGone(error);
        damage.push({ offset: part, length: PART_BYTES, error: known });
        this.#failed(known);
      }
    }
    chunk.pieces = pieces;
    chunk.damage = damage;
  }

  async #request(offset: number, length: number): Promise<Piece[]> {
    const answer = await this.#client.request('read', { ...this.place, offset, length });
    this.endOffset = answer.endOffset;
    this.isEndKnown = true;
    return answer.pieces.map((piece) => ({
      offset: piece.offset,
      bytes: Buffer.from(piece.bytes, 'base64'),
      streamOffset: piece.streamOffset,
    }));
  }
}

const newChunk = (): Chunk => ({
  pieces: [],
  damage: [],
  isKnown: false,
  isLoading: false,
  isStale: false,
});

const arePiecesEqual = (left: readonly Piece[], right: readonly Piece[]): boolean =>
  left.length === right.length &&
  left.every((piece, index) => {
    const other = right[index];
    return other?.offset === piece.offset && other.bytes.equals(piece.bytes);
  });

function failIfGone(error: unknown): HexzError {
  const known = asHexzError(error);
  if (known.code === 'ENGINE_GONE' || !(error instanceof HexzError)) throw known;
  return known;
}
