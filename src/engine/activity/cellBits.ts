import type { SharedCells } from './shared.js';

/**
 * Marks the cells of a range of bytes, for any thread that serves. A cell that is marked already, as those that are
 * used most mostly are, costs one plain load.
 */
export function markCells(
  bits: Int32Array,
  { cellBytes, cellCount }: SharedCells,
  offset: number,
  length: number,
): void {
  if (!(length > 0)) return;
  const first = Math.min(cellCount - 1, Math.floor(offset / cellBytes));
  const last = Math.min(cellCount - 1, Math.floor((offset + length - 1) / cellBytes));
  const lastWord = last >>> 5;
  for (let word = first >>> 5; word <= lastWord; word++) {
    const from = word === first >>> 5 ? -1 << (first & 31) : -1;
    const mask = word === lastWord ? from & (-1 >>> (31 - (last & 31))) : from;
    if (((bits[word] as number) & mask) !== mask) Atomics.or(bits, word, mask);
  }
}

/** Cells that share one look at when they were last touched. */
const GROUP_CELLS = 4096;

/** Marks that are compared with zeros at once, which is done natively. */
const CHUNK_WORDS = 1024;
const ZEROS = Buffer.alloc(CHUNK_WORDS * 4);

/**
 * When each cell of a stream was last touched, as its reader knows it: collecting takes the marks of shared memory
 * away and writes down the number of the collection, its tick. Everybody who remembers the last tick that he saw
 * can ask what was touched since, as often or as seldom as he likes.
 *
 * Invariant: `#groupTicks[g]` is the highest tick of the cells of group g.
 */
export class CellTicks {
  readonly #bits: Int32Array;
  readonly #chunks: readonly Buffer[];
  readonly #ticks: Uint32Array;
  readonly #groupTicks: Uint32Array;

  constructor(buffer: SharedArrayBuffer, cellCount: number) {
    this.#bits = new Int32Array(buffer);
    this.#chunks = chunksOf(buffer);
    this.#ticks = new Uint32Array(cellCount);
    this.#groupTicks = new Uint32Array(Math.ceil(cellCount / GROUP_CELLS));
  }

  /** @param tick higher than the last one */
  collect(tick: number): void {
    for (const [index, chunk] of this.#chunks.entries()) {
      if (chunk.compare(ZEROS, 0, chunk.length) !== 0) this.#collectChunk(index, tick);
    }
  }

  #collectChunk(chunk: number, tick: number): void {
    const bits = this.#bits;
    const end = Math.min(bits.length, (chunk + 1) * CHUNK_WORDS);
    for (let word = chunk * CHUNK_WORDS; word < end; word++) {
      if (bits[word] === 0) continue;
      let marks = Atomics.exchange(bits, word, 0);
      this.#groupTicks[Math.floor((word * 32) / GROUP_CELLS)] = tick;
      while (marks !== 0) {
        const bit = 31 - Math.clz32(marks & -marks);
        this.#ticks[word * 32 + bit] = tick;
        marks &= marks - 1;
      }
    }
  }

  /** Runs of the cells that were touched after a tick: first cell, number of cells, and so on. */
  runsSince(tick: number): number[] {
    const runs: number[] = [];
    let end = -1;
    for (let group = 0; group < this.#groupTicks.length; group++) {
      if ((this.#groupTicks[group] as number) <= tick) continue;
      const groupEnd = Math.min(this.#ticks.length, (group + 1) * GROUP_CELLS);
      for (let cell = group * GROUP_CELLS; cell < groupEnd; cell++) {
        if ((this.#ticks[cell] as number) <= tick) continue;
        if (cell === end) (runs[runs.length - 1] as number)++;
        else runs.push(cell, 1);
        end = cell + 1;
      }
    }
    return runs;
  }
}

function chunksOf(buffer: SharedArrayBuffer): Buffer[] {
  const chunkBytes = ZEROS.length;
  return Array.from({ length: Math.ceil(buffer.byteLength / chunkBytes) }, (_, chunk) => {
    const start = chunk * chunkBytes;
    return Buffer.from(buffer, start, Math.min(chunkBytes, buffer.byteLength - start));
  });
}
