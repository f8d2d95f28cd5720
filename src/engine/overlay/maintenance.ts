import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { HexzError } from '../errors.js';
import { DirtyPages } from './dirtyPages.js';
import { onFile } from './failures.js';
import { systemFiles } from './files.js';
import { countOf, type OverlayFinding } from './findings.js';
import type { BaseDisk } from './mergedDisk.js';
import { Overlay } from './overlay.js';
import { MAX_PAGES } from './pages.js';
import { overlayPaths } from './paths.js';
import { readSideFile, type SideFile } from './sideFile.js';

/** What an overlay is found as. */
export interface OverlayReport {
  /** Exact size of the merged disk; null where only the base could tell. */
  readonly diskLength: number | null;
  readonly dirtyPages: number;
  readonly findings: readonly OverlayFinding[];
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
    const hasSideFile = sideFileOf(path) !== undefined;
    const overlay = Overlay.open({ path, base: base ?? unknownBase, access: 'read', force: true });
    try {
      const found = overlay.findings;
      const goesByBase = !hasSideFile || found.some(({ kind }) => kind === 'foreign-writes');
      if (base === undefined) {
        const findings = found.filter(({ kind }) => kind !== 'wrong-base');
        if (!goesByBase) return reportOf(overlay, [...findings, ...pagesBehindEnd(overlay)]);
        const dirtyPages = overlay.dirtyPageCount + overlay.pagesBehindEnd;
        return { diskLength: null, dirtyPages, findings };
      }
      return reportOf(overlay, [
        ...found,
        ...pagesBehindEnd(overlay),
        ...(found.some(({ kind }) => kind === 'wrong-base') ? [] : pagesEqualToBase(overlay)),
      ]);
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
  const overlay = Overlay.open({
    path,
    base,
    access: 'write',
    isKept: true,
    force,
    setsSideFileAside: true,
  });
  try {
    const findings = [...overlay.findings, ...pagesBehindEnd(overlay)];
    if (findings.some(({ kind }) => kind in rewriting)) {
      overlay.keepOnly(dirtyPagesOf(overlay, () => true));
    }
    return changeOf(overlay, findings.flatMap(actionFor));
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
  const overlay = Overlay.open({ path, base, access: 'write', isKept: true, force });
  try {
    const findings = [...overlay.findings, ...pagesBehindEnd(overlay)];
    const kept = dirtyPagesOf(overlay, (page) => !overlay.equalsBase(page));
    const dropped = overlay.dirtyPageCount - kept.countBefore(MAX_PAGES);
    if (dropped > 0 || findings.some(({ kind }) => kind in rewriting)) overlay.keepOnly(kept);
    const actions = findings.flatMap(actionFor);
    if (dropped > 0) {
      // Zeros become holes. Where this cannot be, the file stays as large as it was.
      spawnSync('fallocate', ['--dig-holes', '--', overlayPaths(path).data], { stdio: 'ignore' });
      actions.push(`dropped ${countOf(dropped, 'page')} equal to the base`);
    }
    return changeOf(overlay, actions);
  } finally {
    await overlay.close();
  }
}

/**
 * The snapshot that an overlay was made on, if that is recorded.
 *
 * @throws HexzError UNREADABLE
 */
export function recordedBasePath(path: string): string | undefined {
  if (!existsSync(path)) {
    throw new HexzError('UNREADABLE', 'there is no such overlay', { location: { file: path } });
  }
  try {
    const recorded = sideFileOf(path)?.base.path;
    // Overlays of recipes record the bare name of a snapshot beside them.
    return recorded === undefined ? undefined : resolve(dirname(path), recorded);
  } catch (error) {
    // One that cannot be read records nothing.
    if (error instanceof HexzError && error.code === 'OVERLAY_DAMAGED') return undefined;
    throw error;
  }
}

/** What opening for writing has mended, or rewriting the list does. */
function actionFor({ kind, count, message }: OverlayFinding): string[] {
  switch (kind) {
    case 'side-file':
      return [message];
    case 'wrong-base':
      return ['bound the overlay to another snapshot than the one it was made on'];
    case 'short-data':
      return [`went on without ${countOf(count, 'byte')} that the data file has lost`];
    case 'short-list':
      return [`went on without ${countOf(count, 'entry', 'entries')} that the list has lost`];
    case 'foreign-writes':
      return ['took over what another program had written'];
    case 'torn-list':
      return [`cut ${countOf(count, 'byte')} of an unfinished entry off the list of pages`];
    case 'unconfirmed':
      return [
        `dropped ${countOf(count, 'page')} that no fsync had confirmed when the machine stopped`,
      ];
    case 'not-closed':
      return ['closed the overlay, which its last writer had not'];
    case 'duplicates':
      return [`removed ${countOf(count, 'entry', 'entries')} that named a page again`];
    case 'out-of-range':
      return [`removed ${countOf(count, 'entry', 'entries')} that lay beyond every disk`];
    case 'behind-end':
      return [`removed ${countOf(count, 'page')} behind the end of the disk from the list`];
    default:
      return [];
  }
}

const rewriting = { duplicates: true, 'out-of-range': true, 'behind-end': true };

function sideFileOf(path: string): SideFile | undefined {
  const { side } = overlayPaths(path);
  return onFile(side, 'read the side file of the overlay', () => readSideFile(systemFiles, side));
}

function pagesBehindEnd({ pagesBehindEnd: count }: Overlay): OverlayFinding[] {
  if (count === 0) return [];
  const message = `the list names ${countOf(count, 'page')} behind the end of the disk`;
  return [{ kind: 'behind-end', isDamage: false, count, message }];
}

function pagesEqualToBase(overlay: Overlay): OverlayFinding[] {
  const count = dirtyPagesOf(overlay, (page) => overlay.equalsBase(page)).countBefore(MAX_PAGES);
  if (count === 0) return [];
  const message = `${countOf(count, 'page')} equal to the base; compact drops them`;
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

const reportOf = (overlay: Overlay, findings: readonly OverlayFinding[]): OverlayReport => ({
  diskLength: overlay.length,
  dirtyPages: overlay.dirtyPageCount,
  findings,
});

const changeOf = (overlay: Overlay, actions: readonly string[]): OverlayChange => ({
  diskLength: overlay.length,
  dirtyPages: overlay.dirtyPageCount,
  actions,
});
