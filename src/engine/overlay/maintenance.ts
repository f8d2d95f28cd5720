import { spawnSync } from 'node:child_process';
import { HexzError } from '../errors.js';
import { DirtyPages } from './dirtyPages.js';
import { onFile } from './failures.js';
import { systemFiles } from './files.js';
import { type BaseDisk, Overlay } from './overlay.js';
import { MAX_PAGES } from './pages.js';
import { overlayPaths } from './paths.js';
import type { Finding } from './recovery.js';
import { readSideFile, type SideFile } from './sideFile.js';

/** What an overlay is found as. */
export interface OverlayReport {
  /** Exact size of the merged disk; null where only the base could tell. */
  readonly diskLength: number | null;
  readonly dirtyPages: number;
  readonly findings: readonly Finding[];
}

/** What was done to an overlay. */
export interface OverlayChange {
  readonly diskLength: number;
  readonly dirtyPages: number;
  /** One sentence for each change; empty if nothing had to be done. */
  readonly actions: readonly string[];
}

/** Stands for a base that nobody named. */
const unknownBase: BaseDisk = { path: '', length: 0, readInto: () => 0, identity: () => '' };

/**
 * Looks at an overlay without changing anything. With the base it is also asked whether it is the right one,
 * and how many pages hold nothing but what the base has.
 *
 * @throws HexzError UNREADABLE, OVERLAY_LOCKED, OVERLAY_UNUSABLE
 */
export async function verifyOverlay(path: string, base?: BaseDisk): Promise<OverlayReport> {
  try {
    const sideFile = sideFileOf(path);
    const overlay = Overlay.open({ path, base: base ?? unknownBase, access: 'read', force: true });
    try {
      const knowsLength = base !== undefined || sideFile !== undefined;
      return {
        diskLength: knowsLength ? overlay.length : null,
        dirtyPages: overlay.dirtyPageCount,
        findings: [
          ...overlay.findings,
          ...(knowsLength ? pagesBehindEnd(overlay) : []),
          ...(base === undefined ? [] : comparedWithBase(overlay, base, sideFile)),
        ],
      };
    } finally {
      await overlay.close();
    }
  } catch (error) {
    if (!(error instanceof HexzError) || error.code !== 'OVERLAY_DAMAGED') throw error;
    const finding = {
      kind: 'unreadable',
      isDamage: true,
      count: 1,
      message: error.toLine(),
    } as const;
    return { diskLength: null, dirtyPages: 0, findings: [finding] };
  }
}

/**
 * Mends what can be mended without guessing: what an interrupted writer left, entries that mean nothing,
 * a side file that cannot be read.
 *
 * @throws HexzError OVERLAY_DAMAGED where it cannot be mended, and as `Overlay.open`
 */
export async function repairOverlay(
  path: string,
  base: BaseDisk,
  force = false,
): Promise<OverlayChange> {
  const actions: string[] = [];
  const setAside = setUnreadableSideFileAside(path);
  if (setAside !== undefined) actions.push(setAside);
  const overlay = Overlay.open({ path, base, access: 'write', force });
  try {
    const findings = [...overlay.findings, ...pagesBehindEnd(overlay)];
    if (findings.some(({ kind }) => kind in rewriting)) {
      overlay.keepOnly(dirtyPagesOf(overlay, () => true));
    }
    for (const { kind, count } of findings) {
      const done = repairs[kind];
      if (done !== undefined) actions.push(`${count} ${done}`);
    }
    return changeOf(overlay, actions);
  } finally {
    await overlay.close();
  }
}

/**
 * Drops pages that hold nothing but what the base has, and gives their room back where the file system can.
 *
 * @throws HexzError as `Overlay.open` and `Overlay.keepOnly`
 */
export async function compactOverlay(
  path: string,
  base: BaseDisk,
  force = false,
): Promise<OverlayChange> {
  const overlay = Overlay.open({ path, base, access: 'write', force });
  try {
    const before = overlay.dirtyPageCount;
    const kept = dirtyPagesOf(overlay, (page) => !overlay.equalsBase(page));
    overlay.keepOnly(kept);
    const dropped = before - overlay.dirtyPageCount;
    if (dropped === 0) return changeOf(overlay, []);
    // Zeros become holes. Where this cannot be, the file stays as large as it was.
    spawnSync('fallocate', ['--dig-holes', '--', overlayPaths(path).data], { stdio: 'ignore' });
    return changeOf(overlay, [`${dropped} pages that were equal to the base dropped`]);
  } finally {
    await overlay.close();
  }
}

/** The snapshot that an overlay was made on, if that is recorded. */
export function recordedBasePath(path: string): string | undefined {
  try {
    return sideFileOf(path)?.base.path;
  } catch (error) {
    // One that cannot be read records nothing.
    if (error instanceof HexzError && error.code === 'OVERLAY_DAMAGED') return undefined;
    throw error;
  }
}

/** What opening for writing has mended, or rewriting the list does. */
const repairs: Partial<Record<Finding['kind'], string>> = {
  'torn-list': 'bytes of an unfinished entry cut off the list of pages',
  unconfirmed: 'pages dropped that no fsync had confirmed when the machine stopped',
  'not-closed': 'overlay closed that its last writer did not close',
  duplicates: 'entries removed that named a page again',
  'out-of-range': 'entries removed that lay beyond every disk',
  'behind-end': 'pages behind the end of the disk removed from the list',
};

const rewriting = { duplicates: true, 'out-of-range': true, 'behind-end': true };

function sideFileOf(path: string): SideFile | undefined {
  const { side } = overlayPaths(path);
  return onFile(side, 'read the side file of the overlay', () => readSideFile(systemFiles, side));
}

/** Renames a side file that cannot be read; the rules for overlays without one hold then. */
function setUnreadableSideFileAside(path: string): string | undefined {
  const { side } = overlayPaths(path);
  try {
    sideFileOf(path);
    return undefined;
  } catch (error) {
    if (!(error instanceof HexzError) || error.code !== 'OVERLAY_DAMAGED') throw error;
  }
  const newPath = `${side}.damaged`;
  onFile(side, 'rename the side file of the overlay', () => systemFiles.rename(side, newPath));
  return `the side file could not be read and is now ${newPath}; the size of the disk is that of the data file, or of the base where that is larger`;
}

function pagesBehindEnd({ pagesBehindEnd: count }: Overlay): Finding[] {
  if (count === 0) return [];
  const message = `${count} pages of the list lie behind the end of the disk`;
  return [{ kind: 'behind-end', isDamage: false, count, message }];
}

function comparedWithBase(
  overlay: Overlay,
  base: BaseDisk,
  sideFile: SideFile | undefined,
): Finding[] {
  if (sideFile !== undefined && sideFile.base.identity !== base.identity()) {
    const message = `the overlay was made on another snapshot (${sideFile.base.path})`;
    return [{ kind: 'wrong-base', isDamage: true, count: 1, message }];
  }
  const equal = dirtyPagesOf(overlay, (page) => overlay.equalsBase(page));
  const count = equal.countBefore(MAX_PAGES);
  if (count === 0) return [];
  const message = `${count} pages are equal to the base; compact drops them`;
  return [{ kind: 'equal-to-base', isDamage: false, count, message }];
}

function dirtyPagesOf(overlay: Overlay, isWanted: (pageIndex: number) => boolean): DirtyPages {
  const pages = new DirtyPages();
  for (const { pageIndex, pageCount } of overlay.extents()) {
    for (let page = pageIndex; page < pageIndex + pageCount; page++) {
      if (isWanted(page)) pages.add(page);
    }
  }
  return pages;
}

const changeOf = (overlay: Overlay, actions: readonly string[]): OverlayChange => ({
  diskLength: overlay.length,
  dirtyPages: overlay.dirtyPageCount,
  actions,
});
