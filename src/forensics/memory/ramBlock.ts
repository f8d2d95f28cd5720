import { GUEST_PAGE_BYTES } from './guestPage.js';
import type { MigrationPlaces } from './migrationPlaces.js';
import type { MemoryContent } from './rangeMap.js';
import type { SourceWindow } from './sourceWindow.js';

/** Pages whose places are kept together: 16 MiB of memory in 20 KiB. */
const CHUNK_PAGES = 4096;
export const CHUNK_INDEX_BYTES = CHUNK_PAGES * 5;

/** Of the 40 bits for a page: 0 says that it is absent, the next 256 values by which byte it is filled, all others its place. */
const FIRST_PLACE = 257;

interface Chunk {
  readonly low: Uint32Array;
  readonly high: Uint8Array;
}

/**
 * A RAM block of a migration stream: where the last copy of each page is. An offset of the content is one of the block.
 *
 * State: 5 bytes for each page, in chunks that exist from their first page on; grows while the stream is opened, and
 * stays the same then.
 */
export class RamBlock implements MemoryContent {
  readonly name: string;
  readonly length: number;
  readonly #chunks: (Chunk | undefined)[];
  readonly #window: SourceWindow;
  readonly #places: MigrationPlaces;

  constructor(name: string, length: number, window: SourceWindow, places: MigrationPlaces) {
    this.name = name;
    this.length = length;
    this.#window = window;
    this.#places = places;
    this.#chunks = new Array(Math.ceil(length / (CHUNK_PAGES * GUEST_PAGE_BYTES))).fill(undefined);
  }

  /** @returns whether the index had to grow */
  setFilled(offset: number, value: number): boolean {
    return this.#set(offset / GUEST_PAGE_BYTES, value + 1);
  }

  /** @returns whether the index had to grow */
  setStored(offset: number, streamOffset: number): boolean {
    return this.#set(offset / GUEST_PAGE_BYTES, streamOffset + FIRST_PLACE);
  }

  presentLength(offset: number, limit: number): number {
    return this.#runLength(offset, true, limit);
  }

  absentLength(offset: number, limit: number): number {
    return this.#runLength(offset, false, limit);
  }

  readInto(offset: number, target: Buffer): void {
    let done = 0;
    while (done < target.length) {
      const inner = (offset + done) % GUEST_PAGE_BYTES;
      const end = Math.min(target.length, done + GUEST_PAGE_BYTES - inner);
      const place = this.#get((offset + done - inner) / GUEST_PAGE_BYTES);
      if (place < FIRST_PLACE) target.fill(place - 1, done, end);
      else this.#window.copyInto(place - FIRST_PLACE + inner, target.subarray(done, end));
      done = end;
    }
  }

  streamOffsetAt(offset: number): number | undefined {
    const inner = offset % GUEST_PAGE_BYTES;
    const place = this.#get((offset - inner) / GUEST_PAGE_BYTES);
    return place < FIRST_PLACE ? undefined : place - FIRST_PLACE + inner;
  }

  offsetAt(streamOffset: number): number | undefined {
    const found = this.#places.find(streamOffset);
    if (found?.blockName !== this.name) return undefined;
    // An older copy of a page that was sent again is no memory.
    return this.streamOffsetAt(found.offset) === streamOffset ? found.offset : undefined;
  }

  #runLength(offset: number, isPresent: boolean, limit: number): number {
    const end = Math.min(offset + limit, this.length);
    let page = Math.floor(offset / GUEST_PAGE_BYTES);
    while (page * GUEST_PAGE_BYTES < end) {
      const isUnused = this.#chunks[Math.floor(page / CHUNK_PAGES)] === undefined;
      if (isUnused && !isPresent) page = (Math.floor(page / CHUNK_PAGES) + 1) * CHUNK_PAGES;
      else if ((this.#get(page) !== 0) === isPresent) page++;
      else break;
    }
    return Math.max(0, Math.min(end, page * GUEST_PAGE_BYTES) - offset);
  }

  #get(page: number): number {
    const inner = page % CHUNK_PAGES;
    const chunk = this.#chunks[(page - inner) / CHUNK_PAGES];
    if (chunk === undefined) return 0;
    return (chunk.high[inner] as number) * 2 ** 32 + (chunk.low[inner] as number);
  }

  #set(page: number, value: number): boolean {
    const inner = page % CHUNK_PAGES;
    const chunkIndex = (page - inner) / CHUNK_PAGES;
    let chunk = this.#chunks[chunkIndex];
    const grows = chunk === undefined;
    chunk ??= { low: new Uint32Array(CHUNK_PAGES), high: new Uint8Array(CHUNK_PAGES) };
    this.#chunks[chunkIndex] = chunk;
    chunk.low[inner] = value % 2 ** 32;
    chunk.high[inner] = Math.floor(value / 2 ** 32);
    return grows;
  }
}
