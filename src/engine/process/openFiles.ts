/*
 * What the kernel tells of the files that processes have open. Only names are read, the files
 * themselves are not touched: one of a mount that hangs would let its reader hang. What we may not look into, and what
 * has ended by now, is left out.
 */

import { constants, opendirSync, readdirSync, readlinkSync } from 'node:fs';
import { readAtMost } from './boundedFile.js';

/** Of the flags of an open file; 0 is for reading only. */
const ACCESS_MODE = constants.O_WRONLY | constants.O_RDWR;
const MAX_DESCRIPTORS = 10_000;
const MAX_INFORMATION_BYTES = 4096;
const MAX_MAPS_BYTES = 4 * 1024 ** 2;

export const processNumbers = (): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

export function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** The kernel marks names that are no more. */
export const withoutMark = (path: string): string => path.replace(/ \(deleted\)$/, '');

/** The descriptors that a process has open. */
export function openDescriptors(pid: number): readonly string[] {
  const names: string[] = [];
  try {
    const directory = opendirSync(`/proc/${pid}/fd`);
    try {
      while (names.length < MAX_DESCRIPTORS) {
        const entry = directory.readSync();
        if (entry === null) break;
        names.push(entry.name);
      }
    } finally {
      directory.closeSync();
    }
  } catch {
    // Another user's, or it has just ended.
  }
  return names;
}

/** What the kernel says of an open file, `NAME: VALUE` in each line; nothing if it is closed by now. */
export function informationOf(pid: number, descriptor: string): string {
  try {
    const path = `/proc/${pid}/fdinfo/${descriptor}`;
    return readAtMost(path, MAX_INFORMATION_BYTES).toString('latin1');
  } catch {
    return '';
  }
}

export function isForWriting(information: string): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(information)?.[1] ?? '0';
  return (Number.parseInt(flags, 8) & ACCESS_MODE) !== 0;
}

/** A file that is mapped into a process. */
export interface MappedFile {
  readonly path: string;
  /** "major:minor" of the file system, decimal as in the table of mounts. */
  readonly deviceNumber: string;
}

/** Lines are `START-END PERMISSIONS OFFSET DEVICE INODE   PATH`; only a line feed in the path is escaped. */
export function mappedFiles(pid: number): readonly MappedFile[] {
  const files = new Map<string, MappedFile>();
  try {
    const maps = readAtMost(`/proc/${pid}/maps`, MAX_MAPS_BYTES).toString('utf8');
    for (const line of maps.split('\n')) {
      const found = /^(?:\S+ +){3}([\da-f]+):([\da-f]+) +\d+ +(\/.*)$/.exec(line);
      if (found === null) continue;
      const [, major = '', minor = '', name = ''] = found;
      const deviceNumber = `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}`;
      const path = name.replaceAll('\\012', '\n');
      files.set(`${deviceNumber} ${path}`, { path, deviceNumber });
    }
  } catch {
    // Another user's, or it has just ended.
  }
  return [...files.values()];
}
