import { HexzError } from '../errors.js';
import type { StreamName } from '../format/types.js';
import { DirtyPages } from '../overlay/dirtyPages.js';
import type { ReadableOverlay } from '../overlay/mergedDisk.js';
import { PAGE_BYTES, pageOf, pagesIn } from '../overlay/pages.js';
import type { Selection } from '../overlay/selection.js';
import type { Snapshot } from '../snapshot/snapshot.js';

/** Dirty pages between two looks at whoever waits. */
const PAGES_AT_ONCE = 16 * 1024;

/** A stream that is committed: the base's, and what was changed of it. */
export interface CommitSource {
  readonly stream: StreamName;
  readonly length: number;
  /** Up to here what is not changed is the base's; behind it it is zero. */
  readonly baseEnd: number;
  /** Where the first change lies in a range: bytes that may be others than the base's; undefined if there is none. */
  firstChange(startOffset: number, endOffset: number): number | undefined;
  /**
   * Fills the whole target.
   *
   * @throws HexzError of base and overlay
   */
  read(offset: number, target: Buffer): void;
}

/** A stream of the base, as it is. */
export const unchangedStream = (base: Snapshot, stream: StreamName): CommitSource => ({
  stream,
  length: base.streamLength(stream),
  baseEnd: base.streamLength(stream),
  firstChange: () => undefined,
  read: (offset, target) => filled(base.readInto(stream, offset, target), target, offset),
});

/**
 * The disk of the base under an overlay. With a selection, dirty pages count only as far as they are selected; the
 * size of the disk, and what was cut off it, count always.
 */
export function changedDisk(
  base: Snapshot,
  overlay: ReadableOverlay,
  selection: Selection | undefined,
): CommitSource {
  const { length, shownBaseLength: baseEnd } = overlay;
  const read = (offset: number, target: Buffer) =>
    filled(overlay.readInto(offset, target), target, offset);
  const readUnselected = (offset: number, target: Buffer) => {
    const fromBase = Math.max(0, Math.min(target.length, baseEnd - offset));
    filled(base.readInto('disk', offset, target.subarray(0, fromBase)), target, offset, fromBase);
    target.fill(0, fromBase);
  };
  return {
    stream: 'disk',
    length,
    baseEnd,
    firstChange: (startOffset, endOffset) =>
      selection === undefined
        ? firstDirty(overlay, startOffset, endOffset)
        : firstSelected(overlay, selection, startOffset, endOffset),
    read:
      selection === undefined
        ? read
        : (offset, target) => {
            readUnselected(offset, target);
            for (const part of selection.partsIn(offset, offset + target.length)) {
              readDirty(overlay, part, target, offset, read);
            }
          },
  };
}

/** What a commit takes of the dirty pages. */
export interface Division {
  /** Those that a selection does not hold whole. */
  readonly remaining: DirtyPages;
  /** Of how many it holds anything. */
  readonly committedPages: number;
  readonly committedBytes: number;
}

/** Divides dirty pages by a selection. */
export function divide(overlay: ReadableOverlay, selection: Selection | undefined): Division {
  const steps = divideInSteps(overlay, selection);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same, with a pause after every so many pages. */
export function* divideInSteps(
  overlay: ReadableOverlay,
  selection: Selection | undefined,
): Generator<void, Division> {
  const remaining = new DirtyPages();
  const { length } = overlay;
  if (selection === undefined) {
    const committedPages = overlay.dirtyPageCount;
    const isLastCut = length % PAGE_BYTES !== 0 && overlay.isDirty(pageOf(length));
    const missing = isLastCut ? PAGE_BYTES - (length % PAGE_BYTES) : 0;
    return { remaining, committedPages, committedBytes: committedPages * PAGE_BYTES - missing };
  }
  let committedPages = 0;
  let committedBytes = 0;
  let untilPause = PAGES_AT_ONCE;
  for (const { pageIndex, pageCount } of overlay.extents()) {
    for (let page = pageIndex; page < pageIndex + pageCount; page++) {
      const start = page * PAGE_BYTES;
      const end = Math.min(start + PAGE_BYTES, length);
      let bytes = 0;
      for (const part of selection.partsIn(start, end)) bytes += part.endOffset - part.startOffset;
      if (bytes > 0) committedPages++;
      if (bytes < end - start) remaining.add(page);
      committedBytes += bytes;
      if (--untilPause > 0) continue;
      untilPause = PAGES_AT_ONCE;
      yield;
    }
  }
  return { remaining, committedPages, committedBytes };
}

function firstDirty(
  overlay: ReadableOverlay,
  startOffset: number,
  endOffset: number,
): number | undefined {
  const page = overlay.firstDirtyPage(pageOf(startOffset), pagesIn(endOffset));
  return page === undefined ? undefined : Math.max(startOffset, page * PAGE_BYTES);
}

function firstSelected(
  overlay: ReadableOverlay,
  selection: Selection,
  startOffset: number,
  endOffset: number,
): number | undefined {
  for (const part of selection.partsIn(startOffset, endOffset)) {
    const change = firstDirty(overlay, part.startOffset, part.endOffset);
    if (change !== undefined) return change;
  }
  return undefined;
}

/** Puts what is dirty of a part over what the base has there. */
function readDirty(
  overlay: ReadableOverlay,
  { startOffset, endOffset }: { startOffset: number; endOffset: number },
  target: Buffer,
  targetOffset: number,
  read: (offset: number, target: Buffer) => void,
): void {
  for (let start = startOffset; start < endOffset; ) {
    const end = Math.min((pageOf(start) + 1) * PAGE_BYTES, endOffset);
    if (overlay.isDirty(pageOf(start))) {
      read(start, target.subarray(start - targetOffset, end - targetOffset));
    }
    start = end;
  }
}

function filled(count: number, target: Buffer, offset: number, wanted = target.length): void {
  if (count === wanted) return;
  throw new HexzError('UNREADABLE', `only ${count} of ${wanted} bytes could be read`, {
    location: { offset },
  });
}
