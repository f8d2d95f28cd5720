import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { HexzError } from '../errors.js';

/** Where a server listens. */
export type NbdAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

const LOOPBACK = '127.0.0.1';
/** That of the Rust hexz. */
const DEFAULT_PORT = 8080;
const MAX_PORT = 65_535;
/** Longer paths of sockets are no addresses. */
const MAX_SOCKET_PATH_BYTES = 107;

/** What can be chosen of an address. */
export interface AddressOptions {
  readonly port?: number | undefined;
  readonly socket?: string | undefined;
  readonly bind?: string | undefined;
}

/**
 * Where to listen: on loopback, unless another address is named; then only with TLS.
 *
 * @throws HexzError USAGE
 */
export function addressOf({ port, socket, bind }: AddressOptions, hasTls: boolean): NbdAddress {
  if (socket !== undefined) {
    if (port !== undefined || bind !== undefined) {
      throw new HexzError('USAGE', 'a Unix socket has no port and no address');
    }
    const path = resolve(socket);
    if (socket === '' || Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
      throw new HexzError('USAGE', 'the path of the socket is empty or too long');
    }
    return { kind: 'unix', path };
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= MAX_PORT)) {
    throw new HexzError('USAGE', `port ${port} is not a number from 0 to ${MAX_PORT}`);
  }
  const host = bind ?? LOOPBACK;
  if (isIP(host) === 0) throw new HexzError('USAGE', `${host} is not an IP address`);
  if (!isLoopback(host) && !hasTls) {
    throw new HexzError('USAGE', 'what others can reach is served with TLS only', {
      hint: 'name a certificate with --tls-certificate and --tls-key, or keys with --tls-psk',
    });
  }
  return { kind: 'tcp', host, port: port ?? DEFAULT_PORT };
}

const isLoopback = (host: string): boolean => host === '::1' || /^127\./.test(host);

/** The address as NBD clients take it. */
export function urlOf(address: NbdAddress, hasTls: boolean): string {
  const scheme = hasTls ? 'nbds' : 'nbd';
  if (address.kind === 'unix') {
    return `${scheme}+unix:///?socket=${encodeURI(address.path).replace(/[?&#+]/g, encodeURIComponent)}`;
  }
  const host = isIP(address.host) === 6 ? `[${address.host}]` : address.host;
  return `${scheme}://${host}:${address.port}/`;
}
