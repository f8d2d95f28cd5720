import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';
import { type NbdAddress, urlOf } from './address.js';
import type { Exports } from './exports.js';
import { MAX_CONNECTIONS } from './limits.js';
import { type ServedConnection, serveConnection } from './serveConnection.js';
import { clearSocketPath } from './unixSocket.js';

export interface NbdServerOptions {
  readonly tls?: TlsOptions | undefined;
  /** Told of what nobody foresaw; the client that met it is let go. */
  readonly onBug: (error: unknown) => void;
  readonly handshakeLimitMilliseconds?: number;
}

/** Who still takes his replies when the server ends gets them. */
const CLOSE_LIMIT_MILLISECONDS = 1000;
const KEEP_ALIVE_MILLISECONDS = 60_000;

/**
 * Takes NBD clients at one address, and serves them on this thread.
 *
 *   clients           a new one
 *   < MAX_CONNECTIONS is served
 *   that many         takes the place of the one that has been in its handshake for longest; without one it is let go
 */
export class NbdServer {
  /** As clients take it. */
  readonly url: string;
  readonly #server: Server;
  readonly #connections: Set<ServedConnection>;

  /** @throws HexzError LISTEN_FAILED */
  static async listen(
    address: NbdAddress,
    exports: Exports,
    options: NbdServerOptions,
  ): Promise<NbdServer> {
    if (address.kind === 'unix') await clearSocketPath(address.path);
    const connections = new Set<ServedConnection>();
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      take(socket, connections, exports, options);
    });
    await listening(server, address);
    return new NbdServer(server, connections, boundAddress(server, address), options);
  }

  private constructor(
    server: Server,
    connections: Set<ServedConnection>,
    address: NbdAddress,
    { tls }: NbdServerOptions,
  ) {
    this.#server = server;
    this.#connections = connections;
    this.url = urlOf(address, tls !== undefined);
  }

  /** How many clients have chosen an export. */
  get clientCount(): number {
    return [...this.#connections].filter(({ exported }) => exported !== undefined).length;
  }

  /** How many clients have an export that they can write. */
  get writerCount(): number {
    return [...this.#connections].filter(({ exported }) => exported?.isReadOnly === false).length;
  }

  /** Takes nobody any more, ends what was begun, and lets everybody go; not waiting long. */
  async close(): Promise<void> {
    // That removes a Unix socket, too.
    this.#server.close();
    const connections = [...this.#connections];
    for (const connection of connections) connection.end();
    const timer = setTimeout(() => {
      for (const connection of connections) connection.destroy();
    }, CLOSE_LIMIT_MILLISECONDS);
    await Promise.all(connections.map(({ closed }) => closed));
    clearTimeout(timer);
  }
}

function take(
  socket: Socket,
  connections: Set<ServedConnection>,
  exports: Exports,
  options: NbdServerOptions,
): void {
  if (connections.size >= MAX_CONNECTIONS) {
    const oldest = [...connections].find(({ exported }) => exported === undefined);
    if (oldest === undefined) {
      socket.destroy();
      return;
    }
    connections.delete(oldest);
    oldest.destroy();
  }
  socket.setKeepAlive(true, KEEP_ALIVE_MILLISECONDS);
  const connection = serveConnection(socket, exports, options);
  connections.add(connection);
  void connection.closed.then(() => connections.delete(connection));
}

function listening(server: Server, address: NbdAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new HexzError('LISTEN_FAILED', `cannot listen there: ${describeListenError(cause)}`, {
          location: {
            file: address.kind === 'unix' ? address.path : `${address.host}:${address.port}`,
          },
          hint: address.kind === 'unix' ? undefined : '--port 0 takes a port that is free',
          cause,
        }),
      );
    });
    server.once('listening', resolve);
    if (address.kind === 'tcp') {
      server.listen({ host: address.host, port: address.port });
      return;
    }
    // Made at once, and never open to others.
    const mask = process.umask(0o177);
    try {
      server.listen(address.path);
    } finally {
      process.umask(mask);
    }
  });
}

function boundAddress(server: Server, address: NbdAddress): NbdAddress {
  if (address.kind === 'unix') return address;
  const { port } = server.address() as AddressInfo;
  return { ...address, port };
}

function describeListenError(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return 'it is in use';
  if (error.code === 'EADDRNOTAVAIL') return 'this machine does not have the address';
  return describeSystemError(error);
}
