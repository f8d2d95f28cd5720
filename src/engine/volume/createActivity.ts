import {
  createSharedActivity,
  type RecordedStream,
  type SharedActivity,
} from '../activity/shared.js';
import { type StreamName, streamNames } from '../format/types.js';
import type { Overlay } from '../overlay/overlay.js';
import type { Snapshot } from '../snapshot/snapshot.js';

/** Threads that can serve one volume; what no thread uses takes no memory. */
const MAX_SERVING_THREADS = 16;

/** Shared memory for what will be recorded of a volume. */
export function createActivity(snapshot: Snapshot, overlay?: Overlay): SharedActivity {
  const streams: Partial<Record<StreamName, RecordedStream>> = {};
  const { blockSize: blockBytes, variableBlocks: isVariable } = snapshot.header;
  for (const name of streamNames.filter((stream) => snapshot.hasStream(stream))) {
    streams[name] =
      name === 'disk' && overlay !== undefined
        ? { length: overlay.length, blockBytes, isVariable, canGrow: overlay.isWritable }
        : { length: snapshot.streamLength(name), blockBytes, isVariable, canGrow: false };
  }
  return createSharedActivity(streams, { recorderCount: MAX_SERVING_THREADS });
}
