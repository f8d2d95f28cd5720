import {
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { randomFrom } from '../support/overlay/memoryBase.js';
import type { Random } from '../support/overlay/simulatedFiles.js';
import { Descriptors, readFully, writeFully } from './descriptors.js';
import { BASE_VERSION, bytesOf, MAX_TRANSFER_BYTES } from './pattern.js';
import type { ChangeOperation, WriteOperation, WriteTask } from './task.js';

const PAGE_BYTES = 4096;
const HISTORY_LENGTH = 30;
/** A part of the range that is used more often, so that what was written is read and written again. */
const HOT_BYTES = 256 * 1024;
const HOT_SHARE = 0.4;
const ALIGNED_SHARE = 0.3;

/**
 * Does anything to one range of a disk, and knows every byte of it: nobody else writes there. Who has the end of the
 * disk cuts it and lets it grow as well.
 */
export class DiskWriter {
  readonly #task: WriteTask;
  readonly #random: Random;
  readonly #descriptors: Descriptors;
  readonly #buffer = Buffer.alloc(MAX_TRANSFER_BYTES);
  /** The range; zero behind the end of the disk. */
  readonly #model: Buffer;
  /** Of the disk. */
  #length: number;
  /** What was done last. */
  readonly history: string[] = [];
  inFlight: ChangeOperation | undefined;
  unsynced: WriteOperation[] = [];

  constructor(task: WriteTask) {
    this.#task = task;
    this.#random = randomFrom(task.seed);
    this.#descriptors = new Descriptors(task.diskPath, this.#random, ['read', 'write', 'direct']);
    this.#model = Buffer.alloc(task.endOffset - task.startOffset);
    readFileSync(task.modelPath).copy(this.#model);
    this.#length = task.diskLength ?? task.endOffset;
  }

  get diskLength(): number | undefined {
    return this.#hasEnd ? this.#length : undefined;
  }

  /** One operation. */
  step(): void {
    const which = this.#random();
    if (which < 0.4) this.#write();
    else if (which < 0.85) this.#read(which < 0.5);
    else if (which < 0.92) this.#sync();
    else if (which < 0.95) this.#reopen();
    else if (this.#hasEnd) this.#cutOrGrow();
  }

  finish(): void {
    this.#descriptors.close();
    writeFileSync(this.#task.modelPath, this.#model);
  }

  get #hasEnd(): boolean {
    return this.#task.diskLength !== undefined;
  }

  #write(): void {
    const { startOffset, endOffset } = this.#task;
    // Where the disk can grow, mostly inside of it.
    const isInside = this.#hasEnd && this.#random() < 0.9;
    const [offset, length] = this.#anyRange(startOffset, isInside ? this.#length : endOffset);
    const version = 1 + Math.floor(this.#random() * (BASE_VERSION - 1));
    const operation = { kind: 'write', offset, length, version } as const;
    this.#note(`write ${length} at ${offset}`);
    this.inFlight = operation;
    this.unsynced.push(operation);
    const bytes = bytesOf(version, offset, length);
    writeFully(this.#descriptors.any('write'), bytes, offset);
    this.inFlight = undefined;
    bytes.copy(this.#model, offset - startOffset);
    if (this.#hasEnd) this.#length = Math.max(this.#length, offset + length);
  }

  #read(isDirect: boolean): void {
    const { startOffset, endOffset } = this.#task;
    let [offset, length] = this.#anyRange(startOffset, endOffset);
    if (isDirect) {
      offset = Math.ceil(offset / PAGE_BYTES) * PAGE_BYTES;
      length = Math.ceil(length / PAGE_BYTES) * PAGE_BYTES;
      while (offset + length > endOffset) length -= PAGE_BYTES;
      if (length <= 0) return;
    }
    this.#note(`${isDirect ? 'direct read' : 'read'} ${length} at ${offset}`);
    const kind = isDirect ? 'direct' : this.#random() < 0.5 ? 'read' : 'write';
    const count = readFully(this.#descriptors.any(kind), this.#buffer, length, offset);
    const expectedCount = Math.max(0, Math.min(length, this.#length - offset));
    if (count !== expectedCount) throw new Error(`${count} instead of ${expectedCount} bytes`);
    const start = offset - startOffset;
    const expected = this.#model.subarray(start, start + count);
    const found = this.#buffer.subarray(0, count);
    if (found.equals(expected)) return;
    const index = found.findIndex((byte, position) => byte !== expected[position]);
    throw new Error(`byte ${offset + index} is ${found[index]} instead of ${expected[index]}`);
  }

  #sync(): void {
    this.#note('sync');
    const descriptor = this.#descriptors.any('write');
    if (this.#random() < 0.5) fsyncSync(descriptor);
    else fdatasyncSync(descriptor);
    this.unsynced = [];
  }

  #reopen(): void {
    this.#note('reopen');
    const kind = this.#random();
    this.#descriptors.reopen(kind < 0.4 ? 'read' : kind < 0.8 ? 'write' : 'direct');
  }

  #cutOrGrow(): void {
    const { startOffset, endOffset } = this.#task;
    const found = fstatSync(this.#descriptors.any('read')).size;
    if (found !== this.#length) {
      throw new Error(`the disk has ${found} bytes instead of ${this.#length}`);
    }
    const [length] = this.#anyRange(startOffset, endOffset);
    this.#note(`truncate from ${this.#length} to ${length}`);
    this.inFlight = { kind: 'truncate', length };
    ftruncateSync(this.#descriptors.any('write'), length);
    this.inFlight = undefined;
    this.#model.fill(0, length - startOffset);
    this.#length = length;
  }

  /** An offset and a length, from one byte on. */
  #anyRange(startOffset: number, endOffset: number): [number, number] {
    const random = this.#random;
    const reach = endOffset - startOffset;
    const within = random() < HOT_SHARE ? Math.min(HOT_BYTES, reach) : reach;
    let offset = startOffset + Math.floor(random() * within);
    let length = Math.floor(MAX_TRANSFER_BYTES ** random());
    if (random() < ALIGNED_SHARE) {
      offset = Math.max(startOffset, Math.floor(offset / PAGE_BYTES) * PAGE_BYTES);
      length = Math.min(MAX_TRANSFER_BYTES, Math.ceil(length / PAGE_BYTES) * PAGE_BYTES);
    }
    return [offset, Math.max(1, Math.min(length, endOffset - offset))];
  }

  #note(what: string): void {
    this.history.push(what);
    if (this.history.length > HISTORY_LENGTH) this.history.shift();
  }
}
