import { resolve } from 'node:path';
import type { ActivityRecorder } from '../activity/recorder.js';
import { HexzError } from '../errors.js';
import type { StreamName } from '../format/types.js';
import { baseIdentity } from '../overlay/baseIdentity.js';
import type { BaseDisk } from '../overlay/mergedDisk.js';
import type { Overlay } from '../overlay/overlay.js';
import { PAGE_BYTES } from '../overlay/pages.js';
import type { Snapshot } from '../snapshot/snapshot.js';

/** What every thread that serves has of a volume. Offsets and lengths in bytes. */
export interface ReadableVolume {
  readonly snapshot: Snapshot;
  /** Whether the disk can be written. */
  readonly isWritable: boolean;
  /** Bytes in dirty pages; 0 without an overlay. */
  readonly dirtyBytes: number;
  hasStream(stream: StreamName): boolean;
  /** Size of a stream, of the disk as it is now. */
  streamLength(stream: StreamName): number;
  /**
   * Reads into the target: as many bytes as fit, fewer only at the end of the stream.
   *
   * @throws HexzError as `Snapshot.readInto` and `Overlay.readInto`
   */
  readInto(stream: StreamName, offset: number, target: Buffer): number;
}

/** What a mount serves: the streams of a snapshot, the disk perhaps under an overlay. */
export interface Volume extends ReadableVolume {
  /**
   * Writes all bytes into the disk, which grows to just behind the last one where it was shorter.
   *
   * @throws HexzError READ_ONLY, and as `Overlay.write`
   */
  write(offset: number, bytes: Buffer): void;
  /** @throws HexzError READ_ONLY, and as `Overlay.truncate` */
  truncate(length: number): void;
  /**
   * When it resolves, everything written before the call is on the disk.
   *
   * @throws HexzError as `Overlay.sync`
   */
  sync(): Promise<void>;
  /** Flushes and closes overlay and snapshot. */
  close(): Promise<void>;
}

/** One that answers how many pages turned dirty. */
interface CountingVolume extends Volume {
  write(offset: number, bytes: Buffer): number;
}

/** The disk of a snapshot, for an overlay to lie on. */
export function baseDiskOf(snapshot: Snapshot): BaseDisk {
  return {
    path: resolve(snapshot.path),
    length: snapshot.streamLength('disk'),
    readInto: (offset, target) => snapshot.readInto('disk', offset, target),
    identity: () => baseIdentity(snapshot),
  };
}

/** Puts snapshot and overlay together; the volume closes both. A recorder is told of every request. */
export function createVolume(
  snapshot: Snapshot,
  overlay?: Overlay,
  recorder?: ActivityRecorder,
): Volume {
  const volume = plainVolume(snapshot, overlay);
  if (recorder === undefined) return volume;
  snapshot.countInto(recorder.work, recorder.cacheMarks);
  return recordedVolume(volume, recorder);
}

function plainVolume(snapshot: Snapshot, overlay: Overlay | undefined): CountingVolume {
  const isWritable = overlay?.isWritable ?? false;
  const writable = (): Overlay => {
    if (overlay !== undefined && isWritable) return overlay;
    throw new HexzError('READ_ONLY', 'the disk cannot be written', {
      location: { file: snapshot.path },
      hint: 'mount it with --rw',
    });
  };
  return {
    snapshot,
    isWritable,
    get dirtyBytes() {
      return (overlay?.dirtyPageCount ?? 0) * PAGE_BYTES;
    },
    hasStream: (stream) => snapshot.hasStream(stream),
    streamLength: (stream) =>
      stream === 'disk' && overlay !== undefined ? overlay.length : snapshot.streamLength(stream),
    readInto: (stream, offset, target) =>
      stream === 'disk' && overlay !== undefined
        ? overlay.readInto(offset, target)
        : snapshot.readInto(stream, offset, target),
    write: (offset, bytes) => writable().write(offset, bytes),
    truncate: (length) => writable().truncate(length),
    sync: async () => overlay?.sync(),
    async close() {
      try {
        await overlay?.close();
      } finally {
        snapshot.close();
      }
    },
  };
}

/** Reads a volume and records that. */
export function recordedReads(
  volume: Pick<ReadableVolume, 'readInto'>,
  recorder: ActivityRecorder,
): ReadableVolume['readInto'] {
  return (stream, offset, target) => {
    const startedAt = recorder.begin();
    try {
      const count = volume.readInto(stream, offset, target);
      recorder.end(startedAt, 'read', stream, offset, count, 0, false);
      return count;
    } catch (error) {
      recorder.end(startedAt, 'read', stream, offset, target.length, 0, true);
      throw error;
    }
  };
}

/** A volume that records every request; the snapshot's readers bump the recorder's work. */
function recordedVolume(volume: CountingVolume, recorder: ActivityRecorder): Volume {
  return {
    ...volume,
    get dirtyBytes() {
      return volume.dirtyBytes;
    },
    readInto: recordedReads(volume, recorder),
    write(offset, bytes) {
      const startedAt = recorder.begin();
      try {
        const dirtied = volume.write(offset, bytes);
        recorder.end(startedAt, 'write', 'disk', offset, bytes.length, dirtied, false);
      } catch (error) {
        recorder.end(startedAt, 'write', 'disk', offset, bytes.length, 0, true);
        throw error;
      }
    },
    truncate(length) {
      const startedAt = recorder.begin();
      try {
        volume.truncate(length);
        recorder.end(startedAt, 'truncate', 'disk', 0, length, 0, false);
      } catch (error) {
        recorder.end(startedAt, 'truncate', 'disk', 0, length, 0, true);
        throw error;
      }
    },
    async sync() {
      const startedAt = recorder.begin();
      try {
        await volume.sync();
        recorder.endOfAwaited(startedAt, 'sync', false);
      } catch (error) {
        recorder.endOfAwaited(startedAt, 'sync', true);
        throw error;
      }
    },
  };
}
