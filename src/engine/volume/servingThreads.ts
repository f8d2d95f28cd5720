import type { SharedActivity } from '../activity/shared.js';
import { HexzError } from '../errors.js';
import type { Overlay } from '../overlay/overlay.js';
import type { SharedVolume } from './attachedVolume.js';

/** What the threads of an engine serve, and how they open it. */
export interface ServedVolume extends Pick<SharedVolume, 'passwords' | 'parentDirectories'> {
  /** Path of the snapshot. */
  readonly snapshot: string;
  readonly overlay: Overlay | undefined;
  readonly activity: SharedActivity;
}

/**
 * The threads of an engine that serve its volume beside the one that owns it.
 *
 * State: which recorders of the activity are taken. The owner has the first one; each other thread takes another
 * one until it has ended, for two must never write into one.
 */
export class ServingThreads {
  readonly #served: ServedVolume;
  readonly #taken = new Set([0]);

  constructor(served: ServedVolume) {
    this.#served = served;
  }

  /**
   * For `attachVolume` in a thread that is about to begin.
   *
   * @param cacheBytes memory for decoded blocks that this thread may take
   * @throws HexzError USAGE when there are too many
   */
  share(cacheBytes: number): SharedVolume {
    const { snapshot, passwords, parentDirectories, overlay, activity } = this.#served;
    const recorderIndex = activity.recorders.findIndex((_, index) => !this.#taken.has(index));
    if (recorderIndex < 0) {
      const most = activity.recorders.length;
      throw new HexzError('USAGE', `a volume is served by at most ${most} threads`);
    }
    this.#taken.add(recorderIndex);
    return {
      snapshot,
      passwords,
      parentDirectories,
      cacheBytes,
      overlay: overlay?.share(),
      activity,
      recorderIndex,
    };
  }

  /** The thread that had this has ended. */
  end({ recorderIndex }: SharedVolume): void {
    this.#taken.delete(recorderIndex);
  }
}
