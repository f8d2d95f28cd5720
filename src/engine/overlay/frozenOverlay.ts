import { closeSync, readSync } from 'node:fs';
import { HexzError } from '../errors.js';
import { DirtyPages } from './dirtyPages.js';
import { damaged, onFile } from './failures.js';
import type { OverlayFile } from './files.js';
import { brokenBy, FrozenState, type SharedFrozenInstant } from './frozenInstant.js';
import { type BaseDisk, MergedDisk } from './mergedDisk.js';
import { openData } from './openData.js';
import { PAGE_BYTES, pageOf, pagesIn } from './pages.js';
import { openPreservedFile } from './preservedFile.js';

/** The overlay of another thread as it was at one moment (`FrozenInstant`), however it is written since. */
export class FrozenOverlay extends MergedDisk {
  readonly path: string;
  readonly length: number;
  protected readonly lowestTruncation: number;
  protected readonly base: BaseDisk;
  protected readonly pages: DirtyPages;
  readonly #dataLength: number;
  readonly #preserved: DirtyPages;
  readonly #state: Int32Array;
  readonly #data: OverlayFile;
  #preservedDescriptor: number;

  /**
   * To be made while the instant is not released.
   *
   * @param base opened by this thread
   * @throws HexzError OVERLAY_UNUSABLE
   */
  constructor(shared: SharedFrozenInstant, base: BaseDisk) {
    super();
    this.path = shared.path;
    this.length = shared.length;
    this.lowestTruncation = shared.lowestTruncation;
    this.base = base;
    this.pages = DirtyPages.attach(shared.pages);
    this.#dataLength = shared.dataLength;
    this.#preserved = DirtyPages.attach(shared.preserved);
    this.#state = new Int32Array(shared.state);
    this.#data = openData(shared);
    try {
      this.#preservedDescriptor = openPreservedFile(shared.preservedFile, this.path);
    } catch (error) {
      this.#data.close();
      throw error;
    }
  }

  protected readDirty(offset: number, target: Buffer): void {
    const wanted = Math.max(0, Math.min(target.length, this.#dataLength - offset));
    const end = offset + wanted;
    const endPageIndex = pagesIn(end);
    for (let start = offset; start < end; ) {
      const page = pageOf(start);
      const isPreserved = this.#isPreserved(page);
      const runEnd = Math.min(
        end,
        this.#preserved.runEnd(page, endPageIndex, isPreserved) * PAGE_BYTES,
      );
      const piece = target.subarray(start - offset, runEnd - offset);
      if (isPreserved) this.#readPreserved(start, piece);
      else this.#readData(start, piece);
      start = runEnd;
    }
    target.fill(0, wanted);
    this.#checkIntact();
  }

  /** May be called more than once. */
  close(): void {
    this.#data.close();
    if (this.#preservedDescriptor >= 0) closeSync(this.#preservedDescriptor);
    this.#preservedDescriptor = -1;
  }

  /** Reads from the data file, and what has been preserved meanwhile from there. */
  #readData(offset: number, target: Buffer): void {
    const count = onFile(this.path, 'read the overlay', () => this.#data.read(target, offset));
    const end = offset + target.length;
    for (let start = offset; start < end; ) {
      const page = pageOf(start);
      const pageEnd = Math.min(end, (page + 1) * PAGE_BYTES);
      if (this.#isPreserved(page)) {
        this.#readPreserved(start, target.subarray(start - offset, pageEnd - offset));
      } else if (pageEnd > offset + count) {
        this.#checkIntact();
        throw damaged(this.path, 'the data file was cut off meanwhile');
      }
      start = pageEnd;
    }
  }

  #readPreserved(offset: number, target: Buffer): void {
    onFile(this.path, 'read what was overwritten meanwhile', () => {
      for (let done = 0; done < target.length; ) {
        const left = target.length - done;
        const count = readSync(this.#preservedDescriptor, target, done, left, offset + done);
        if (count > 0) done += count;
        else if (this.#isBroken()) return;
        else throw damaged(this.path, 'what was overwritten meanwhile was cut off');
      }
    });
  }

  #isPreserved(pageIndex: number): boolean {
    Atomics.load(this.#state, FrozenState.preservations);
    return this.#preserved.has(pageIndex);
  }

  #isBroken(): boolean {
    return Atomics.load(this.#state, FrozenState.broken) !== 0;
  }

  /** @throws HexzError NO_SPACE, OVERLAY_UNUSABLE */
  #checkIntact(): void {
    const reason = Atomics.load(this.#state, FrozenState.broken);
    if (reason === 0) return;
    const location = { file: this.path };
    if (reason === brokenBy.closing || reason === brokenBy.release) {
      const what = reason === brokenBy.closing ? 'overlay was closed' : 'instant was released';
      throw new HexzError('OVERLAY_UNUSABLE', `the ${what} meanwhile`, { location });
    }
    throw new HexzError(
      reason === brokenBy.noSpace ? 'NO_SPACE' : 'OVERLAY_UNUSABLE',
      'what was overwritten meanwhile could not be kept beside the overlay',
      { location, hint: 'the overlay is as it was, with all that was written; try again' },
    );
  }
}
