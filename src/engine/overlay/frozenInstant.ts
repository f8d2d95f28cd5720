import { DirtyPages, type SharedDirtyPages } from './dirtyPages.js';
import { isOutOfRoom } from './failures.js';
import { PAGE_BYTES, pageOf, pagesIn } from './pages.js';
import type { PreservedFile } from './preservedFile.js';

/** An overlay as it was at one moment, as other threads of its process get it: structured-cloneable. */
export interface SharedFrozenInstant {
  /** The data file, and which file that is. */
  readonly path: string;
  readonly identity: string;
  /** Of that moment, in bytes. */
  readonly length: number;
  readonly lowestTruncation: number;
  readonly dataLength: number;
  readonly pages: SharedDirtyPages;
  /** Those of them that lie in the preserved file by now, each at its own offset. */
  readonly preserved: SharedDirtyPages;
  readonly preservedFile: Pick<PreservedFile, 'descriptor' | 'identity'>;
  /** As `FrozenState` says. */
  readonly state: SharedArrayBuffer;
}

/** Words of the shared state. */
export const FrozenState = {
  /** Counts what was preserved: whoever has read it sees the bits that were set before. */
  preservations: 0,
  /** Why nothing can be read any more; 0 as long as everything can. */
  broken: 1,
} as const;

/** Why an instant is lost. */
export const brokenBy = { noSpace: 1, failure: 2, closing: 3, release: 4 } as const;

type Reason = (typeof brokenBy)[keyof typeof brokenBy];

/** What is known of a disk at the moment. */
export type FrozenNumbers = Pick<
  SharedFrozenInstant,
  'path' | 'identity' | 'length' | 'lowestTruncation' | 'dataLength'
>;

const CHUNK_BYTES = 128 * 1024;

/**
 * An overlay at one moment, kept while it is written on: copy before write.
 *
 *   a page of that moment   lies in
 *   clean                   the base, as ever
 *   dirty, not preserved    the data file: nothing has touched it since
 *   dirty, preserved        a file of its own, at its own offset
 *
 * Invariant: the bit of a preserved page is set after its bytes are in that file, and before the data file changes. So
 * a reader who still finds it clear after reading the data file has read what was there.
 *
 * Preserving never fails a write. What cannot be preserved breaks the instant: it can no longer be read.
 */
export class FrozenInstant {
  readonly shared: SharedFrozenInstant;
  readonly #pages: DirtyPages;
  readonly #preserved = new DirtyPages();
  readonly #state = new Int32Array(new SharedArrayBuffer(8));
  readonly #file: PreservedFile;
  readonly #onRelease: (instant: FrozenInstant) => void;
  readonly #dataEndPageIndex: number;
  #chunk: Buffer | undefined;
  #isReleased = false;

  /** @param pages of that moment; they become its own */
  constructor(
    numbers: FrozenNumbers,
    pages: DirtyPages,
    file: PreservedFile,
    onRelease: (instant: FrozenInstant) => void,
  ) {
    this.#pages = pages;
    this.#file = file;
    this.#onRelease = onRelease;
    this.#dataEndPageIndex = pagesIn(numbers.dataLength);
    this.shared = {
      ...numbers,
      pages: pages.share(),
      preserved: this.#preserved.share(),
      preservedFile: { descriptor: file.descriptor, identity: file.identity },
      state: this.#state.buffer,
    };
  }

  /** Whether it can no longer be read. */
  get isBroken(): boolean {
    return this.#state[FrozenState.broken] !== 0;
  }

  /** Nobody is to read it any more; whoever does all the same fails. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.breakOff(brokenBy.release);
    this.#onRelease(this);
    this.#file.close();
  }

  /**
   * Keeps what the data file holds in a range that is about to change.
   *
   * @param read reads the data file; answers how much of the target it filled
   */
  preserve(
    startOffset: number,
    endOffset: number,
    read: (target: Buffer, offset: number) => number,
  ): void {
    const end = Math.min(pagesIn(endOffset), this.#dataEndPageIndex);
    let page = pageOf(startOffset);
    try {
      while (page < end && !this.isBroken) {
        const isWanted = this.#pages.has(page) && !this.#preserved.has(page);
        const runEnd = this.#preserved.runEnd(page, this.#pages.runEnd(page, end));
        if (isWanted) this.#preserveRun(page, runEnd, read);
        page = runEnd;
      }
    } catch (error) {
      this.breakOff(isOutOfRoom(error) ? brokenBy.noSpace : brokenBy.failure);
    }
  }

  /** Gives it up. */
  breakOff(reason: Reason): void {
    if (this.isBroken) return;
    // First, so that nobody takes what is missing for zeros.
    Atomics.store(this.#state, FrozenState.broken, reason);
    try {
      this.#file.clear();
    } catch {
      // Its room comes back when it is closed.
    }
  }

  #preserveRun(
    firstPageIndex: number,
    endPageIndex: number,
    read: (target: Buffer, offset: number) => number,
  ): void {
    this.#chunk ??= Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const { dataLength } = this.shared;
    for (let page = firstPageIndex; page < endPageIndex; ) {
      const start = page * PAGE_BYTES;
      const end = Math.min(dataLength, endPageIndex * PAGE_BYTES, start + CHUNK_BYTES);
      const bytes = this.#chunk.subarray(0, end - start);
      if (read(bytes, start) < bytes.length) throw new Error('the data file was cut off');
      this.#file.write(bytes, start);
      for (const behind = pagesIn(end); page < behind; page++) this.#preserved.add(page);
      Atomics.add(this.#state, FrozenState.preservations, 1);
    }
  }
}
