import { DataReader, restless } from './dataReader.js';
import { DirtyPages } from './dirtyPages.js';
import { DiskNumbers } from './diskNumbers.js';
import type { OverlayFile } from './files.js';
import { type BaseDisk, MergedDisk } from './mergedDisk.js';
import { openData } from './openData.js';
import { PageVersions } from './pageVersions.js';
import type { SharedOverlay } from './sharedOverlay.js';

/** A disk that is cut again and again is read again and again, but not for ever. */
const MAX_TRIES = 100;

/**
 * The overlay of another thread, read while that thread writes: everything that was written before a read began is
 * in it, and every page is one that the disk held at some moment since.
 *
 *   meanwhile                        what is done
 *   a page is written                it is read again (`PageVersions`)
 *   a clean page becomes dirty       nothing: what the base has was its content when the read began
 *   the disk is cut, pages dropped   everything is read again (`DiskNumbers`)
 *
 * Pages of one read may be of different moments.
 */
export class OverlayView extends MergedDisk {
  readonly path: string;
  protected readonly base: BaseDisk;
  protected readonly pages: DirtyPages;
  readonly #numbers: DiskNumbers;
  readonly #data: OverlayFile;
  readonly #reader: DataReader;

  /**
   * @param base opened by this thread
   * @throws HexzError OVERLAY_UNUSABLE when the data file no longer has its name
   */
  constructor(shared: SharedOverlay, base: BaseDisk) {
    super();
    const { path } = shared;
    this.path = path;
    this.base = base;
    this.pages = DirtyPages.attach(shared.pages);
    this.#numbers = new DiskNumbers(shared.numbers);
    this.#data = openData(shared);
    const versions = new PageVersions(shared.pageVersions);
    this.#reader = new DataReader(this.#data, this.#numbers, versions);
  }

  get length(): number {
    return this.#numbers.length;
  }

  protected get lowestTruncation(): number {
    return this.#numbers.lowestTruncation;
  }

  /** @throws HexzError as `MergedDisk.readInto`; UNREADABLE when it does not come to rest */
  override readInto(offset: number, target: Buffer): number {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const version = this.#numbers.settledVersion();
      let count = 0;
      let failure: unknown;
      try {
        count = super.readInto(offset, target);
      } catch (error) {
        failure = error;
      }
      if (version % 2 !== 0 || this.#numbers.version !== version) continue;
      if (failure !== undefined) throw failure;
      return count;
    }
    throw restless(this.path);
  }

  protected readDirty(offset: number, target: Buffer): void {
    this.#reader.read(offset, target);
  }

  close(): void {
    this.#data.close();
  }
}
