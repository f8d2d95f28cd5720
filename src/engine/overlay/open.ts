import { basename, dirname } from 'node:path';
import { HexzError } from '../errors.js';
import { codeOf, damaged, onFile } from './failures.js';
import type { FileAccess, OverlayFile, OverlayFiles } from './files.js';
import type { OverlayPaths } from './paths.js';
import { readSideFile, type SideFile } from './sideFile.js';

/** The files of an overlay, open and locked. */
export interface OpenedFiles {
  readonly data: OverlayFile;
  readonly list: OverlayFile;
  /** Undefined where the Rust hexz alone has written so far. */
  readonly sideFile: SideFile | undefined;
}

/**
 * Opens and locks the files of an overlay: shared for reading, alone for writing. For writing, an overlay
 * that does not exist is made; for reading, nothing is created or changed.
 *
 * Both files are locked, because two data files can share the name of their list.
 *
 * @throws HexzError OVERLAY_LOCKED, OVERLAY_DAMAGED, OVERLAY_UNUSABLE, NO_SPACE, UNREADABLE
 */
export function openOverlayFiles(
  paths: OverlayPaths,
  access: 'read' | 'write',
  files: OverlayFiles,
): OpenedFiles {
  const opened: OverlayFile[] = [];
  const open = (path: string, fileAccess: FileAccess): OverlayFile | undefined => {
    const file = openIfThere(files, path, fileAccess);
    if (file !== undefined) opened.push(file);
    return file;
  };
  try {
    const data = open(paths.data, access) ?? createData(paths, access, open);
    lock(data, access, paths, files);
    const sideFile = onFile(paths.side, 'read the side file of the overlay', () =>
      readSideFile(files, paths.side),
    );
    const foundList = open(paths.list, access);
    const list = foundList ?? createList(paths, access, data, sideFile, open);
    if (foundList === undefined) {
      // Before anything is written that would make a lost name look like lost changes.
      onFile(list.path, 'create the overlay', () => files.syncDirectory(dirname(list.path)));
    }
    if (list.identity === data.identity) {
      throw damaged(paths.list, 'the list of pages and the data of the overlay are one file');
    }
    lock(list, access, paths, files);
    return { data, list, sideFile };
  } catch (error) {
    for (const file of opened) file.close();
    throw error;
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

type Open = (path: string, access: FileAccess) => OverlayFile | undefined;

function createData(paths: OverlayPaths, access: 'read' | 'write', open: Open): OverlayFile {
  if (access === 'read') {
    throw new HexzError('UNREADABLE', 'there is no such overlay', {
      location: { file: paths.data },
      hint: 'with --rw it is created',
    });
  }
  const list = open(paths.list, 'read');
  if (list !== undefined && lengthOf(list) > 0) {
    throw damaged(
      paths.list,
      'the list of pages is there, the data file of the overlay is not',
      `it belongs to an overlay of another extension, or the data were deleted; choose another name than ${basename(paths.data)}, or move the list away`,
    );
  }
  list?.close();
  return open(paths.data, 'create') as OverlayFile;
}

/** A list that ought to be there and is not means lost changes, not an overlay without any. */
function createList(
  paths: OverlayPaths,
  access: 'read' | 'write',
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
  if (access === 'read') {
    throw new HexzError('UNREADABLE', 'the overlay is empty and has no list of pages', {
      location: { file: paths.list },
      hint: 'with --rw it is created',
    });
  }
  return open(paths.list, 'create') as OverlayFile;
}

const lengthOf = (file: OverlayFile): number =>
  onFile(file.path, 'open the overlay', () => file.length());

function lock(
  file: OverlayFile,
  access: 'read' | 'write',
  paths: OverlayPaths,
  files: OverlayFiles,
): void {
  const take = (kind: 'shared' | 'exclusive') =>
    onFile(file.path, 'lock the overlay', () => file.lock(kind));
  if (take(access === 'write' ? 'exclusive' : 'shared')) return;
  if (access === 'write' && take('shared')) {
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
