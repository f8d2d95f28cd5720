import { type StreamName, streamNames } from '../format/types.js';
import { BlockWork } from './blockWork.js';
import { CacheMarks } from './cachedBlocks.js';
import { markCells } from './cellBits.js';
import {
  DECODE_MICROSECONDS,
  DECODED_BLOCKS,
  ERRORS,
  HIT_BLOCKS,
  READ_BYTES,
  READ_LATENCY,
  READS,
  streamPlaces,
  WRITE_LATENCY,
  WRITES,
  WRITTEN_BYTES,
} from './counters.js';
import { type EndedRequest, EventRing } from './eventRing.js';
import { latencyBucketOf } from './latency.js';
import type { SharedActivity, SharedCells } from './shared.js';

/** The marks of one stream. */
interface CellMarks {
  readonly cells: SharedCells;
  readonly read: Int32Array;
  readonly written: Int32Array;
}

/**
 * Writes down what one thread serves, into shared memory: counters, marks of touched cells, and the ring of the last
 * events. Nothing is allocated and nobody is waited for.
 *
 *   const startedAt = recorder.begin();
 *   …serve, with `recorder.work` bumped by the readers below…
 *   recorder.end(startedAt, kind, stream, offset, length, newDirtyPages, hasFailed);
 *
 * State: `work` belongs to the request at hand. Requests that are served in one go never meet each other; one that
 * is awaited (a sync) needs no blocks, and says so with `endOfAwaited`.
 */
export class ActivityRecorder {
  readonly work = new BlockWork();
  /** Told by the cache which blocks it holds. */
  readonly cacheMarks: CacheMarks;
  readonly #noWork = new BlockWork();
  /** Asking for it costs as much as the time itself. */
  readonly #epoch = performance.timeOrigin;
  readonly #counters: Float64Array;
  readonly #ring: EventRing;
  readonly #marks: Partial<Record<StreamName, CellMarks>> = {};
  readonly #ended: EndedRequest = {
    kind: 'read',
    stream: 'disk',
    offset: 0,
    length: 0,
    newDirtyPages: 0,
    hasFailed: false,
  };

  /** @param recorderIndex which of the recorders of the shared memory this one is; no other thread has it */
  constructor(shared: SharedActivity, recorderIndex = 0) {
    const memory = shared.recorders[recorderIndex];
    if (memory === undefined) throw new RangeError(`there is no recorder ${recorderIndex}`);
    this.#counters = new Float64Array(memory.counters);
    this.#ring = new EventRing(memory.events);
    this.cacheMarks = new CacheMarks(shared.cached);
    for (const name of streamNames) {
      const cells = shared.streams[name];
      if (cells === undefined) continue;
      const { read, written } = cells;
      this.#marks[name] = { cells, read: new Int32Array(read), written: new Int32Array(written) };
    }
  }

  /** Begins a request; answers when, as `end` wants it. */
  begin(): number {
    this.work.reset();
    return performance.now();
  }

  /**
   * Records a request that was served in one go.
   *
   * @param length bytes that were read or written, of a failed request those that were asked for
   * @param newDirtyPages pages that turned dirty
   */
  end(
    startedAt: number,
    kind: EndedRequest['kind'],
    stream: StreamName,
    offset: number,
    length: number,
    newDirtyPages: number,
    hasFailed: boolean,
  ): void {
    this.#record(startedAt, kind, stream, offset, length, newDirtyPages, hasFailed, this.work);
  }

  /** Records a request of the disk that was awaited, while others were served. */
  endOfAwaited(startedAt: number, kind: EndedRequest['kind'], hasFailed: boolean): void {
    this.#record(startedAt, kind, 'disk', 0, 0, 0, hasFailed, this.#noWork);
  }

  #record(
    startedAt: number,
    kind: EndedRequest['kind'],
    stream: StreamName,
    offset: number,
    length: number,
    newDirtyPages: number,
    hasFailed: boolean,
    work: BlockWork,
  ): void {
    const microseconds = (performance.now() - startedAt) * 1000;
    const place = streamPlaces[stream];
    const marks = this.#marks[stream];
    if (kind === 'read') {
      this.#add(READ_LATENCY + latencyBucketOf(microseconds), 1);
      if (!hasFailed) {
        this.#add(place + READS, 1);
        this.#add(place + READ_BYTES, length);
        if (marks !== undefined) markCells(marks.read, marks.cells, offset, length);
      }
    } else if (kind === 'write') {
      this.#add(WRITE_LATENCY + latencyBucketOf(microseconds), 1);
      if (!hasFailed) {
        this.#add(place + WRITES, 1);
        this.#add(place + WRITTEN_BYTES, length);
        if (marks !== undefined) markCells(marks.written, marks.cells, offset, length);
      }
    }
    if (hasFailed) this.#add(place + ERRORS, 1);
    if (work.hitBlocks > 0) this.#add(HIT_BLOCKS, work.hitBlocks);
    if (work.decodedBlocks > 0) this.#add(DECODED_BLOCKS, work.decodedBlocks);
    if (work.decodeMicroseconds > 0) this.#add(DECODE_MICROSECONDS, work.decodeMicroseconds);
    const ended = this.#ended;
    ended.kind = kind;
    ended.stream = stream;
    ended.offset = offset;
    ended.length = length;
    ended.newDirtyPages = newDirtyPages;
    ended.hasFailed = hasFailed;
    this.#ring.append(this.#epoch + startedAt, microseconds, ended, work);
  }

  #add(place: number, count: number): void {
    this.#counters[place] = (this.#counters[place] as number) + count;
  }
}
