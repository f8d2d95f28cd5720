import type { ByteSource } from '../byteSource.js';
import type { MemoryStep } from './container.js';
import { beyondLimit, damaged } from './damage.js';
import { MAX_FLATTENED_RECORDS } from './limits.js';
import { SourceWindow, uint64BE } from './sourceWindow.js';

export const FLATTENED_MAGIC = 'makedumpfile';
const HEADER_BYTES = 4096;
const RECORD_HEADER_BYTES = 16;
const VERSION = 1;
const STEP_RECORDS = 4096;
/** The data of a record is passed over. */
const SEEK_WINDOW_BYTES = 4096;
/** i64 -1, as uint64BE rounds it. */
const MINUS_ONE = 2 ** 64;

/**
 * A flattened dump put in order: the plain file that its records {i64 offset, i64 size, data} make. What no record
 * holds is zero, as in the sparse file that they were meant for.
 *
 * State: three numbers for each record in typed arrays, in the order of plain offsets; records do not overlap.
 */
export class FlattenedDump implements ByteSource {
  readonly length: number;
  readonly #source: ByteSource;
  readonly #plainOffsets: Float64Array;
  readonly #streamOffsets: Float64Array;
  readonly #lengths: Float64Array;

  constructor(source: ByteSource, records: Records) {
    this.#source = source;
    const { order } = records;
    this.#plainOffsets = picked(records.plainOffsets, order);
    this.#streamOffsets = picked(records.streamOffsets, order);
    this.#lengths = picked(records.lengths, order);
    const last = order.length - 1;
    this.length =
      last < 0 ? 0 : (this.#plainOffsets[last] as number) + (this.#lengths[last] as number);
  }

  readInto(offset: number, target: Buffer): number {
    const wanted = Math.max(0, Math.min(target.length, this.length - offset));
    let record = this.#lastAtOrBelow(offset);
    let done = 0;
    while (done < wanted) {
      const at = offset + done;
      const inner = record < 0 ? 0 : at - (this.#plainOffsets[record] as number);
      const left = record < 0 ? 0 : (this.#lengths[record] as number) - inner;
      if (left > 0) {
        const piece = target.subarray(done, Math.min(wanted, done + left));
        const streamOffset = (this.#streamOffsets[record] as number) + inner;
        if (this.#source.readInto(streamOffset, piece) < piece.length) {
          throw damaged('the stream became shorter while it was read', streamOffset);
        }
        done += piece.length;
      } else {
        record++;
        const gapEnd = Math.min(wanted, (this.#plainOffsets[record] as number) - offset);
        target.fill(0, done, gapEnd);
        done = gapEnd;
      }
    }
    return wanted;
  }

  /** Where in the flattened stream a run of plain bytes is, if one record holds all of it. */
  streamOffsetOf(offset: number, length: number): number | undefined {
    const record = this.#lastAtOrBelow(offset);
    if (record < 0) return undefined;
    const inner = offset - (this.#plainOffsets[record] as number);
    if (inner + length > (this.#lengths[record] as number)) return undefined;
    return (this.#streamOffsets[record] as number) + inner;
  }

  #lastAtOrBelow(offset: number): number {
    let low = 0;
    let high = this.#plainOffsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#plainOffsets[middle] as number) <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Records as they come, and in `order` their numbers by plain offset. */
interface Records {
  readonly plainOffsets: Float64Array;
  readonly streamOffsets: Float64Array;
  readonly lengths: Float64Array;
  readonly order: Uint32Array;
}

/**
 * Reads the headers of all records. A stream that is cut or damaged behind its first record is read as far as it goes,
 * with a warning.
 *
 * @throws HexzError MEMORY_DAMAGED, LIMIT
 */
export function* unflatten(
  source: ByteSource,
  warnings: string[],
): Generator<MemoryStep, FlattenedDump> {
  const window = new SourceWindow(source, SEEK_WINDOW_BYTES);
  const header = window.view(0, HEADER_BYTES);
  const type = uint64BE(header, 16);
  const version = uint64BE(header, 24);
  if (type !== 1 || version !== VERSION) {
    throw damaged(`a flattened dump of type ${type}, version ${version}; both should be 1`, 16);
  }
  let capacity = STEP_RECORDS;
  let plainOffsets = new Float64Array(capacity);
  let streamOffsets = new Float64Array(capacity);
  let lengths = new Float64Array(capacity);
  let count = 0;
  let headers = 0;
  let offset = HEADER_BYTES;
  for (;;) {
    const problem = problemAt(source, window, offset);
    if (problem !== undefined) {
      if (count === 0) throw damaged(problem, offset);
      warnings.push(`offset ${offset}: ${problem}; what follows is not read`);
      break;
    }
    const record = window.view(offset, RECORD_HEADER_BYTES);
    const plainOffset = uint64BE(record, 0);
    const length = uint64BE(record, 8);
    if (plainOffset === MINUS_ONE && length === MINUS_ONE) break;
    offset += RECORD_HEADER_BYTES;
    if (length > 0) {
      if (count === capacity) {
        capacity *= 2;
        plainOffsets = grown(plainOffsets, capacity);
        streamOffsets = grown(streamOffsets, capacity);
        lengths = grown(lengths, capacity);
      }
      plainOffsets[count] = plainOffset;
      streamOffsets[count] = offset;
      lengths[count] = length;
      count++;
    }
    if (++headers > MAX_FLATTENED_RECORDS) {
      throw beyondLimit(`more than ${MAX_FLATTENED_RECORDS} records in a flattened dump`, offset);
    }
    offset += length;
    if (headers % STEP_RECORDS === 0) yield { doneBytes: offset, totalBytes: source.length };
  }
  const records = { plainOffsets, streamOffsets, lengths };
  return new FlattenedDump(source, { ...records, order: ordered(records, count) });
}

/** What is wrong with the record header at an offset. */
function problemAt(source: ByteSource, window: SourceWindow, offset: number): string | undefined {
  if (offset + RECORD_HEADER_BYTES > source.length) return 'the stream has no last record';
  const record = window.view(offset, RECORD_HEADER_BYTES);
  const plainOffset = uint64BE(record, 0);
  const length = uint64BE(record, 8);
  if (plainOffset === MINUS_ONE && length === MINUS_ONE) return undefined;
  if (plainOffset + length > Number.MAX_SAFE_INTEGER) {
    return `a record of ${length} bytes for offset ${plainOffset}`;
  }
  if (offset + RECORD_HEADER_BYTES + length > source.length) {
    return `a record of ${length} bytes reaches beyond the end of the stream`;
  }
  return undefined;
}

/** The records by plain offset; of records for the same bytes, the last one counts. */
function ordered(
  { plainOffsets, streamOffsets, lengths }: Omit<Records, 'order'>,
  count: number,
): Uint32Array {
  const all = Uint32Array.from({ length: count }, (_, index) => index);
  all.sort((a, b) => (plainOffsets[a] as number) - (plainOffsets[b] as number) || a - b);
  let kept = 0;
  for (const index of all) {
    const start = plainOffsets[index] as number;
    const before = all[kept - 1];
    const beforeStart = before === undefined ? 0 : (plainOffsets[before] as number);
    const beforeLength = before === undefined ? 0 : (lengths[before] as number);
    if (kept > 0 && start < beforeStart + beforeLength) {
      if (start !== beforeStart || lengths[index] !== beforeLength) {
        throw damaged(`records overlap at offset ${start} of the dump`, streamOffsets[index]);
      }
      kept--;
    }
    all[kept] = index;
    kept++;
  }
  return all.subarray(0, kept);
}

function grown(values: Float64Array<ArrayBuffer>, capacity: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(capacity);
  larger.set(values);
  return larger;
}

function picked(values: Float64Array, order: Uint32Array): Float64Array {
  const result = new Float64Array(order.length);
  order.forEach((index, at) => {
    result[at] = values[index] as number;
  });
  return result;
}
