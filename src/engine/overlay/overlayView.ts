import { HexzError } from '../errors.js';
import { DirtyPages } from './dirtyPages.js';
import { DiskNumbersView } from './diskNumbers.js';
import { damaged, onFile } from './failures.js';
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
  readonly #numbers: DiskNumbersView;
  readonly #versions: PageVersions;
  readonly #data: OverlayFile;

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
    this.#numbers = new DiskNumbersView(shared.numbers);
    this.#versions = new PageVersions(shared.pageVersions);
    this.#data = openData(shared);
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
    throw this.#restless();
  }

  protected readDirty(offset: number, target: Buffer): void {
    const read = (start: number, piece: Buffer) => this.#readData(start, piece);
    if (!this.#versions.read(offset, target, read)) throw this.#restless();
  }

  close(): void {
    this.#data.close();
  }

  /** The length of the file tells where zeros begin: a page turns dirty before `dataLength` is known to reach it. */
  #readData(offset: number, target: Buffer): void {
    const count = onFile(this.path, 'read the overlay', () => this.#data.read(target, offset));
    if (count === target.length) return;
    const wanted = Math.min(target.length, this.#numbers.dataLength - offset);
    if (count < wanted) throw damaged(this.path, 'the data file was cut off meanwhile');
    target.fill(0, count);
  }

  #restless(): HexzError {
    return new HexzError('UNREADABLE', 'the overlay was changed whenever it was read', {
      location: { file: this.path },
    });
  }
}
