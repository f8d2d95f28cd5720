import type { StreamName } from '../../engine/format/types.js';

/**
 * What a difference is.
 *
 *   kind     of what                                    what it says
 *   changed  pages that are dirty, or not the same      at least one byte is another one than before
 *   equal    pages that are dirty                       every byte is the same as before
 *   new      pages that are dirty                       they lie behind the end of what was before
 *   cut      bytes that are not in dirty pages          zero now, because the disk was cut and grew again
 *   grown    all bytes behind the end before            the disk is longer now
 *   removed  all bytes behind the end now               the disk is shorter now
 */
export type DifferenceKind = 'changed' | 'equal' | 'new' | 'cut' | 'grown' | 'removed';

/** What one difference is: a run of pages of one extent, or a single page. */
export type Granularity = 'extent' | 'run' | 'page';

/** A stretch of a stream. Offsets and lengths in bytes; pages have 4096 bytes, the last one perhaps less. */
export interface Difference {
  readonly stream: StreamName;
  /** Of an extent with pages of several kinds: `changed` before `new` before `equal`. */
  readonly kind: DifferenceKind;
  readonly offset: number;
  readonly length: number;
  /** The pages that the stretch touches. */
  readonly pageIndex: number;
  readonly pageCount: number;
  /** How many of them are of which kind; 0 in stretches that are `cut`, `grown` or `removed`. */
  readonly changedPages: number;
  readonly equalPages: number;
  readonly newPages: number;
  /** Bytes that were there before and are other ones now. */
  readonly differentBytes: number;
  /** Bytes of pages behind the end of what was before. */
  readonly newBytes: number;
}

/** The sums over one stream so far. Bytes and lengths in bytes. */
export interface DiffTally {
  readonly stream: StreamName;
  /** Undefined where that side does not have the stream. */
  readonly lengthBefore: number | undefined;
  readonly lengthAfter: number | undefined;
  /** Runs of pages that follow each other: dirty ones of an overlay, changed ones of a snapshot. */
  extents: number;
  changedPages: number;
  equalPages: number;
  newPages: number;
  /** Bytes that both sides have and that are not the same, cut ones included. */
  differentBytes: number;
  newBytes: number;
  cutRanges: number;
  cutBytes: number;
  grownBytes: number;
  removedBytes: number;
  /** Bytes of this side that had to be read to know. */
  comparedBytes: number;
  /** How far it is, of what `overlayDiffBytes` or `snapshotDiffBytes` says. */
  doneBytes: number;
}

/** What a comparison yields: a difference, or just how far it is. */
export interface DiffStep {
  readonly tally: DiffTally;
  readonly difference: Difference | undefined;
}

/** Whether nothing differs but how it is stored. */
export const isSameContent = (tally: DiffTally): boolean =>
  tally.differentBytes === 0 && (tally.lengthBefore ?? 0) === (tally.lengthAfter ?? 0);

export function newTally(
  stream: StreamName,
  lengthBefore: number | undefined,
  lengthAfter: number | undefined,
): DiffTally {
  return {
    stream,
    lengthBefore,
    lengthAfter,
    extents: 0,
    changedPages: 0,
    equalPages: 0,
    newPages: 0,
    differentBytes: 0,
    newBytes: 0,
    cutRanges: 0,
    cutBytes: 0,
    grownBytes: 0,
    removedBytes: 0,
    comparedBytes: 0,
    doneBytes: 0,
  };
}
