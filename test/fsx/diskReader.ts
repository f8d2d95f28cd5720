import { randomFrom } from '../support/overlay/memoryBase.js';
import type { Random } from '../support/overlay/simulatedFiles.js';
import { Descriptors, readFully } from './descriptors.js';
import { BASE_VERSION, bytesOf, findInvented, MAX_TRANSFER_BYTES } from './pattern.js';
import type { ReadTask } from './task.js';

/** Reads a disk that others write. */
export class DiskReader {
  readonly #task: ReadTask;
  readonly #random: Random;
  readonly #descriptors: Descriptors;
  readonly #buffer = Buffer.alloc(MAX_TRANSFER_BYTES);
  readonly history: readonly string[] = [];
  readonly diskLength = undefined;
  readonly inFlight = undefined;
  readonly unsynced = [];

  constructor(task: ReadTask) {
    this.#task = task;
    this.#random = randomFrom(task.seed);
    this.#descriptors = new Descriptors(task.diskPath, this.#random, ['read', 'direct']);
  }

  step(): void {
    const { untouchedLength, diskLength, zerosFromOffset } = this.#task;
    const offset = Math.floor(this.#random() * diskLength);
    const length = Math.floor(MAX_TRANSFER_BYTES ** this.#random());
    const descriptor = this.#descriptors.any(this.#random() < 0.5 ? 'read' : 'direct');
    const count = readFully(descriptor, this.#buffer, length, offset);
    const found = this.#buffer.subarray(0, count);
    const fail = (what: string): never => {
      throw new Error(`a read of ${length} bytes at ${offset} ${what}`);
    };
    if (count < length && offset + count < zerosFromOffset) fail(`ended after ${count}`);
    const untouched = Math.max(0, Math.min(count, untouchedLength - offset));
    if (!found.subarray(0, untouched).equals(bytesOf(BASE_VERSION, offset, untouched))) {
      fail('found what nobody has written changed');
    }
    const invented = findInvented(found, offset, zerosFromOffset);
    if (invented !== undefined) fail(`found what was never written, at ${invented}`);
  }

  finish(): void {
    this.#descriptors.close();
  }
}
