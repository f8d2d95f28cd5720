import type { WireCellRun } from '../../../engine/control/protocol/inspection.js';
import type { Result } from '../../../engine/control/protocol/methods.js';
import type { StreamName } from '../../../repl/commands/definition.js';

const MIN_CELL_BYTES = 4096;
/** Enough for the largest screens; a screen draws several of them as one. */
const MAX_CELLS = 16_384;
/** What is kept of changes, to know how it was before. */
const KEPT_MS = 5 * 60_000;
const MAX_CHANGES = 500_000;

/** Cells that have changed, and what was counted of them before: cell, dirty pages, cached blocks, and so on. */
interface Change {
  readonly time: number;
  readonly before: readonly number[];
}

const CHANGE_NUMBERS = 3;

/** What is known of a cell, or of several together. Bytes, but for pages and blocks. */
export interface CellAmounts {
  dataBytes: number;
  zeroBytes: number;
  parentBytes: number;
  dirtyPages: number;
  cachedBlocks: number;
}

/**
 * A stream in cells of one size: what they are made of, and what of them is dirty and cached, now and in the last
 * minutes.
 *
 * State: what a cell is made of is not known (all 0) until `take` has told; what is dirty and cached is as the last
 * `update` said. `#changes`, in order of time, leads back from there.
 */
export class StreamGrid {
  readonly stream: StreamName;
  readonly length: number;
  readonly cellBytes: number;
  readonly cellCount: number;
  readonly #data: Float64Array;
  readonly #zero: Float64Array;
  readonly #parent: Float64Array;
  #dirty: Uint32Array;
  #cached: Uint32Array;
  /** Memory for what is about to take the place of these two. */
  #nextDirty: Uint32Array;
  #nextCached: Uint32Array;
  readonly #changes: Change[] = [];
  #changeNumbers = 0;

  /** @param blockBytes cells are not smaller */
  constructor(stream: StreamName, length: number, blockBytes: number) {
    this.stream = stream;
    this.length = length;
    this.cellBytes = cellBytesFor(length, blockBytes);
    this.cellCount = Math.ceil(length / this.cellBytes);
    this.#data = new Float64Array(this.cellCount);
    this.#zero = new Float64Array(this.cellCount);
    this.#parent = new Float64Array(this.cellCount);
    this.#dirty = new Uint32Array(this.cellCount);
    this.#cached = new Uint32Array(this.cellCount);
    this.#nextDirty = new Uint32Array(this.cellCount);
    this.#nextCached = new Uint32Array(this.cellCount);
  }

  /** Whether the cells are those of a stream of this length. */
  covers(length: number): boolean {
    return Math.ceil(length / this.cellBytes) === this.cellCount;
  }

  /** Cells are made of that. */
  take({ firstCell, cellCount, dataBytes, zeroBytes, parentBytes }: WireCellRun): void {
    this.#data.fill(dataBytes, firstCell, firstCell + cellCount);
    this.#zero.fill(zeroBytes, firstCell, firstCell + cellCount);
    this.#parent.fill(parentBytes, firstCell, firstCell + cellCount);
  }

  /** Answers whether something is not as it was. */
  update({ dirty, cached }: Result<'occupancy'>, time: number): boolean {
    fillPairs(this.#nextDirty, dirty);
    fillPairs(this.#nextCached, cached);
    const before: number[] = [];
    for (let cell = 0; cell < this.cellCount; cell++) {
      const [pages, blocks] = [this.#dirty[cell] as number, this.#cached[cell] as number];
      if (pages === this.#nextDirty[cell] && blocks === this.#nextCached[cell]) continue;
      before.push(cell, pages, blocks);
    }
    [this.#dirty, this.#nextDirty] = [this.#nextDirty, this.#dirty];
    [this.#cached, this.#nextCached] = [this.#nextCached, this.#cached];
    if (before.length === 0) return false;
    this.#changes.push({ time, before });
    this.#changeNumbers += before.length;
    this.#forget(time);
    return true;
  }

  /** What was dirty and cached at a time. Valid until the next call. */
  occupancyAt(time: number): { readonly dirty: Uint32Array; readonly cached: Uint32Array } {
    const newest = this.#changes.at(-1);
    if (newest === undefined || newest.time <= time) {
      return { dirty: this.#dirty, cached: this.#cached };
    }
    const [dirty, cached] = [this.#nextDirty, this.#nextCached];
    dirty.set(this.#dirty);
    cached.set(this.#cached);
    for (let index = this.#changes.length - 1; index >= 0; index--) {
      const { time: changedAt, before } = this.#changes[index] as Change;
      if (changedAt <= time) break;
      for (let at = 0; at < before.length; at += CHANGE_NUMBERS) {
        const cell = before[at] as number;
        dirty[cell] = before[at + 1] as number;
        cached[cell] = before[at + 2] as number;
      }
    }
    return { dirty, cached };
  }

  /** Adds up some cells, into an object that the caller uses again. */
  sum(
    first: number,
    end: number,
    { dirty, cached }: { readonly dirty: Uint32Array; readonly cached: Uint32Array },
    into: CellAmounts,
  ): CellAmounts {
    into.dataBytes = 0;
    into.zeroBytes = 0;
    into.parentBytes = 0;
    into.dirtyPages = 0;
    into.cachedBlocks = 0;
    for (let cell = first; cell < end && cell < this.cellCount; cell++) {
      into.dataBytes += this.#data[cell] as number;
      into.zeroBytes += this.#zero[cell] as number;
      into.parentBytes += this.#parent[cell] as number;
      into.dirtyPages += dirty[cell] as number;
      into.cachedBlocks += cached[cell] as number;
    }
    return into;
  }

  #forget(now: number): void {
    while (this.#changes.length > 1) {
      const [oldest] = this.#changes;
      if (oldest === undefined) return;
      if (oldest.time >= now - KEPT_MS && this.#changeNumbers <= MAX_CHANGES) return;
      this.#changeNumbers -= oldest.before.length;
      this.#changes.shift();
    }
  }
}

export const noAmounts = (): CellAmounts => ({
  dataBytes: 0,
  zeroBytes: 0,
  parentBytes: 0,
  dirtyPages: 0,
  cachedBlocks: 0,
});

function cellBytesFor(length: number, blockBytes: number): number {
  let bytes = MIN_CELL_BYTES;
  while (bytes < blockBytes || length > bytes * MAX_CELLS) bytes *= 2;
  return bytes;
}

/** Fills in counts that come as a cell, how many, and so on. */
function fillPairs(counts: Uint32Array, pairs: readonly number[]): void {
  counts.fill(0);
  for (let at = 0; at + 1 < pairs.length; at += 2)
    counts[pairs[at] as number] = pairs[at + 1] as number;
}
