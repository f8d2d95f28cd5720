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
const LIST_LENGTH = 3;
const LIST_DESCRIPTOR = 4;
const VALUES = 5;

/** How long one look may wait for a change of the whole disk, which flushes files. */
const WAIT_LIMIT_MS = 60_000;
/** Putting a value in place takes no time, but for a thread that is ended meanwhile. */
const MAX_LOOKS = 1_000_000;

/**
 * What counts of a disk beside its pages, in shared memory. One thread at a time changes it (`WriteLock`), and the
 * thread that owns the overlay alone changes the whole disk; others read it.
 *
 *   word      odd while                            even, and another than before
 *   sequence  a value is being put in place        it is
 *   version   pages are cut off or become clean    they have been; what was read meanwhile means nothing
 *
 * Writing, which only adds, leaves the version as it is.
 */
export class DiskNumbers {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #values: Float64Array<SharedArrayBuffer>;

  /** Zeros, or those of another thread, as they are at every moment. */
  constructor(
    { words, values }: SharedDiskNumbers = {
      words: new SharedArrayBuffer(8),
      values: new SharedArrayBuffer(VALUES * 8),
    },
  ) {
    this.#words = new Int32Array(words);
    this.#values = new Float64Array(values);
  }

  share(): SharedDiskNumbers {
    return { words: this.#words.buffer, values: this.#values.buffer };
  }

  /** Counts changes of the whole disk. */
  get version(): number {
    return Atomics.load(this.#words, VERSION);
  }

  /** Waits while the whole disk is being changed; answers the version, odd if that took too long. */
  settledVersion(): number {
    const { version } = this;
    return version % 2 === 0 ? version : this.#waitForSettled();
  }

  /** Exact size of the disk in bytes. */
  get length(): number {
    return this.#get(LENGTH);
  }

  set length(length: number) {
    this.#set(LENGTH, length);
  }

  /** From here on the base does not show through. */
  get lowestTruncation(): number {
    return this.#get(LOWEST_TRUNCATION);
  }

  set lowestTruncation(offset: number) {
    this.#set(LOWEST_TRUNCATION, offset);
  }

  /** How much of the data file counts. */
  get dataLength(): number {
    return this.#get(DATA_LENGTH);
  }

  set dataLength(length: number) {
    this.#set(DATA_LENGTH, length);
  }

  /** How much of the list counts. */
  get listLength(): number {
    return this.#get(LIST_LENGTH);
  }

  set listLength(length: number) {
    this.#set(LIST_LENGTH, length);
  }

  /** By which every thread of the process writes to the list: another one, once the list was replaced. */
  get listDescriptor(): number {
    return this.#get(LIST_DESCRIPTOR);
  }

  set listDescriptor(descriptor: number) {
    this.#set(LIST_DESCRIPTOR, descriptor);
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

  #waitForSettled(): number {
    const end = performance.now() + WAIT_LIMIT_MS;
    for (;;) {
      const { version } = this;
      const left = end - performance.now();
      if (version % 2 === 0 || left <= 0) return version;
      Atomics.wait(this.#words, VERSION, version, left);
    }
  }

  #get(which: number): number {
    for (let looks = 0; ; looks++) {
      const before = Atomics.load(this.#words, SEQUENCE);
      const value = this.#values[which] as number;
      const isWhole = before % 2 === 0 && Atomics.load(this.#words, SEQUENCE) === before;
      if (isWhole || looks === MAX_LOOKS) return value;
    }
  }

  #set(which: number, value: number): void {
    if (value === this.#values[which]) return;
    Atomics.add(this.#words, SEQUENCE, 1);
    this.#values[which] = value;
    Atomics.add(this.#words, SEQUENCE, 1);
  }
}
