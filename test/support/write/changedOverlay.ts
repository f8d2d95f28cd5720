import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { baseDiskOf } from '../../../src/engine/volume/volume.js';
import { openSnapshot } from '../../../src/index.js';

/** What is done to the disk through an overlay. */
export type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly length: number };

/** Makes changes through an overlay of a snapshot; answers the whole disk as it is afterwards. */
export const changeDisk = (
  basePath: string,
  overlayPath: string,
  changes: readonly Change[],
  passwords: string | readonly string[] = [],
): Promise<Buffer> =>
  throughOverlay(basePath, overlayPath, changes, passwords, (overlay) => {
    const disk = Buffer.alloc(overlay.length);
    overlay.readInto(0, disk);
    return disk;
  });

/** The same for disks of any size. */
export const changeLargeDisk = (
  basePath: string,
  overlayPath: string,
  changes: readonly Change[],
): Promise<void> => throughOverlay(basePath, overlayPath, changes, [], () => {});

async function throughOverlay<T>(
  basePath: string,
  overlayPath: string,
  changes: readonly Change[],
  passwords: string | readonly string[],
  look: (overlay: Overlay) => T,
): Promise<T> {
  const snapshot = openSnapshot(basePath, { passwords });
  try {
    const overlay = Overlay.open({
      path: overlayPath,
      base: baseDiskOf(snapshot),
      access: 'write',
    });
    try {
      for (const change of changes) {
        if (change.kind === 'write') overlay.write(change.offset, change.bytes);
        else overlay.truncate(change.length);
      }
      return look(overlay);
    } finally {
      await overlay.close();
    }
  } finally {
    snapshot.close();
  }
}

/** The disk that an overlay shows over a snapshot now. */
export const diskUnder = (
  basePath: string,
  overlayPath: string,
  passwords: string | readonly string[] = [],
): Promise<Buffer> => changeDisk(basePath, overlayPath, [], passwords);
