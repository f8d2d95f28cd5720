import { asHexzError, HexzError } from '../errors.js';
import type { DirtyPages } from '../overlay/dirtyPages.js';
import type { ReadableOverlay } from '../overlay/mergedDisk.js';
import type { Overlay } from '../overlay/overlay.js';
import { MAX_PAGES } from '../overlay/pages.js';
import { openSnapshot } from '../snapshot/open.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { openOverlay } from '../volume/openOverlay.js';
import { baseDiskOf } from '../volume/volume.js';
import {
  accessOf,
  type CommitOutputOptions,
  type CommitReport,
  checkCommitOptions,
  makeCommit,
} from './commitOutput.js';
import { isTaken } from './temporaryFile.js';

export interface CommitOptions extends CommitOutputOptions {
  /** Data file of the overlay. */
  readonly overlay: string;
  /** Leave the overlay as it is, on its base. Default: delete what was committed. */
  readonly keepsOverlay?: boolean;
}

/**
 * Makes a snapshot of a base and an overlay. It is written beside its name, read back against both, and then takes its
 * name; only then is the overlay touched. Whatever goes wrong before that changes nothing.
 *
 * With a selection, the pages that were not committed stay in the overlay, which then lies on the new snapshot.
 *
 * @param base open; the caller closes it
 * @throws HexzError USAGE, OVERLAY_LOCKED, WRONG_BASE, OVERLAY_DAMAGED, READ_BACK; of base and overlay; as `pack`
 */
export async function commit(base: Snapshot, options: CommitOptions): Promise<CommitReport> {
  const { overlay: path, keepsOverlay = false } = options;
  checkCommitOptions(options);
  const overlay = openCommitted(base, path, keepsOverlay);
  let isLeftAlone = true;
  try {
    const { output, remaining } = await makeCommit(base, overlay, options, overlay.warnings);
    if (keepsOverlay) {
      return { ...output, remainingPages: overlay.dirtyPageCount, overlay: 'kept' };
    }
    isLeftAlone = false;
    const remainingPages = remaining.countBefore(MAX_PAGES);
    if (remainingPages > 0) {
      await putOnto(overlay, remaining, options);
      return { ...output, remainingPages, overlay: 'rebound' };
    }
    const dirtyPages = overlay.dirtyPageCount;
    await overlay.remove();
    if (!isTaken(overlay.path)) return { ...output, remainingPages, overlay: 'deleted' };
    return {
      ...output,
      warnings: [
        ...output.warnings,
        'the overlay could not be deleted; the new snapshot holds all of it',
      ],
      remainingPages: dirtyPages,
      overlay: 'kept',
    };
  } finally {
    if (isLeftAlone) await overlay.close();
  }
}

/**
 * Makes a snapshot of a base and an overlay that was opened by others, and stays as it is, on that base: the disk of
 * a running mount at one instant (`FrozenOverlay`). With a selection, what it leaves out is in the overlay only.
 *
 * @throws HexzError as `commit`; NO_SPACE, OVERLAY_UNUSABLE when the instant was lost meanwhile
 */
export async function commitFrozen(
  base: Snapshot,
  frozen: ReadableOverlay,
  options: CommitOutputOptions,
): Promise<CommitReport> {
  checkCommitOptions(options);
  const { output } = await makeCommit(base, frozen, options);
  return { ...output, remainingPages: frozen.dirtyPageCount, overlay: 'kept' };
}

/** Lets the rest of an overlay lie on the new snapshot, which is complete by now, and closes it. */
async function putOnto(
  overlay: Overlay,
  remaining: DirtyPages,
  options: CommitOptions,
): Promise<void> {
  try {
    const made = openSnapshot(options.output, accessOf(options));
    try {
      overlay.rebind(baseDiskOf(made), remaining);
      await overlay.close();
    } finally {
      made.close();
    }
  } catch (cause) {
    // That one failure has closed it already is no other one.
    await overlay.close().catch(() => {});
    const { code, message, location } = asHexzError(cause);
    throw new HexzError(
      code,
      `${options.output} is complete, but the overlay could not be put on it: ${message}`,
      {
        location,
        hint: 'nothing is lost: on its base, or on the new snapshot, the overlay shows the disk that it showed',
        cause,
      },
    );
  }
}

/**
 * The overlay, locked until the commit is over. Only one that nobody else uses can be deleted, and only of one that is
 * sound can be said what it holds.
 */
function openCommitted(base: Snapshot, path: string, keepsOverlay: boolean): Overlay {
  const overlay = openLocked(base, path, keepsOverlay);
  const damage = overlay.findings.find(({ isDamage }) => isDamage);
  if (damage === undefined) return overlay;
  void overlay.close();
  throw new HexzError('OVERLAY_DAMAGED', damage.message, {
    location: { file: path },
    hint: `hexz overlay repair ${path} goes on without what is lost; then it can be committed`,
  });
}

function openLocked(base: Snapshot, path: string, keepsOverlay: boolean): Overlay {
  try {
    return openOverlay(base, { path, access: keepsOverlay ? 'read' : 'alone' });
  } catch (error) {
    if (!(error instanceof HexzError)) throw error;
    const hint = hintFor(error, base, path);
    if (hint === undefined) throw error;
    throw new HexzError(error.code, error.message, { location: error.location, hint });
  }
}

/** What the hints of the overlay say of --force would be of a mount. */
function hintFor({ code, hint }: HexzError, base: Snapshot, path: string): string | undefined {
  if (code === 'WRONG_BASE') {
    return `commit it onto that snapshot; if this one is right, hexz overlay repair ${path} --base ${base.path} --force binds it to it`;
  }
  if (code === 'OVERLAY_DAMAGED' && hint?.includes('--force') === true) {
    return `hexz overlay repair ${path} --force goes on without what is lost; then it can be committed`;
  }
  return undefined;
}
