import { DirtySet } from './dirtySet.js';
import { PAGE_BYTES, pageOf, pagesIn } from './pages.js';

/** The disk that an overlay lies on. */
export interface BaseDisk {
  readonly path: string;
  readonly length: number;
  /** Fills the target, less only at the end of the disk; throws HexzError. */
  readInto(offset: number, target: Buffer): number;
  /** The same for the same disk, wherever its file lies (`baseIdentity`). */
  identity(): string;
}

/** An overlay as readers take it, whether it is their own, another thread's, or what it was at one moment. */
export type ReadableOverlay = Pick<
  MergedDisk,
  | 'path'
  | 'length'
  | 'shownBaseLength'
  | 'dirtyPageCount'
  | 'isDirty'
  | 'firstDirtyPage'
  | 'extents'
  | 'readInto'
>;

/** A disk made of a base and of pages that lie elsewhere. */
export abstract class MergedDisk extends DirtySet {
  /** The data file. */
  abstract readonly path: string;

  protected abstract get base(): BaseDisk;

  /** From here on the base does not show through. */
  protected abstract get lowestTruncation(): number;

  /** Fills the target with bytes of dirty pages. */
  protected abstract readDirty(offset: number, target: Buffer): void;

  /** How far clean pages show the base; behind it they are zero. */
  get shownBaseLength(): number {
    return Math.min(this.base.length, this.lowestTruncation);
  }

  /**
   * Reads the merged disk into the target: as many bytes as fit, fewer only at its end.
   *
   * @throws HexzError of the base; OVERLAY_DAMAGED when the data file became shorter; OVERLAY_UNUSABLE
   */
  readInto(offset: number, target: Buffer): number {
    const { pages } = this;
    const length = Math.max(0, Math.min(target.length, this.length - offset));
    const end = offset + length;
    const endPageIndex = pagesIn(end);
    let done = 0;
    while (done < length) {
      const start = offset + done;
      const pageIndex = pageOf(start);
      // Asked once: in another thread it may become dirty meanwhile.
      const isDirty = pages.has(pageIndex);
      const runEnd = Math.min(end, pages.runEnd(pageIndex, endPageIndex, isDirty) * PAGE_BYTES);
      const piece = target.subarray(done, done + runEnd - start);
      if (isDirty) this.readDirty(start, piece);
      else this.readBase(start, piece);
      done += piece.length;
    }
    return length;
  }

  /** Fills the target with what clean pages show. */
  protected readBase(offset: number, target: Buffer): void {
    const wanted = Math.max(0, Math.min(target.length, this.shownBaseLength - offset));
    if (wanted > 0) this.base.readInto(offset, target.subarray(0, wanted));
    if (wanted < target.length) target.fill(0, wanted);
  }
}
