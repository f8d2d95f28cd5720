import { ActivityRecorder } from '../activity/recorder.js';
import type { SharedActivity } from '../activity/shared.js';
import { AttachedOverlay } from '../overlay/attachedOverlay.js';
import { PAGE_BYTES } from '../overlay/pages.js';
import type { SharedOverlay } from '../overlay/sharedOverlay.js';
import { openSnapshot } from '../snapshot/open.js';
import { baseDiskOf, type ReadableVolume, recordedReads } from './volume.js';

/** A volume as the threads of its process get it (`ServingThreads`): structured-cloneable. */
export interface SharedVolume {
  /** Path of the snapshot. */
  readonly snapshot: string;
  readonly passwords: readonly string[];
  readonly parentDirectories: readonly string[];
  /** Memory for decoded blocks that this thread may take. */
  readonly cacheBytes: number;
  readonly overlay: SharedOverlay | undefined;
  readonly activity: SharedActivity;
  /** Which of its recorders is this thread's. */
  readonly recorderIndex: number;
}

/** The volume of another thread, for as long as that one has it open. */
export interface AttachedVolume extends ReadableVolume {
  /**
   * Writes all bytes into the disk if this thread may: as `Volume.write` does. Every thread sees them when it returns.
   *
   * @returns false where the thread that owns the volume has to do it: give it to that one. Nothing has happened then
   * @throws HexzError as `Volume.write`
   */
  tryWrite(offset: number, bytes: Buffer): boolean;
  /** Gives back what this thread opened. */
  close(): void;
}

/**
 * Attaches a thread to the volume of another one of its process, with a snapshot and a cache of its own. Everything
 * that was answered in any thread before a read began is in what it reads, and every page is of one moment.
 *
 * @throws HexzError as `openSnapshot`, and OVERLAY_UNUSABLE when the data file no longer has its name
 */
export function attachVolume(shared: SharedVolume): AttachedVolume {
  const { passwords, parentDirectories, cacheBytes } = shared;
  const snapshot = openSnapshot(shared.snapshot, { passwords, parentDirectories, cacheBytes });
  try {
    const recorder = new ActivityRecorder(shared.activity, shared.recorderIndex);
    snapshot.countInto(recorder.work, recorder.cacheMarks);
    const overlay = shared.overlay && new AttachedOverlay(shared.overlay, baseDiskOf(snapshot));
    const plain = {
      readInto: (stream, offset, target) =>
        stream === 'disk' && overlay !== undefined
          ? overlay.readInto(offset, target)
          : snapshot.readInto(stream, offset, target),
    } satisfies Pick<ReadableVolume, 'readInto'>;
    return {
      snapshot,
      isWritable: shared.overlay?.isWritable ?? false,
      get dirtyBytes() {
        return (overlay?.dirtyPageCount ?? 0) * PAGE_BYTES;
      },
      hasStream: (stream) => snapshot.hasStream(stream),
      streamLength: (stream) =>
        stream === 'disk' && overlay !== undefined ? overlay.length : snapshot.streamLength(stream),
      readInto: recordedReads(plain, recorder),
      tryWrite(offset, bytes) {
        const startedAt = recorder.begin();
        try {
          const dirtied = overlay?.tryWrite(offset, bytes);
          if (dirtied === undefined) return false;
          recorder.end(startedAt, 'write', 'disk', offset, bytes.length, dirtied, false);
          return true;
        } catch (error) {
          recorder.end(startedAt, 'write', 'disk', offset, bytes.length, 0, true);
          throw error;
        }
      },
      close() {
        overlay?.close();
        snapshot.close();
      },
    };
  } catch (error) {
    snapshot.close();
    throw error;
  }
}
