import { basename, dirname, resolve } from 'node:path';
import { asHexzError, HexzError } from '../errors.js';
import { type StreamName, streamNames } from '../format/types.js';
import { type AddressOptions, addressOf, type NbdAddress } from '../nbd/address.js';
import { exportStream, type NbdExport } from '../nbd/export.js';
import { Exports } from '../nbd/exports.js';
import { NbdServer } from '../nbd/server.js';
import { loadTls, type TlsSettings } from '../nbd/tls.js';
import type { Resources } from './resources.js';

/** What can be chosen of an NBD server. */
export interface NbdOptions extends AddressOptions {
  /** Name of the disk; default `disk`. */
  readonly exportName?: string | undefined;
  /** Whether the memory is exported, too. */
  readonly memory?: boolean | undefined;
  /** Paths of files: who the server is, and whose certificates it takes from clients. */
  readonly tlsCertificate?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsClientCa?: string | undefined;
  /** Path of a file with keys that server and clients share. */
  readonly tlsPsk?: string | undefined;
}

/** What is offered to NBD clients, where and how. Paths are absolute. */
export interface NbdSettings {
  readonly address: NbdAddress;
  readonly exportName: string;
  readonly hasMemory: boolean;
  readonly tls: TlsSettings | undefined;
}

/**
 * With everything filled in; paths are taken from the current directory.
 *
 * @throws HexzError USAGE
 */
export function nbdSettingsOf(options: NbdOptions): NbdSettings {
  const tls = tlsSettingsOf(options);
  return {
    address: addressOf(options, tls !== undefined),
    exportName: options.exportName ?? 'disk',
    hasMemory: options.memory ?? false,
    tls,
  };
}

function tlsSettingsOf(options: NbdOptions): TlsSettings | undefined {
  const { tlsCertificate, tlsKey, tlsClientCa, tlsPsk } = options;
  if (tlsPsk !== undefined) {
    if (tlsCertificate === undefined && tlsKey === undefined && tlsClientCa === undefined) {
      return { kind: 'psk', keys: resolve(tlsPsk) };
    }
    throw new HexzError('USAGE', 'TLS works with certificates or with shared keys, not with both');
  }
  if (tlsCertificate !== undefined && tlsKey !== undefined) {
    return {
      kind: 'certificate',
      certificate: resolve(tlsCertificate),
      key: resolve(tlsKey),
      clientAuthorities: tlsClientCa === undefined ? undefined : resolve(tlsClientCa),
    };
  }
  if (tlsCertificate === undefined && tlsKey === undefined && tlsClientCa === undefined) {
    return undefined;
  }
  throw new HexzError('USAGE', 'TLS needs both a certificate and its key');
}

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
      hint: missing === 'disk' ? '--memory serves the memory' : undefined,
    });
  }
  const exports = new Exports(exported, volume.hasStream('disk') ? exported[0] : undefined);
  const tls = settings.tls === undefined ? undefined : loadTls(settings.tls);
  return NbdServer.listen(settings.address, exports, { tls, onBug: report });
}

/**
 * A server's engine answers the mount itself: what it needs must not lie there. Only names are looked at.
 *
 * @throws HexzError USAGE
 */
export function checkNotIn(mountpoint: string, { address, tls }: NbdSettings): void {
  const paths = [
    ...(address.kind === 'unix' ? [address.path] : []),
    ...Object.entries(tls ?? {}).flatMap(([name, path]) =>
      name === 'kind' || path === undefined ? [] : [path],
    ),
  ];
  for (const path of paths) {
    for (let at = path; at !== dirname(at); at = dirname(at)) {
      if (at !== mountpoint) continue;
      throw new HexzError('USAGE', 'a socket or file of the server must not lie in its own mount', {
        location: { file: path },
      });
    }
  }
}
