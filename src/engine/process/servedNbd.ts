import { basename } from 'node:path';
import { asHexzError, HexzError } from '../errors.js';
import { type StreamName, streamNames } from '../format/types.js';
import { exportStream, type NbdExport } from '../nbd/export.js';
import { Exports } from '../nbd/exports.js';
import { NbdServer } from '../nbd/server.js';
import { loadTls } from '../nbd/tls.js';
import type { NbdSettings } from './nbdSettings.js';
import type { Resources } from './resources.js';

/** How a server reaches what its engine holds. */
export interface NbdSurroundings {
  /** What a request that changes something has to wait for. */
  readonly held: () => Promise<void> | undefined;
  readonly sync: () => Promise<void>;
  /** Has everybody else see what was written. */
  readonly show: () => Promise<void> | undefined;
  /** Told of errors: a client sees only a number and a few words. */
  readonly onError: (error: HexzError) => void;
}

/** Damage all over a large disk must not fill the log. */
const REPORTED_ERRORS_LIMIT = 100;

/**
 * Begins to serve the volume of an engine to NBD clients, on this thread.
 *
 * @throws HexzError NO_STREAM, USAGE, LISTEN_FAILED; of the files for TLS
 */
export async function serveNbd(
  resources: Resources,
  settings: NbdSettings,
  { held, sync, show, onError }: NbdSurroundings,
): Promise<NbdServer> {
  const { volume, snapshot, overlay } = resources;
  const reported = new Set<string>();
  const report = (error: unknown): void => {
    const hexzError = asHexzError(error);
    const line = hexzError.toLine();
    if (reported.has(line) || reported.size >= REPORTED_ERRORS_LIMIT) return;
    reported.add(line);
    onError(hexzError);
  };
  const exportOf = (stream: StreamName): NbdExport =>
    exportStream(volume, stream, {
      name: stream === 'disk' ? settings.exportName : stream,
      description: `${stream} of ${basename(snapshot.path)}`,
      overlay: stream === 'disk' ? overlay : undefined,
      held,
      sync,
      show,
      onError: report,
    });
  const exported = streamNames
    .filter((stream) => volume.hasStream(stream) && (stream === 'disk' || settings.hasMemory))
    .map(exportOf);
  if (exported.length === 0 || (settings.hasMemory && !volume.hasStream('memory'))) {
    const missing = settings.hasMemory ? 'memory' : 'disk';
    throw new HexzError('NO_STREAM', `the snapshot has no ${missing} that could be served`, {
      location: { file: snapshot.path },
      hint: volume.hasStream('memory') ? '--memory serves the memory' : undefined,
    });
  }
  const exports = new Exports(exported, volume.hasStream('disk') ? exported[0] : undefined);
  const tls = settings.tls === undefined ? undefined : loadTls(settings.tls);
  return NbdServer.listen(settings.address, exports, { tls, onBug: report });
}
