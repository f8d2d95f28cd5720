import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { createSecureContext, createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';
import { HANDSHAKE_LIMIT_MILLISECONDS } from './limits.js';

/** How a server shows who it is, and finds out who a client is. Paths of files. */
export type TlsSettings =
  | {
      readonly kind: 'certificate';
      readonly certificate: string;
      readonly key: string;
      /** Clients show a certificate, too, and it is signed by one of these. */
      readonly clientAuthorities?: string | undefined;
    }
  /** One `NAME:KEY` a line, the key in hexadecimal digits. */
  | { readonly kind: 'psk'; readonly keys: string };

/** TLS_AES_128_GCM_SHA256 is the one of TLS 1.3 that keys without a hash of their own work with. */
const PSK_CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-PSK-CHACHA20-POLY1305',
  'ECDHE-PSK-AES256-CBC-SHA384',
  'ECDHE-PSK-AES128-CBC-SHA256',
  'DHE-PSK-AES256-GCM-SHA384',
  'DHE-PSK-AES128-GCM-SHA256',
  'DHE-PSK-CHACHA20-POLY1305',
].join(':');
const MIN_KEY_BYTES = 16;

/**
 * Reads what the settings name.
 *
 * @throws HexzError UNREADABLE, BAD_KEY
 */
export function loadTls(settings: TlsSettings): TlsOptions {
  const common = { minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_LIMIT_MILLISECONDS } as const;
  if (settings.kind === 'psk') {
    const keys = parseKeys(settings.keys, read(settings.keys).toString('latin1'));
    return {
      ...common,
      ciphers: PSK_CIPHERS,
      dhparam: 'auto',
      pskCallback: (_socket, identity) => keys.get(identity) ?? null,
    };
  }
  const { certificate, key, clientAuthorities } = settings;
  const options: TlsOptions = {
    ...common,
    cert: read(certificate),
    key: read(key),
    ...(clientAuthorities === undefined
      ? {}
      : { ca: read(clientAuthorities), requestCert: true, rejectUnauthorized: true }),
  };
  try {
    createSecureContext(options);
  } catch (cause) {
    const { message } = cause as Error;
    throw new HexzError('BAD_KEY', `certificate and key cannot be used: ${message}`, {
      location: { file: certificate },
      cause,
    });
  }
  return options;
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new HexzError('UNREADABLE', describeSystemError(cause), {
      location: { file: path },
      cause,
    });
  }
}

function parseKeys(path: string, text: string): ReadonlyMap<string, Buffer> {
  const keys = new Map<string, Buffer>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, name = '', digits = ''] = /^([^:]+):((?:[0-9a-fA-F]{2})+)\s*$/.exec(line) ?? [];
    const key = Buffer.from(digits, 'hex');
    if (key.length < MIN_KEY_BYTES) {
      throw new HexzError(
        'BAD_KEY',
        `a line is not NAME:KEY with a key of ${MIN_KEY_BYTES} bytes or more`,
        {
          location: { file: path, line: index + 1 },
          hint: 'psktool -u NAME -p FILE makes one',
        },
      );
    }
    keys.set(name, key);
  }
  if (keys.size === 0) {
    throw new HexzError('BAD_KEY', 'there is no key in it', { location: { file: path } });
  }
  return keys;
}

/**
 * Begins TLS on a connection.
 *
 * @throws Error when the client does not get through it; the connection is over then
 */
export function beginTls(socket: Duplex, options: TlsOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const server = createServer(options);
    server.once('secureConnection', resolve).once('tlsClientError', reject);
    // A connection that is there already is handed over like this.
    server.emit('connection', socket);
    socket.once('close', () => reject(new Error('the client has gone')));
  });
}
