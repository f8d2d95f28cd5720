import { DirtyPages, type SharedDirtyPages } from './dirtyPages.js';
import { DirtySet } from './dirtySet.js';
import { DiskNumbers, type SharedDiskNumbers } from './diskNumbers.js';

/** A running overlay as other threads of its process get it: structured-cloneable. */
export interface SharedOverlay {
  /** The data file, and which file that is. */
  readonly path: string;
  readonly identity: string;
  readonly isWritable: boolean;
  readonly numbers: SharedDiskNumbers;
  readonly pages: SharedDirtyPages;
  readonly pageVersions: SharedArrayBuffer;
  readonly writeLock: SharedArrayBuffer;
  /** By which every thread of the process writes to the data file. */
  readonly dataDescriptor: number;
}

/** The dirty pages of another thread's overlay, as they are at every moment. */
export class SharedDirtySet extends DirtySet {
  protected readonly pages: DirtyPages;
  readonly #numbers: DiskNumbers;

  constructor({ pages, numbers }: SharedOverlay) {
    super();
    this.pages = DirtyPages.attach(pages);
    this.#numbers = new DiskNumbers(numbers);
  }

  get length(): number {
    return this.#numbers.length;
  }

  /** Another one, whenever pages were cut off or became clean, or the disk became larger by itself. */
  get version(): number {
    return this.#numbers.version;
  }
}
