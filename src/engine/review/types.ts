import type { Extent } from '../overlay/dirtyPages.js';

/** What is decided of a page. `open`: nothing. A commit takes it all the same: only what is dropped is left out. */
export type Decision = 'keep' | 'drop' | 'open';

/** A run of dirty pages that is decided as one. */
export interface Hunk extends Extent {
  readonly decision: Decision;
  readonly isViewed: boolean;
  /** Whether a page of it was written after it was decided or viewed last: what is there now nobody has seen. */
  readonly hasChangedSince: boolean;
}

/** How far a review is. `keep`, `drop`, `open`, `viewed` and `changed` count hunks. */
export interface ReviewCounts {
  readonly revision: number;
  readonly hunks: number;
  readonly keep: number;
  readonly drop: number;
  readonly open: number;
  readonly viewed: number;
  /** Hunks that were written after they were decided or viewed. */
  readonly changed: number;
  readonly keepPages: number;
  readonly dropPages: number;
  readonly openPages: number;
  /** As far as the disk goes. */
  readonly keepBytes: number;
  readonly dropBytes: number;
  readonly openBytes: number;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
}

/** What can be done to a review; without `pages` to everything that is dirty. */
export type ReviewChange =
  | {
      readonly action: 'keep' | 'drop' | 'clear';
      readonly pages?: Extent | undefined;
    }
  | {
      readonly action: 'viewed';
      readonly pages?: Extent | undefined;
      readonly isViewed: boolean;
    }
  /** Lets a hunk begin at a page; joining takes such borders between the pages of a range away. */
  | { readonly action: 'split'; readonly pageIndex: number }
  | { readonly action: 'join'; readonly pages: Extent }
  /** Keeps what is open. */
  | { readonly action: 'keepOpen' }
  | { readonly action: 'undo' | 'redo' };

/** The dirty pages of a disk, which change while they are reviewed: `DirtyPages` with the length of the disk. */
export interface DirtySet {
  readonly diskLength: number;
  /** Another one whenever pages have become clean. */
  readonly version: number;
  has(pageIndex: number): boolean;
  /**
   * The first page behind `pageIndex` that is not as dirty or clean as it is; at most `endPageIndex`.
   *
   * @param isDirty as `has` has answered: asked again, it might say something else
   */
  runEnd(pageIndex: number, endPageIndex: number, isDirty: boolean): number;
}
