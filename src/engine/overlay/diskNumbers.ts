/** The numbers of a disk as other threads get them: structured-cloneable. */
export interface SharedDiskNumbers {
  /** [0]: sequence of the values; [1]: version. */
  readonly words: SharedArrayBuffer;
  readonly values: SharedArrayBuffer;
}

const SEQUENCE = 0;
const VERSION = 1;

const LENGTH = 0;
const LOWEST_TRUNCATION = 1;
const DATA_LENGTH = 2;
const VALUES = 3;

/** How long one look may wait for a change of the whole disk, which flushes files. */
const WAIT_LIMIT_MS = 60_000;

/**
 * What counts of a disk beside its pages, in shared memory: one thread changes it, others read it.
 *
 *   word      odd while                            even, and another than before
 *   sequence  the values are being put in place    they are
 *   version   pages are cut off or become clean    they have been; what was read meanwhile means nothing
 *
 * Writing, which only adds, leaves the version as it is.
 */
export class DiskNumbers {
  readonly #words = new Int32Array(new SharedArrayBuffer(8));
  readonly #values = new Float64Array(new SharedArrayBuffer(VALUES * 8));
  #length: number;
  #lowestTruncation: number;
  #dataLength = 0;

  constructor(length: number, lowestTruncation: number) {
    this.#length = length;
    this.#lowestTruncation = lowestTruncation;
    this.#publish();
  }

  share(): SharedDiskNumbers {
    return { words: this.#words.buffer, values: this.#values.buffer };
  }

  /** Counts changes of the whole disk. */
  get version(): number {
    return this.#words[VERSION] as number;
  }

  /** Exact size of the disk in bytes. */
  get length(): number {
    return this.#length;
  }

  set length(length: number) {
    if (length === this.#length) return;
    this.#length = length;
    this.#publish();
  }

  /** From here on the base does not show through. */
  get lowestTruncation(): number {
    return this.#lowestTruncation;
  }

  set lowestTruncation(offset: number) {
    this.#lowestTruncation = offset;
    this.#publish();
  }

  /** How much of the data file counts. */
  get dataLength(): number {
    return this.#dataLength;
  }

  set dataLength(length: number) {
    if (length === this.#dataLength) return;
    this.#dataLength = length;
    this.#publish();
  }

  /** Does something after which bytes that were there may be gone. */
  changeWhole(action: () => void): void {
    Atomics.add(this.#words, VERSION, 1);
    try {
      action();
    } finally {
      Atomics.add(this.#words, VERSION, 1);
      Atomics.notify(this.#words, VERSION);
    }
  }

  #publish(): void {
    Atomics.add(this.#words, SEQUENCE, 1);
    this.#values[LENGTH] = this.#length;
    this.#values[LOWEST_TRUNCATION] = this.#lowestTruncation;
    this.#values[DATA_LENGTH] = this.#dataLength;
    Atomics.add(this.#words, SEQUENCE, 1);
  }
}

/** The numbers of another thread's disk, as they are at every moment. */
export class DiskNumbersView {
  readonly #words: Int32Array;
  readonly #shared: Float64Array;
  readonly #values = new Float64Array(VALUES);

  constructor({ words, values }: SharedDiskNumbers) {
    this.#words = new Int32Array(words);
    this.#shared = new Float64Array(values);
  }

  get version(): number {
    return Atomics.load(this.#words, VERSION);
  }

  /** Waits while the whole disk is being changed; answers the version, odd if that took too long. */
  settledVersion(): number {
    const end = performance.now() + WAIT_LIMIT_MS;
    for (;;) {
      const { version } = this;
      const left = end - performance.now();
      if (version % 2 === 0 || left <= 0) return version;
      Atomics.wait(this.#words, VERSION, version, left);
    }
  }

  get length(): number {
    return this.#read(LENGTH);
  }

  get lowestTruncation(): number {
    return this.#read(LOWEST_TRUNCATION);
  }

  get dataLength(): number {
    return this.#read(DATA_LENGTH);
  }

  #read(which: number): number {
    for (;;) {
      const before = Atomics.load(this.#words, SEQUENCE);
      this.#values.set(this.#shared);
      // Putting the values in place takes no time.
      if (before % 2 === 0 && Atomics.load(this.#words, SEQUENCE) === before) {
        return this.#values[which] as number;
      }
    }
  }
}
