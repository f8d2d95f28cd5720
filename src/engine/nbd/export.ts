import { HexzError } from '../errors.js';
import type { StreamName } from '../format/types.js';
import type { MergedDisk } from '../overlay/mergedDisk.js';
import { PAGE_BYTES, pageOf, pagesIn } from '../overlay/pages.js';
import type { Volume } from '../volume/volume.js';

/** A stretch of an export of which one thing is true. Lengths in bytes. */
export interface StateRun {
  readonly state: boolean;
  readonly length: number;
}

/** What clients can choose: a range of bytes. Offsets and lengths in bytes; errors are HexzErrors. */
export interface NbdExport {
  readonly name: string;
  readonly description: string;
  readonly isReadOnly: boolean;
  /** Size at the moment. A client goes on with the one that he was told. */
  readonly length: number;
  /** In which pieces it is best read: a power of two. */
  readonly preferredBytes: number;
  /** How much of it can be kept in memory. */
  readonly cacheBytes: number;
  /** Whether it is known what lies in an overlay. */
  readonly hasDirtyBitmap: boolean;
  /** What a request that changes something has to wait for; undefined if nothing. */
  readonly held: Promise<void> | undefined;
  /** Fills the target; zeros behind the end of the stream, which may have been cut. */
  readInto(offset: number, target: Buffer): void;
  write(offset: number, bytes: Buffer): void;
  /** When it resolves, everything written before the call is on the disk. */
  sync(): Promise<void>;
  /** When it resolves, everybody else who has the disk sees what was written; undefined if they do already. */
  show(): Promise<void> | undefined;
  /** The run from an offset on that the index knows to be zero (true), or does not; at most so long, at least 1. */
  zeroRunAt(offset: number, limit: number): StateRun;
  /** The run of dirty (true) or clean pages from an offset on; at most so long, at least 1. */
  dirtyRunAt(offset: number, limit: number): StateRun;
}

/** What of an overlay tells what lies in it. */
type ExportedOverlay = Pick<MergedDisk, 'shownBaseLength' | 'isDirty' | 'runEnd' | 'length'>;

export interface StreamExportOptions {
  readonly name: string;
  readonly description: string;
  /** Of the disk. */
  readonly overlay?: ExportedOverlay | undefined;
  readonly held?: () => Promise<void> | undefined;
  /** Default: that of the volume. */
  readonly sync?: () => Promise<void>;
  /** Default: nobody else keeps anything of the disk. */
  readonly show?: () => Promise<void> | undefined;
  /** Told of errors that are more than a refused request: a client sees only a number and a few words. */
  readonly onError?: (error: unknown) => void;
}

const MIN_PREFERRED_BYTES = 4096;
const MAX_PREFERRED_BYTES = 1024 * 1024;

/** A stream of a volume, for clients. */
export function exportStream(
  volume: Volume,
  stream: StreamName,
  options: StreamExportOptions,
): NbdExport {
  const { snapshot } = volume;
  const { name, description, overlay, held = () => undefined, onError = () => {} } = options;
  const { sync = () => volume.sync(), show = () => undefined } = options;
  const baseZeroRun = (offset: number, limit: number): StateRun => {
    try {
      const { kind, length } = snapshot.runAt(stream, offset, limit);
      // Behind its end there is nothing but zeros.
      return length === 0 ? { state: true, length: limit } : { state: kind === 'zero', length };
    } catch (error) {
      // What the index cannot tell, reading tells.
      if (error instanceof HexzError) return { state: false, length: limit };
      throw error;
    }
  };
  return {
    name,
    description,
    isReadOnly: stream === 'memory' || !volume.isWritable,
    get length() {
      return volume.streamLength(stream);
    },
    preferredBytes: preferredBytesOf(snapshot.header.blockSize),
    cacheBytes: snapshot.cacheBytes,
    hasDirtyBitmap: overlay !== undefined,
    get held() {
      return held();
    },
    readInto(offset, target) {
      try {
        const count = volume.readInto(stream, offset, target);
        if (count < target.length) target.fill(0, count);
      } catch (error) {
        onError(error);
        throw error;
      }
    },
    write(offset, bytes) {
      try {
        if (stream === 'memory') throw new HexzError('READ_ONLY', 'memory cannot be written');
        volume.write(offset, bytes);
      } catch (error) {
        onError(error);
        throw error;
      }
    },
    async sync() {
      try {
        await sync();
      } catch (error) {
        onError(error);
        throw error;
      }
    },
    show,
    zeroRunAt(offset, limit) {
      if (overlay === undefined) return baseZeroRun(offset, limit);
      const pages = dirtyRun(overlay, offset, limit);
      if (pages.state) return { state: false, length: pages.length };
      const shownLength = overlay.shownBaseLength - offset;
      if (shownLength <= 0) return { state: true, length: pages.length };
      return baseZeroRun(offset, Math.min(pages.length, shownLength));
    },
    dirtyRunAt: (offset, limit) =>
      overlay === undefined ? { state: false, length: limit } : dirtyRun(overlay, offset, limit),
  };
}

function dirtyRun(overlay: ExportedOverlay, offset: number, limit: number): StateRun {
  const pageIndex = pageOf(offset);
  const state = overlay.isDirty(pageIndex);
  const endPageIndex = pagesIn(offset + limit);
  const end = overlay.runEnd(pageIndex, endPageIndex, state) * PAGE_BYTES;
  return { state, length: Math.min(limit, end - offset) };
}

function preferredBytesOf(blockBytes: number): number {
  const powerOfTwo = 2 ** Math.floor(Math.log2(Math.max(1, blockBytes)));
  return Math.min(MAX_PREFERRED_BYTES, Math.max(MIN_PREFERRED_BYTES, powerOfTwo));
}
