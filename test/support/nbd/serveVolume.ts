import type { NetConnectOpts } from 'node:net';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import { exportStream, type StreamExportOptions } from '../../../src/engine/nbd/export.js';
import { Exports } from '../../../src/engine/nbd/exports.js';
import { NbdServer } from '../../../src/engine/nbd/server.js';
import { openOverlay } from '../../../src/engine/volume/openOverlay.js';
import { createVolume, type Volume } from '../../../src/engine/volume/volume.js';
import { openSnapshot } from '../../../src/index.js';
import { packSnapshot } from '../snapshots.js';
import { NbdClient } from './client.js';

export interface ServedVolume {
  readonly where: NetConnectOpts;
  readonly volume: Volume;
  readonly server: NbdServer;
  /** What was reported to the log. */
  readonly errors: readonly unknown[];
  /** What must never happen. */
  readonly bugs: readonly unknown[];
  open(options?: Parameters<typeof NbdClient.open>[1]): Promise<NbdClient>;
  /** Connects without a word. */
  connect(): Promise<NbdClient>;
}

export interface ServingOptions {
  readonly disk: Buffer;
  readonly memory?: Buffer;
  readonly isWritable?: boolean;
  readonly exported?: Partial<StreamExportOptions>;
  readonly tls?: TlsOptions;
  readonly handshakeLimitMilliseconds?: number;
  /** Done to the snapshot before it is opened. */
  readonly prepare?: (path: string) => void;
}

const BLOCK_BYTES = 16_384;

/** Starts a server of a new snapshot in a directory. */
export async function serveVolume(
  directory: string,
  options: ServingOptions,
): Promise<ServedVolume & { close(): Promise<void> }> {
  const { disk, memory, isWritable = false, tls, handshakeLimitMilliseconds, prepare } = options;
  const path = packSnapshot(
    join(directory, 'served.hxz'),
    memory === undefined ? { disk } : { disk, memory },
    { blockBytes: BLOCK_BYTES },
  );
  prepare?.(path);
  const snapshot = openSnapshot(path);
  const overlay = isWritable
    ? openOverlay(snapshot, { path: join(directory, 'disk.overlay'), access: 'write' })
    : undefined;
  const volume = createVolume(snapshot, overlay);
  const errors: unknown[] = [];
  const bugs: unknown[] = [];
  const common = { description: 'for a test', onError: (error: unknown) => errors.push(error) };
  const exported = [
    exportStream(volume, 'disk', { name: 'disk', overlay, ...common, ...options.exported }),
    ...(memory === undefined
      ? []
      : [exportStream(volume, 'memory', { name: 'memory', ...common })]),
  ];
  const server = await NbdServer.listen(
    { kind: 'tcp', host: '127.0.0.1', port: 0 },
    new Exports(exported, exported[0]),
    {
      tls,
      onBug: (error) => bugs.push(error),
      ...(handshakeLimitMilliseconds === undefined ? {} : { handshakeLimitMilliseconds }),
    },
  );
  const where = { host: '127.0.0.1', port: Number(new URL(server.url).port) };
  const clients: NbdClient[] = [];
  const kept = async (client: Promise<NbdClient>): Promise<NbdClient> => {
    clients.push(await client);
    return client;
  };
  return {
    where,
    volume,
    server,
    errors,
    bugs,
    open: (clientOptions) => kept(NbdClient.open(where, clientOptions)),
    connect: () => kept(NbdClient.connect(where)),
    async close() {
      for (const client of clients) client.close();
      await server.close();
      await volume.close();
    },
  };
}
