import type { ServedState } from '../control/commands.js';
import { streamNames } from '../format/types.js';
import { namesOfOverlay, overlayPaths } from '../overlay/paths.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import type { EngineEntry } from './registry.js';
import type { Resources } from './resources.js';
import { version } from './version.js';

/** What an engine tells its watchers of itself. */
export function servedState(
  resources: Resources,
  entry: EngineEntry,
  warnings: readonly string[],
): ServedState {
  const { snapshot, volume, overlay } = resources;
  const { mountpoint, backend, mode, isTemporaryOverlay } = entry;
  return {
    pid: entry.pid,
    version,
    startedAt: entry.startedAt,
    snapshot: snapshotState(snapshot),
    mount:
      mountpoint === null || backend === null
        ? null
        : { mountpoint, backend, mode, device: entry.device?.path ?? null },
    nbd: [...entry.nbd],
    overlay:
      overlay === undefined
        ? null
        : {
            path: overlay.path,
            isTemporary: isTemporaryOverlay,
            isWritable: overlay.isWritable,
            diskLength: overlay.length,
            dirtyPages: overlay.dirtyPageCount,
            dirtyBytes: volume.dirtyBytes,
          },
    files: [
      ...snapshot.chain().map(({ path }) => path),
      ...(overlay === undefined ? [] : namesOfOverlay(overlayPaths(overlay.path))),
    ],
    cacheBytes: snapshot.cacheBytes,
    lease: entry.lease,
    warnings: [...warnings],
  };
}

/** What is said of a snapshot, also before there is an engine for it. */
export function snapshotState(snapshot: Snapshot): ServedState['snapshot'] {
  const { header, index } = snapshot;
  const streams = streamNames.filter((stream) => snapshot.hasStream(stream));
  return {
    path: snapshot.path,
    fileBytes: index.source.length,
    compression: header.compression,
    blockBytes: header.blockSize,
    isVariable: header.variableBlocks,
    isEncrypted: header.encryption !== undefined,
    parents: snapshot
      .chain()
      .slice(1)
      .map(({ path }) => path),
    streams: Object.fromEntries(
      streams.map((stream) => [stream, { length: snapshot.streamLength(stream) }]),
    ),
  };
}
