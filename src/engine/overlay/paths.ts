import { basename, dirname, join, resolve } from 'node:path';
import { HexzError } from '../errors.js';

/** The files of an overlay, by their absolute paths. */
export interface OverlayPaths {
  readonly data: string;
  /** Which pages are in the data file (docs/format.md, 13.2). */
  readonly list: string;
  /** What hexz knows beyond that (docs/format.md, 13.4). */
  readonly side: string;
  /** How far its review has come (docs/format.md, 13.5); absent until something is decided. */
  readonly review: string;
}

const LIST_EXTENSION = '.meta';

/**
 * The paths of an overlay by that of its data file. The list's name is the data file's with its extension
 * replaced, as the Rust hexz forms it: the last dot counts unless it is the first character.
 *
 * @throws HexzError OVERLAY_UNUSABLE where data file and list would be one file
 */
export function overlayPaths(dataPath: string): OverlayPaths {
  const data = resolve(dataPath);
  const name = basename(data);
  const dot = name.lastIndexOf('.');
  const list = join(dirname(data), `${dot > 0 ? name.slice(0, dot) : name}${LIST_EXTENSION}`);
  if (list === data) {
    throw new HexzError(
      'OVERLAY_UNUSABLE',
      `the name of an overlay cannot end in ${LIST_EXTENSION}: that is the name of its list of pages`,
      { location: { file: dataPath } },
    );
  }
  return { data, list, side: `${data}.hexz.json`, review: `${data}.hexz-review.json` };
}

/** A file under a temporary name, to be given this path later. */
export const temporaryPathOf = (path: string): string => `${path}.tmp`;

/** The files that every overlay has which hexz has closed. */
export const filesOfOverlay = ({ data, list, side }: OverlayPaths): string[] => [data, list, side];

/**
 * All names that an overlay may use, the list's first, whether there is such a file now or not. No other file may
 * have one of them.
 */
export const namesOfOverlay = ({ data, list, side, review }: OverlayPaths): string[] => [
  ...[list, data],
  ...[temporaryPathOf(list), temporaryPathOf(side), side],
  ...[temporaryPathOf(review), review],
];
