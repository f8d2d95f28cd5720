import { basename, dirname } from 'node:path';
import { HexzError } from '../errors.js';
import { asOverlayError, codeOf, damaged, onFile } from './failures.js';
import type { FileAccess, OverlayFile, OverlayFiles } from './files.js';
import { namesOfOverlay, type OverlayPaths } from './paths.js';
import { readSideFile, type SideFile } from './sideFile.js';

/**
 * read: nothing is created or changed, and others may read, too. alone: the same without others, until
 * `beginWriting`. write: an overlay that does not exist is made.
 */
export type OverlayAccess = 'read' | 'alone' | 'write';

/** How an overlay is opened. */
export interface AccessOptions {
  readonly access: OverlayAccess;
  /** Whether it must exist, also for writing. */
  readonly isKept?: boolean;
  /** Whether a side file that cannot be read is renamed, and the overlay opened as one without. */
  readonly setsSideFileAside?: boolean;
  /**
   * Whether an overlay that another process has open for writing is read all the same, as it was at the last
   * flush. No lock keeps it from changing then: bytes of pages may be newer, and reading may fail.
   */
  readonly readsLive?: boolean;
}

/** The files of an overlay, open and locked. */
export interface OpenedFiles {
  readonly data: OverlayFile;
  readonly list: OverlayFile;
  /** Undefined where the Rust hexz alone has written so far. */
  readonly sideFile: SideFile | undefined;
  /** Where the side file is now that could not be read. */
  readonly setAside: string | undefined;
  readonly wasCreated: boolean;
  /** Whether another process has them open for writing, and nothing is locked. */
  readonly isLive: boolean;
}

/**
 * Opens and locks the files of an overlay, as `OverlayAccess` says.
 *
 * Both files are locked, because two data files can share the name of their list. A new data file never
 * takes over a list, not even an empty one: an overlay that shares its name would lose its pages to it.
 *
 * @throws HexzError OVERLAY_LOCKED, OVERLAY_DAMAGED, OVERLAY_UNUSABLE, NO_SPACE, UNREADABLE
 */
export function openOverlayFiles(
  paths: OverlayPaths,
  { access, isKept = false, setsSideFileAside = false, readsLive = false }: AccessOptions,
  files: OverlayFiles,
): OpenedFiles {
  const opened: OverlayFile[] = [];
  let isNewAndLocked = false;
  const found = access === 'read' ? 'read' : 'write';
  const open = (path: string, fileAccess: FileAccess): OverlayFile | undefined => {
    const file = openIfThere(files, path, fileAccess);
    if (file !== undefined) opened.push(file);
    return file;
  };
  try {
    const foundData = open(paths.data, found);
    const wasCreated = foundData === undefined;
    const data = foundData ?? createData(paths, access === 'write' && !isKept, files, open);
    const isLive = readsLive && access === 'read' && !takeLock(data, 'shared');
    if (!isLive) lock(data, access, paths, files);
    isNewAndLocked = wasCreated;
    const { sideFile, isUnreadable } = readSide(paths, files, setsSideFileAside);
    // Its writer is about to write the first one.
    if (isLive && sideFile === undefined) throw lockedByWriter(data.path, null);
    const foundList = open(paths.list, found);
    const list = foundList ?? createList(paths, access, data, sideFile, open);
    if (foundList === undefined) {
      // Before anything is written that would make a lost name look like lost changes.
      onFile(list.path, 'create the overlay', () => files.syncDirectory(dirname(list.path)));
    }
    if (list.identity === data.identity) {
      throw damaged(paths.list, 'the list of pages and the data of the overlay are one file');
    }
    if (!isLive) lock(list, access, paths, files);
    const setAside = isUnreadable ? renameSide(paths, files) : undefined;
    return { data, list, sideFile, setAside, wasCreated, isLive };
  } catch (error) {
    for (const file of opened) file.close();
    // Without the lock it may be another's by now.
    if (isNewAndLocked) removeOverlayFiles(paths, files);
    throw error;
  }
}

/**
 * Deletes the files of an overlay that are there. The list goes first: without it, what a kill leaves is taken for
 * a damaged overlay, and never for one without what the side file knows.
 */
export function removeOverlayFiles(paths: OverlayPaths, files: OverlayFiles): void {
  for (const path of namesOfOverlay(paths)) {
    try {
      files.remove(path);
    } catch {
      // There is none, or its directory is gone.
    }
  }
}

function openIfThere(
  files: OverlayFiles,
  path: string,
  access: FileAccess,
): OverlayFile | undefined {
  try {
    return files.open(path, access);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && access !== 'create') return undefined;
    const what = access === 'create' ? 'create the overlay' : 'open the overlay';
    return onFile(path, what, () => {
      throw error;
    });
  }
}

function readSide(
  { side }: OverlayPaths,
  files: OverlayFiles,
  setsAside: boolean,
): { sideFile: SideFile | undefined; isUnreadable: boolean } {
  try {
    const sideFile = onFile(side, 'read the side file of the overlay', () =>
      readSideFile(files, side),
    );
    return { sideFile, isUnreadable: false };
  } catch (error) {
    if (!setsAside || !(error instanceof HexzError) || error.code !== 'OVERLAY_DAMAGED')
      throw error;
    return { sideFile: undefined, isUnreadable: true };
  }
}

function renameSide({ side }: OverlayPaths, files: OverlayFiles): string {
  const setAside = `${side}.damaged-${Date.now()}`;
  onFile(side, 'rename the side file of the overlay', () => files.rename(side, setAside));
  return setAside;
}

type Open = (path: string, access: FileAccess) => OverlayFile | undefined;

function createData(
  paths: OverlayPaths,
  mayCreate: boolean,
  files: OverlayFiles,
  open: Open,
): OverlayFile {
  if (!mayCreate) {
    throw new HexzError('UNREADABLE', 'there is no such overlay', {
      location: { file: paths.data },
    });
  }
  if (open(paths.list, 'read') !== undefined) {
    throw damaged(
      paths.list,
      'the list of pages is there, the data file of the overlay is not',
      `it belongs to an overlay of another extension, or the data were deleted; choose another name than ${basename(paths.data)}, or move the list away`,
    );
  }
  removeIfThere(files, paths.side, 'side file');
  removeIfThere(files, paths.review, 'review');
  const data = open(paths.data, 'create') as OverlayFile;
  // Before the list: a list without data has to mean that there is another overlay.
  onFile(data.path, 'create the overlay', () => files.syncDirectory(dirname(data.path)));
  return data;
}

/** What a deleted overlay left says nothing of the new one. */
function removeIfThere(files: OverlayFiles, path: string, what: string): void {
  try {
    files.remove(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw asOverlayError(error, path, `remove the ${what} of a deleted overlay`);
  }
}

/** A list that ought to be there and is not means lost changes, not an overlay without any. */
function createList(
  paths: OverlayPaths,
  access: OverlayAccess,
  data: OverlayFile,
  sideFile: SideFile | undefined,
  open: Open,
): OverlayFile {
  if (sideFile !== undefined || lengthOf(data) > 0) {
    throw damaged(
      paths.list,
      'the list of the pages that the overlay holds is missing',
      'without it nobody can tell which bytes of the data file count; bring it back, or choose another overlay',
    );
  }
  if (access !== 'write') {
    throw new HexzError('UNREADABLE', 'the overlay is empty and has no list of pages', {
      location: { file: paths.list },
    });
  }
  return open(paths.list, 'create') as OverlayFile;
}

const lengthOf = (file: OverlayFile): number =>
  onFile(file.path, 'open the overlay', () => file.length());

const takeLock = (file: OverlayFile, kind: 'shared' | 'exclusive'): boolean =>
  onFile(file.path, 'lock the overlay', () => file.lock(kind));

function lock(
  file: OverlayFile,
  access: OverlayAccess,
  paths: OverlayPaths,
  files: OverlayFiles,
): void {
  if (takeLock(file, access === 'read' ? 'shared' : 'exclusive')) return;
  if (access !== 'read' && takeLock(file, 'shared')) {
    throw new HexzError('OVERLAY_LOCKED', 'other programs have the overlay open for reading', {
      location: { file: file.path },
      hint: 'hexz status lists mounts; end those of this overlay first',
    });
  }
  throw lockedByWriter(file.path, writerOf(paths, files));
}

function writerOf(paths: OverlayPaths, files: OverlayFiles): SideFile['openedBy'] {
  try {
    return readSideFile(files, paths.side)?.openedBy ?? null;
  } catch {
    // Only the message would be better with it.
    return null;
  }
}

function lockedByWriter(path: string, writer: SideFile['openedBy']): HexzError {
  const who = writer === null ? 'another process' : `process ${writer.pid}`;
  const mountpoint = writer?.mountpoint ?? undefined;
  const where = mountpoint === undefined ? '' : `, mounted at ${mountpoint}`;
  return new HexzError('OVERLAY_LOCKED', `${who} has the overlay open for writing${where}`, {
    location: { file: path },
    hint:
      mountpoint === undefined
        ? 'hexz status lists mounts'
        : `use that mount, or end it: hexz unmount ${mountpoint}`,
  });
}
