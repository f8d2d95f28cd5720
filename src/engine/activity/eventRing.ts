import type { StreamName } from '../format/types.js';
import type { BlockWork } from './blockWork.js';

const requestKinds = ['read', 'write', 'truncate', 'sync'] as const;
type RequestKind = (typeof requestKinds)[number];

/** One request, as it was answered. */
export interface ActivityEvent {
  /** When it began, in milliseconds since 1970, with fractions. */
  readonly time: number;
  readonly kind: RequestKind;
  readonly stream: StreamName;
  /** Of a truncation 0, as of a sync. */
  readonly offset: number;
  /** Bytes that were read or written, of a failed request those that were asked for; of a truncation the new size. */
  readonly length: number;
  /** Blocks of the snapshot that were needed (`BlockWork`); the first is null if there were none. */
  readonly firstBlockIndex: number | null;
  readonly blockCount: number;
  readonly hitBlocks: number;
  readonly decodedBlocks: number;
  readonly decodeMicroseconds: number;
  /** From request to answer. */
  readonly microseconds: number;
  /** Pages that turned dirty. */
  readonly newDirtyPages: number;
  readonly hasFailed: boolean;
}

/** A request that ended, for the ring. */
export interface EndedRequest {
  kind: RequestKind;
  stream: StreamName;
  offset: number;
  length: number;
  newDirtyPages: number;
  hasFailed: boolean;
}

/** Elements of the head, as 32-bit integers: events begun, events written; both go round at 2^32. */
const BEGUN = 0;
const WRITTEN = 1;
/** Element of the head, as a 64-bit float: events written, for who does not know how often the others went round. */
const TOTAL = 1;
const HEAD_NUMBERS = 2;

/** 64-bit floats of one event. */
const EVENT_NUMBERS = 11;
const FLAG_KIND = 4;
const FLAG_STREAM = 2;

export const ringBufferBytes = (eventCount: number): number =>
  (HEAD_NUMBERS + eventCount * EVENT_NUMBERS) * 8;

/** Events that a reader got, and how many more there were that it did not. */
export interface EventBatch {
  readonly events: ActivityEvent[];
  readonly lostEvents: number;
}

/**
 * The last events of one recorder, in shared memory. One thread appends; any number read, and nobody waits.
 *
 * Event number n, its sequence, lies in slot n modulo capacity. The writer announces an event in BEGUN, fills the
 * slot, and confirms it in WRITTEN. A reader copies slots below WRITTEN and looks at BEGUN afterwards: the slots of
 * events below BEGUN - capacity may have been filled anew meanwhile, so it throws those away and counts them as
 * lost. What it keeps is whole.
 *
 * That holds only if nobody's loads and stores pass the marks. BEGUN is therefore raised, and looked at, by
 * read-modify-write operations, which order what lies before and behind them on every processor; confirming is a
 * store with everything before it, and reading that a load with everything behind it.
 */
export class EventRing {
  readonly capacity: number;
  readonly #marks: Int32Array;
  readonly #numbers: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#marks = new Int32Array(buffer, 0, 2);
    this.#numbers = new Float64Array(buffer);
    this.capacity = (this.#numbers.length - HEAD_NUMBERS) / EVENT_NUMBERS;
  }

  /** For the one thread that writes. */
  append(time: number, microseconds: number, request: EndedRequest, work: BlockWork): void {
    const numbers = this.#numbers;
    const sequence = numbers[TOTAL] as number;
    Atomics.add(this.#marks, BEGUN, 1);
    const slot = this.#slotOf(sequence);
    numbers[slot] = time;
    numbers[slot + 1] = flagsOf(request);
    numbers[slot + 2] = request.offset;
    numbers[slot + 3] = request.length;
    numbers[slot + 4] = work.firstBlockIndex;
    numbers[slot + 5] = work.touchedBlocks;
    numbers[slot + 6] = work.hitBlocks;
    numbers[slot + 7] = work.decodedBlocks;
    numbers[slot + 8] = work.decodeMicroseconds;
    numbers[slot + 9] = microseconds;
    numbers[slot + 10] = request.newDirtyPages;
    numbers[TOTAL] = sequence + 1;
    Atomics.store(this.#marks, WRITTEN, (sequence + 1) | 0);
  }

  /** The sequence that the next event will have. */
  get endSequence(): number {
    const written = Atomics.load(this.#marks, WRITTEN) >>> 0;
    const rounds = Math.round(((this.#numbers[TOTAL] as number) - written) / 2 ** 32);
    return rounds * 2 ** 32 + written;
  }

  /**
   * The last events from a sequence on and before another, at most so many, in order.
   *
   * @param endSequence at most the sequence that the next event will have
   */
  read(fromSequence: number, endSequence: number, maximum: number): EventBatch {
    const first = Math.max(fromSequence, endSequence - Math.min(maximum, this.capacity));
    const copied: ActivityEvent[] = [];
    for (let sequence = first; sequence < endSequence; sequence++) {
      copied.push(this.#eventAt(this.#slotOf(sequence)));
    }
    const begunSince = (Atomics.add(this.#marks, BEGUN, 0) - endSequence) >>> 0;
    const overrun = Math.max(0, endSequence + begunSince - this.capacity - first);
    const events = overrun === 0 ? copied : copied.slice(overrun);
    return { events, lostEvents: endSequence - fromSequence - events.length };
  }

  /** The last reads of a stretch of a stream, at most so many, the newest first. */
  lastReads(stream: StreamName, offset: number, length: number, maximum: number): ActivityEvent[] {
    const endSequence = this.endSequence;
    const flags = flagsOf({ kind: 'read', stream, hasFailed: false });
    const found: { readonly sequence: number; readonly event: ActivityEvent }[] = [];
    const first = Math.max(0, endSequence - this.capacity);
    for (let sequence = endSequence - 1; sequence >= first && found.length < maximum; sequence--) {
      const slot = this.#slotOf(sequence);
      const start = this.#numbers[slot + 2] as number;
      const end = start + (this.#numbers[slot + 3] as number);
      if (this.#numbers[slot + 1] !== flags || end <= offset || start >= offset + length) continue;
      found.push({ sequence, event: this.#eventAt(slot) });
    }
    const begunSince = (Atomics.add(this.#marks, BEGUN, 0) - endSequence) >>> 0;
    const firstWhole = endSequence + begunSince - this.capacity;
    return found.filter(({ sequence }) => sequence >= firstWhole).map(({ event }) => event);
  }

  #eventAt(slot: number): ActivityEvent {
    const at = (place: number): number => this.#numbers[slot + place] as number;
    const flags = at(1);
    const blockCount = at(5);
    return {
      time: at(0),
      kind: requestKinds[Math.floor(flags / FLAG_KIND)] ?? 'read',
      stream: (flags & FLAG_STREAM) === 0 ? 'disk' : 'memory',
      offset: at(2),
      length: at(3),
      firstBlockIndex: blockCount === 0 ? null : at(4),
      blockCount,
      hitBlocks: at(6),
      decodedBlocks: at(7),
      decodeMicroseconds: tenths(at(8)),
      microseconds: tenths(at(9)),
      newDirtyPages: at(10),
      hasFailed: (flags & 1) !== 0,
    };
  }

  #slotOf(sequence: number): number {
    return HEAD_NUMBERS + (sequence % this.capacity) * EVENT_NUMBERS;
  }
}

const flagsOf = ({
  kind,
  stream,
  hasFailed,
}: Pick<EndedRequest, 'kind' | 'stream' | 'hasFailed'>): number =>
  requestKinds.indexOf(kind) * FLAG_KIND +
  (stream === 'disk' ? 0 : FLAG_STREAM) +
  Number(hasFailed);

/** Finer ones tell nothing, and watchers are sent every digit. */
const tenths = (value: number): number => Math.round(value * 10) / 10;
