import { countOf, type OverlayFinding } from './findings.js';
import { ENTRY_BYTES } from './pageList.js';
import type { SideFile } from './sideFile.js';

/** What the files of an overlay are found as. Lengths in bytes. */
export interface FoundFiles {
  readonly sideFile: SideFile | undefined;
  readonly dataLength: number;
  readonly listLength: number;
  readonly baseLength: number;
  readonly bootId: string;
  /** Whether a writer is at work on them, which has written the side file. */
  readonly isLive: boolean;
  /** Whether the data file holds nothing but zeros between two offsets. */
  isZero(startOffset: number, endOffset: number): boolean;
}

/** What counts of them. */
export interface DiskState {
  /** Exact size of the merged disk. */
  readonly diskLength: number;
  /** From here on the base does not show through; Infinity if it was never cut off. */
  readonly lowestTruncation: number;
  /** How much of the list counts: whole entries. */
  readonly listLength: number;
  readonly findings: readonly OverlayFinding[];
}

/**
 * Decides what the files of an overlay mean (docs/format.md, 13.4).
 *
 *   side file           lengths           boot     what happened            size of the disk
 *   none                -                 -        the Rust hexz wrote it   max(base, data file)
 *   closed              as recorded       -        we closed it             as recorded
 *   closed              different         -        the Rust hexz went on    max(base, data file)
 *   closed              bytes in padding  -        the Rust hexz went on    max(base, data file)
 *   opened              any               same     our writer was killed    as recorded, or grown with the data file
 *   opened              any               another  the power was cut        as recorded; the list ends as recorded
 *   by a writer at work any               any      it is being written      as recorded; the list ends as recorded
 *
 * After a kill the system still writes everything that was answered. While a writer is at work the data
 * file is never longer than the disk, unless the side file says exactly how long it is: it was being cut
 * or padded. So any other length beyond the recorded size was a write that made the disk grow.
 */
export function recoverState(found: FoundFiles): DiskState {
  const { sideFile, dataLength, baseLength, bootId } = found;
  const tornBytes = found.listLength % ENTRY_BYTES;
  const wholeLength = found.listLength - tornBytes;
  const findings: OverlayFinding[] = [];
  const find = (kind: OverlayFinding['kind'], isDamage: boolean, count: number, message: string) =>
    findings.push({ kind, isDamage, count, message });
  if (tornBytes > 0) {
    const message = `the list of pages ends in ${countOf(tornBytes, 'byte')} of an unfinished entry; ignored`;
    find('torn-list', true, tornBytes, message);
  }
  const byReference: DiskState = {
    diskLength: Math.max(baseLength, dataLength),
    lowestTruncation: Number.POSITIVE_INFINITY,
    listLength: wholeLength,
    findings,
  };
  if (sideFile === undefined) return byReference;
  const { diskLength } = sideFile;
  // A disk that is shorter than its base was cut, and never grows back into it.
  const lowestTruncation = Math.min(
    sideFile.lowestTruncation ?? Number.POSITIVE_INFINITY,
    diskLength < baseLength ? diskLength : Number.POSITIVE_INFINITY,
  );
  const recorded: DiskState = { ...byReference, diskLength, lowestTruncation };
  if (found.isLive) {
    // What the writer has done since its last flush, half done perhaps, is his.
    const listLength = Math.min(
      wholeLength,
      sideFile.listLength - (sideFile.listLength % ENTRY_BYTES),
    );
    return { ...recorded, listLength, findings: [] };
  }
  if (sideFile.openedBy === null) {
    const isAsClosed =
      dataLength === sideFile.dataLength &&
      found.listLength === sideFile.listLength &&
      found.isZero(diskLength, dataLength);
    if (isAsClosed) return recorded;
    if (wholeLength < sideFile.listLength) {
      const lost = Math.ceil((sideFile.listLength - wholeLength) / ENTRY_BYTES);
      find('short-list', true, lost, `the list of pages lost ${countOf(lost, 'entry', 'entries')}`);
    }
    if (dataLength < sideFile.dataLength) {
      const lost = sideFile.dataLength - dataLength;
      find('short-data', true, lost, `the data file lost ${countOf(lost, 'byte')} at its end`);
    }
    const message =
      'another program has written to the overlay since hexz closed it; its size is that of the data file, or of the snapshot where that is larger';
    find('foreign-writes', false, 1, message);
    return byReference;
  }
  if (sideFile.bootId === bootId) {
    const hasGrown = dataLength !== sideFile.dataLength && dataLength > diskLength;
    find('not-closed', false, 1, 'its last writer did not close it; all of its writes are there');
    return hasGrown ? { ...recorded, diskLength: dataLength } : recorded;
  }
  const listLength = Math.min(wholeLength, sideFile.listLength);
  const dropped = (wholeLength - listLength) / ENTRY_BYTES;
  if (dropped > 0) {
    const message = `the machine stopped before the last writes were flushed; ${countOf(dropped, 'page')} that no fsync had confirmed dropped`;
    find('unconfirmed', true, dropped, message);
  } else {
    const message =
      'the machine stopped before its last writer closed it; everything is there that was confirmed';
    find('not-closed', false, 1, message);
  }
  return { ...recorded, listLength };
}
