import type { SideFile } from './sideFile.js';

/** What a person should know of the files of an overlay. */
export interface OverlayFinding {
  readonly kind:
    | 'torn-list'
    | 'short-list'
    | 'short-data'
    | 'unconfirmed'
    | 'foreign-writes'
    | 'not-closed'
    | 'duplicates'
    | 'out-of-range'
    | 'behind-end'
    | 'equal-to-base'
    | 'wrong-base'
    | 'side-file'
    | 'unreadable';
  /** Whether something is wrong, or only worth knowing. */
  readonly isDamage: boolean;
  /** How many entries, pages or bytes it is about. */
  readonly count: number;
  readonly message: string;
}

/** A count with its noun: "1 page", "2 pages". */
export const countOf = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** What is told of a side file that could not be read and was renamed. */
export function sideFileFinding(setAside: string): OverlayFinding {
  const message = `the side file could not be read and is now ${setAside}; the size of the disk is that of the data file, or of the base where that is larger`;
  return { kind: 'side-file', isDamage: true, count: 1, message };
}

export function wrongBaseFinding({ base }: SideFile): OverlayFinding {
  const message = `the overlay was made on another snapshot (${base.path})`;
  return { kind: 'wrong-base', isDamage: true, count: 1, message };
}

/** What is told of entries of the list that mean nothing. */
export function listFindings(list: {
  readonly duplicates: number;
  readonly outOfRange: number;
}): OverlayFinding[] {
  const { duplicates, outOfRange } = list;
  const findings: OverlayFinding[] = [];
  if (duplicates > 0) {
    const message = `the list has ${countOf(duplicates, 'entry', 'entries')} that name a page again`;
    findings.push({ kind: 'duplicates', isDamage: false, count: duplicates, message });
  }
  if (outOfRange > 0) {
    const message = `the list has ${countOf(outOfRange, 'entry', 'entries')} beyond every disk; ignored`;
    findings.push({ kind: 'out-of-range', isDamage: true, count: outOfRange, message });
  }
  return findings;
}
