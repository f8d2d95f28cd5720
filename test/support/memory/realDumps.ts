import { execFileSync } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ByteSource } from '../../../src/forensics/byteSource.js';

/** What the manifest of a guest's memory says of it, as far as it is used here. */
export interface MemoryManifest {
  readonly kernel: {
    readonly release: string;
    readonly version: string;
    readonly symbols: Readonly<Record<string, string>>;
  };
  readonly machine: {
    readonly cpus: number;
    readonly machine: string;
    readonly ram_bytes: number;
    readonly ram_below_4g: number;
    readonly vmcoreinfo_device: boolean;
  };
  readonly files: Readonly<Record<string, { readonly size: number; readonly sha256: string }>>;
  readonly strings: readonly { readonly text: string; readonly physical: readonly string[] }[];
}

export const guestNames = ['harbour-lamp-6.1', 'salt-mill-5.10'] as const;
export type GuestName = (typeof guestNames)[number];

/** @param project where the checkout is */
const directoryOf = (project: string, guest: GuestName): string =>
  join(project, 'fixtures', 'memory', guest);

export function memoryManifest(project: string, guest: GuestName): MemoryManifest {
  return JSON.parse(readFileSync(join(directoryOf(project, guest), 'manifest.json'), 'utf8'));
}

/** Unpacks the dumps of a guest; its kdump, which is packed alone, too. */
export function unpackDumps(project: string, guest: GuestName, target: string): void {
  execFileSync('tar', ['-xJf', join(directoryOf(project, guest), 'dumps.tar.xz'), '-C', target]);
  const kdump = 'dump.kdump-zlib';
  if (kdump in memoryManifest(project, guest).files) {
    const packed = join(directoryOf(project, guest), `${kdump}.xz`);
    const maxBuffer = 256 * 1024 ** 2;
    writeFileSync(join(target, kdump), execFileSync('xz', ['-dc', packed], { maxBuffer }));
  }
}

/** A file as a source, until it is closed. */
export function fileSource(path: string): ByteSource & { close(): void } {
  const descriptor = openSync(path, 'r');
  return {
    length: fstatSync(descriptor).size,
    readInto: (offset, target) => readSync(descriptor, target, 0, target.length, offset),
    close: () => closeSync(descriptor),
  };
}
