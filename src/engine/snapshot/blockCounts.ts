import { randomBytes } from 'node:crypto';
import { type StreamName, streamNames } from '../format/types.js';
import { FileIndex } from './fileIndex.js';
import { openFileSource } from './source.js';
import { PageCache } from './streamIndex.js';

/** Counts of the index entries of one stream; bytes are logical except `storedBytes`. */
export interface BlockCounts {
  dataBlocks: number;
  zeroBlocks: number;
  parentBlocks: number;
  /** Data blocks whose stored bytes another block before them already counts. */
  sharedBlocks: number;
  dataBytes: number;
  zeroBytes: number;
  parentBytes: number;
  /** Bytes in the file, each stored block once, in the stream that has it first. */
  storedBytes: number;
}

/** Slots of the set of offsets, and how many are used before another pass over the index is made. */
const SET_SLOTS = 2 ** 23;
const SET_CAPACITY = SET_SLOTS / 2;

/**
 * Counts the blocks of both streams by kind. One pass over the index for every 4 million data blocks:
 * each pass remembers the stored offsets of one part of them, so memory stays at 64 MiB.
 *
 * @throws HexzError when an index page cannot be used
 */
export function countBlocks(index: FileIndex): Record<StreamName, BlockCounts> {
  const counts = { disk: emptyCounts(), memory: emptyCounts() };
  let dataBlocks = 0;
  for (const stream of streamNames) {
    const count = counts[stream];
    for (const { kind, length } of index.blocks(stream)) {
      count[`${kind}Blocks`]++;
      count[`${kind}Bytes`] += length;
    }
    dataBlocks += count.dataBlocks;
  }
  const passes = Math.ceil(dataBlocks / SET_CAPACITY);
  const seen = new OffsetSet(Math.min(SET_SLOTS, 2 ** Math.ceil(Math.log2(dataBlocks * 2 + 16))));
  for (let pass = 0; pass < passes; pass++) {
    seen.clear();
    for (const stream of streamNames) {
      const count = counts[stream];
      for (const { kind, storedOffset, storedLength } of index.blocks(stream)) {
        if (kind !== 'data' || scatter(storedOffset) % passes !== pass) continue;
        if (seen.add(storedOffset)) count.storedBytes += storedLength;
        else count.sharedBlocks++;
      }
    }
  }
  return counts;
}

/** Counts the blocks of a file on its own, without password and parents. */
export function countBlocksOfFile(path: string): Record<StreamName, BlockCounts> {
  const source = openFileSource(path);
  try {
    return countBlocks(new FileIndex(source, new PageCache()));
  } finally {
    source.close();
  }
}

function emptyCounts(): BlockCounts {
  return {
    dataBlocks: 0,
    zeroBlocks: 0,
    parentBlocks: 0,
    sharedBlocks: 0,
    dataBytes: 0,
    zeroBytes: 0,
    parentBytes: 0,
    storedBytes: 0,
  };
}

/** A set of file offsets, none of which is 0, with open addressing. */
class OffsetSet {
  readonly #slots: Float64Array;
  #used = 0;

  constructor(slotCount: number) {
    this.#slots = new Float64Array(slotCount);
  }

  clear(): void {
    this.#slots.fill(0);
    this.#used = 0;
  }

  /** Whether the offset was new. A set that is full calls everything new. */
  add(offset: number): boolean {
    const mask = this.#slots.length - 1;
    let slot = scatter(offset) & mask;
    for (;;) {
      const held = this.#slots[slot];
      if (held === offset) return false;
      if (held === 0) break;
      slot = (slot + 1) & mask;
    }
    if (this.#used < this.#slots.length - 1) {
      this.#slots[slot] = offset;
      this.#used++;
    }
    return true;
  }
}

/** Drawn anew in every process: who forges a file cannot know which offsets fall together. */
const [SEED_A, SEED_B, SEED_C] = [0, 0, 0].map(() => randomBytes(4).readUInt32LE() | 1) as [
  number,
  number,
  number,
];

/** Spreads offsets over 31 bits. */
function scatter(offset: number): number {
  const low = offset >>> 0;
  const high = Math.floor(offset / 2 ** 32);
  let mixed = Math.imul(low, SEED_A) ^ Math.imul(high, SEED_B);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, SEED_C);
  return (mixed ^ (mixed >>> 13)) & 0x7fff_ffff;
}
