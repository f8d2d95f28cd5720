import { HexzError } from '../errors.js';
import { Overlay, type OverlayOptions } from '../overlay/overlay.js';
import { overlayPaths } from '../overlay/paths.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { identityOfFile } from '../snapshot/source.js';
import { baseDiskOf } from './volume.js';

/**
 * Opens an overlay of a snapshot, and makes sure that none of its files is a snapshot of the chain.
 *
 * @throws HexzError as `checkOverlayOf`, and as `Overlay.open`
 */
export function openOverlay(snapshot: Snapshot, options: Omit<OverlayOptions, 'base'>): Overlay {
  checkOverlayOf(snapshot, options.path);
  return Overlay.open({ ...options, base: baseDiskOf(snapshot) });
}

/**
 * Checks that an overlay can lie on a snapshot, and that none of its files is a snapshot of the chain.
 *
 * @throws HexzError NO_STREAM, OVERLAY_UNUSABLE
 */
export function checkOverlayOf(snapshot: Snapshot, overlayPath: string): void {
  if (!snapshot.hasStream('disk')) {
    throw new HexzError('NO_STREAM', 'the snapshot has no disk that an overlay could lie on', {
      location: { file: snapshot.path },
    });
  }
  const evidence = new Set(snapshot.chain().map(({ index }) => index.source.identity));
  for (const path of Object.values(overlayPaths(overlayPath))) {
    const identity = identityOfFile(path);
    if (identity !== undefined && evidence.has(identity)) {
      throw new HexzError('OVERLAY_UNUSABLE', 'the overlay would write into the snapshot', {
        location: { file: path },
        hint: 'give the overlay another name',
      });
    }
  }
}
