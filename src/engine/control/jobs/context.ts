import type { ByteRange } from '../../../forensics/byteRanges.js';
import type { ByteSource } from '../../../forensics/byteSource.js';
import type { GuestMemory } from '../../../forensics/memory/guestMemory.js';
import { presentRanges } from '../../../forensics/memory/guestSource.js';
import { openMemorySteps, recogniseContainer } from '../../../forensics/memory/open.js';
import { type StreamOwner, streamSource, type ZeroRunAt } from '../../../forensics/streamSource.js';
import { CachedBlocks } from '../../activity/cachedBlocks.js';
import { type ActivityEvent, EventRing } from '../../activity/eventRing.js';
import { HexzError } from '../../errors.js';
import type { StreamName } from '../../format/types.js';
import { OverlayView } from '../../overlay/overlayView.js';
import { openSnapshot } from '../../snapshot/open.js';
import type { Snapshot } from '../../snapshot/snapshot.js';
import { baseDiskOf } from '../../volume/volume.js';
import type { JobSetting } from '../jobMessages.js';
import type { Addressing, Side } from '../protocol/values.js';
import type { JobProgress } from './output.js';

/** For blocks that a job comes back to: one that reads on and on has no use for more. */
const MAX_CACHE_BYTES = 32 * 1024 * 1024;

/** Where a job is to look. */
export interface Place {
  readonly stream: StreamName;
  readonly side: Side;
  readonly addressing: Addressing;
}

/** A stream as a job looks at it: its bytes, or the memory of a guest by guest-physical addresses. */
export interface View {
  readonly source: ByteSource;
  /** Undefined where everything up to the end is present. */
  readonly memory: GuestMemory | undefined;
  readonly zeroRunAt: ZeroRunAt | undefined;
  /** What is present between two offsets. */
  rangesIn(startOffset: number, endOffset: number): Iterable<ByteRange>;
}

/**
 * What the jobs of one thread share: the snapshot, and the container of its memory once it was understood. Both are
 * opened when the first job needs them.
 */
export class JobContext {
  readonly #setting: JobSetting;
  #snapshot: Snapshot | undefined;
  #overlay: OverlayView | undefined;
  #memory: GuestMemory | undefined;
  /** What the mount has decoded in memory. */
  readonly cachedBlocks: CachedBlocks;
  readonly #rings: readonly EventRing[];

  constructor(setting: JobSetting) {
    this.#setting = setting;
    this.cachedBlocks = new CachedBlocks(setting.activity.cached);
    this.#rings = setting.activity.recorders.map(({ events }) => new EventRing(events));
  }

  get passwords(): readonly string[] {
    return this.#setting.passwords;
  }

  get parentDirectories(): readonly string[] {
    return this.#setting.parentDirectories;
  }

  /** The last reads of the mount in a stretch of a stream, the newest first. */
  lastReads(stream: StreamName, offset: number, length: number, maximum: number): ActivityEvent[] {
    return this.#rings
      .flatMap((ring) => ring.lastReads(stream, offset, length, maximum))
      .sort((a, b) => b.time - a.time)
      .slice(0, maximum);
  }

  /**
   * The snapshot, if it has a stream.
   *
   * @throws HexzError NO_STREAM
   */
  snapshotWith(stream: StreamName): Snapshot {
    const { snapshot } = this;
    if (snapshot.hasStream(stream)) return snapshot;
    throw new HexzError('NO_STREAM', `the snapshot has no ${stream} stream`, {
      location: { file: snapshot.path },
    });
  }

  get snapshot(): Snapshot {
    const { snapshot, passwords, parentDirectories, cacheBytes = MAX_CACHE_BYTES } = this.#setting;
    this.#snapshot ??= openSnapshot(snapshot, {
      passwords,
      parentDirectories,
      cacheBytes: Math.min(cacheBytes, MAX_CACHE_BYTES),
    });
    return this.#snapshot;
  }

  /**
   * @param output told how far it is where a container has to be read first
   * @throws HexzError NO_STREAM, CANCELLED, of the snapshot and the container
   */
  view({ stream, side, addressing }: Place, output: JobProgress): View {
    const source = this.#sourceOf(stream, side);
    if (stream === 'memory' && addressing === 'guest' && recogniseContainer(source) !== 'raw') {
      return guestView(this.memory(output));
    }
    return {
      source,
      memory: undefined,
      zeroRunAt: source.zeroRunAt,
      rangesIn: (startOffset, endOffset) => [
        { startOffset, length: Math.max(0, endOffset - startOffset) },
      ],
    };
  }

  /** @throws HexzError as `view` */
  memory(output: JobProgress): GuestMemory {
    if (this.#memory !== undefined) return this.#memory;
    const steps = openMemorySteps(this.#sourceOf('memory', 'base'));
    for (;;) {
      const step = steps.next();
      if (step.done === true) {
        this.#memory = step.value;
        return step.value;
      }
      output.progress({ phase: 'open', ...step.value });
    }
  }

  get hasOverlay(): boolean {
    return this.#setting.overlay !== undefined;
  }

  /**
   * The disk under the overlay.
   *
   * @throws HexzError NO_OVERLAY without one
   */
  get overlay(): OverlayView {
    const { overlay } = this.#setting;
    if (overlay === undefined) {
      throw new HexzError('NO_OVERLAY', 'there is no overlay: the disk is as the snapshot has it', {
        location: { file: this.#setting.snapshot },
      });
    }
    this.#overlay ??= new OverlayView(overlay, baseDiskOf(this.snapshot));
    return this.#overlay;
  }

  #sourceOf(stream: StreamName, side: Side) {
    const snapshot = this.snapshotWith(stream);
    const isMerged = stream === 'disk' && side === 'merged' && this.hasOverlay;
    return streamSource(isMerged ? diskOf(this.overlay) : snapshot, stream);
  }
}

/** A merged disk as the owner of one stream. */
export const diskOf = (overlay: Pick<OverlayView, 'length' | 'readInto'>): StreamOwner => ({
  streamLength: () => overlay.length,
  readInto: (_stream, offset, target) => overlay.readInto(offset, target),
});

/** Addresses that no range holds are passed over, and never read. */
function guestView(memory: GuestMemory): View {
  return {
    source: {
      length: memory.endAddress,
      readInto: (offset, target) => memory.readAvailable(offset, target),
    },
    memory,
    zeroRunAt: undefined,
    rangesIn: (startOffset, endOffset) => presentRanges(memory, startOffset, endOffset),
  };
}

/** How many bytes are present between two offsets. */
export function bytesIn(view: View, startOffset: number, endOffset: number): number {
  let sum = 0;
  for (const { length } of view.rangesIn(startOffset, endOffset)) sum += length;
  return sum;
}

/** A stretch of a view, cut at its end. */
export function endOf(
  view: View,
  { offset, length }: { readonly offset: number; readonly length?: number | undefined },
): number {
  return Math.min(view.source.length, offset + (length ?? view.source.length));
}

/**
 * Refuses a stretch that goes beyond the end of its view, for those who would say something of the whole.
 *
 * @throws HexzError NOT_PRESENT
 */
export function checkWithin(
  { source }: View,
  {
    stream,
    offset,
    length = 0,
  }: Pick<Place, 'stream'> & {
    readonly offset: number;
    readonly length?: number | undefined;
  },
): void {
  if (offset + length <= source.length) return;
  const end = `0x${source.length.toString(16)}`;
  throw new HexzError(
    'NOT_PRESENT',
    `the ${stream} ends at ${end}, before what was asked for does`,
    {
      location: { stream, offset },
    },
  );
}

/** What a found place says of itself beside its offset. */
export const streamOffsetIn = (
  view: View,
  offset: number,
): { readonly streamOffset?: number | null } =>
  view.memory === undefined ? {} : { streamOffset: view.memory.streamOffsetOf(offset) ?? null };
