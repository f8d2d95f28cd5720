import {
  type AttachedVolume,
  attachVolume,
  type SharedVolume,
} from '../../volume/attachedVolume.js';
import type { Volume } from '../../volume/volume.js';
import { LeftToOwner } from './leftToOwner.js';

/**
 * Opens what one thread serves: reads, and writes where it may.
 *
 * @throws HexzError as `attachVolume`
 */
export const openWorkerVolume = (shared: SharedVolume): Volume => volumeOf(attachVolume(shared));

function volumeOf(attached: AttachedVolume): Volume {
  const leave = (): never => {
    throw new LeftToOwner();
  };
  return {
    ...attached,
    get dirtyBytes() {
      return attached.dirtyBytes;
    },
    write(offset, bytes) {
      if (!attached.tryWrite(offset, bytes)) leave();
    },
    truncate: leave,
    sync: leave,
    close: async () => attached.close(),
  };
}
