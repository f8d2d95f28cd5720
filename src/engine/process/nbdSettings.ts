import { dirname, resolve } from 'node:path';
import { HexzError } from '../errors.js';
import { type AddressOptions, addressOf, type NbdAddress } from '../nbd/address.js';
import type { TlsSettings } from '../nbd/tls.js';

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
