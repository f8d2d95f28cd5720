import { type StreamName, streamNames } from '../format/types.js';
import { createCachedBlocks, type SharedCachedBlocks } from './cachedBlocks.js';
import { counterBufferBytes } from './counters.js';
import { ringBufferBytes } from './eventRing.js';

/** Cells are not smaller: the overlay's pages are 4 KiB. */
const MIN_CELL_BYTES = 4096;
/** A stream has at most so many cells, one bit each for reads and for writes. */
const MAX_CELLS = 2 ** 20;
/** Cells of a stream when its engine begins; the rest is for the disk to grow into. */
const MAX_FIRST_CELLS = MAX_CELLS / 2;

/**
 * A stream in cells, and which of them were touched: one bit a cell. The last cell stands for everything behind
 * it, too: a disk may grow beyond the cells that there are.
 */
export interface SharedCells {
  /** A power of two, and not less than a block. */
  readonly cellBytes: number;
  readonly cellCount: number;
  readonly read: SharedArrayBuffer;
  readonly written: SharedArrayBuffer;
}

/** The memory of one recorder: it alone writes there. */
interface SharedRecorder {
  readonly counters: SharedArrayBuffer;
  readonly events: SharedArrayBuffer;
}

/** The shared memory of everything that is recorded of one engine. It can be sent to other threads as it is. */
export interface SharedActivity {
  /** When the engine began, in milliseconds since 1970. */
  readonly beganAt: number;
  readonly streams: Readonly<Partial<Record<StreamName, SharedCells>>>;
  readonly cached: Readonly<Partial<Record<StreamName, SharedCachedBlocks>>>;
  /** One for each thread that serves. */
  readonly recorders: readonly SharedRecorder[];
}

/** A stream that will be served. */
export interface RecordedStream {
  readonly length: number;
  readonly blockBytes: number;
  /** Whether blocks may be shorter than that, wherever they begin. */
  readonly isVariable?: boolean;
  readonly canGrow: boolean;
}

/** Events that each recorder keeps. */
export const RING_EVENTS = 16_384;

/**
 * Makes the memory, before anything is served. The system gives it pages only where something is written.
 *
 * @param recorderCount threads that will serve
 */
export function createSharedActivity(
  streams: Readonly<Partial<Record<StreamName, RecordedStream>>>,
  { recorderCount = 1, ringEvents = RING_EVENTS } = {},
): SharedActivity {
  const cells: Partial<Record<StreamName, SharedCells>> = {};
  const cached: Partial<Record<StreamName, SharedCachedBlocks>> = {};
  for (const name of streamNames) {
    const stream = streams[name];
    if (stream === undefined) continue;
    cells[name] = createCells(stream);
    cached[name] = createCachedBlocks(stream);
  }
  return {
    beganAt: Date.now(),
    streams: cells,
    cached,
    recorders: Array.from({ length: recorderCount }, () => ({
      counters: new SharedArrayBuffer(counterBufferBytes),
      events: new SharedArrayBuffer(ringBufferBytes(ringEvents)),
    })),
  };
}

function createCells({ length, blockBytes, canGrow }: RecordedStream): SharedCells {
  let cellBytes = MIN_CELL_BYTES;
  while (cellBytes < blockBytes || length > cellBytes * MAX_FIRST_CELLS) cellBytes *= 2;
  const cellCount = canGrow ? MAX_CELLS : Math.max(1, Math.ceil(length / cellBytes));
  const bitBytes = Math.ceil(cellCount / 32) * 4;
  return {
    cellBytes,
    cellCount,
    read: new SharedArrayBuffer(bitBytes),
    written: new SharedArrayBuffer(bitBytes),
  };
}
