/*
 * The kernel's table of mounts, and paths resolved by its help.
 *
 * A mount whose server hangs lets every program hang that so much as asks for its attributes, and one whose
 * server has died answers with errors only. So nothing here touches a mount: the table is read first, and
 * a path is walked component by component, where one that is a mount is taken as it stands, without asking
 * it for anything. That loses nothing, since a mount is never a symbolic link.
 */

import { readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import { readAtMost } from './boundedFile.js';

/** One line of the table. */
export interface Mount {
  readonly mountId: number;
  /** The mount that this one lies in. */
  readonly parentId: number;
  /** "major:minor" of the file system. */
  readonly deviceNumber: string;
  /** Which directory of the file system is mounted. */
  readonly root: string;
  readonly mountpoint: string;
  readonly fileSystemType: string;
  readonly source: string;
  /** Of the mount, then of the file system. */
  readonly options: readonly string[];
}

const MOUNT_TABLE_PATH = '/proc/self/mountinfo';
/** More than the 100 000 mounts that Linux allows need by far. */
const MAX_TABLE_BYTES = 64 * 1024 ** 2;
const MAX_LINKS = 40;

/** All mounts that this process sees, in the kernel's order. */
export const readMountTable = (): readonly Mount[] =>
  parseMountTable(readAtMost(MOUNT_TABLE_PATH, MAX_TABLE_BYTES));

/** Parses what /proc/PID/mountinfo holds. Lines that are no mount, such as an incomplete last one, are left out. */
export function parseMountTable(table: Buffer): readonly Mount[] {
  // Byte by byte at first: paths are bytes, and the escapes stand for bytes.
  const lines = table.toString('latin1').split('\n');
  return lines.map(parseLine).filter((mount) => mount !== undefined);
}

/**
 * The mount that a real path leads to, if the path is a mountpoint: where several lie on each other, the
 * topmost.
 */
export function mountAt(path: string, mounts: readonly Mount[]): Mount | undefined {
  const candidates = mounts.filter(({ mountpoint }) => mountpoint === path);
  return candidates.findLast(
    ({ mountId }) => !candidates.some(({ parentId }) => parentId === mountId),
  );
}

/** Whether a mount is one of hexz, whichever backend made it. */
export const isHexzMount = ({ fileSystemType, source }: Mount): boolean =>
  /^fuse(\.|$)/.test(fileSystemType) && source === 'hexz';

/**
 * The absolute path without symbolic links, without touching what is mounted at it or above it.
 *
 * @throws the system's error if there is no such file or the way to it is barred
 */
export function resolveAroundMounts(path: string, mounts: readonly Mount[]): string {
  const mountpoints = new Set(mounts.map(({ mountpoint }) => mountpoint));
  const absolute = path.startsWith('/') ? path : `${process.cwd()}/${path}`;
  const pending = absolute.split('/').reverse();
  let resolved = '/';
  let linkCount = 0;
  while (pending.length > 0) {
    const name = pending.pop() ?? '';
    if (name === '' || name === '.') continue;
    const candidate = posix.join(resolved, name);
    const target = name === '..' || mountpoints.has(candidate) ? undefined : linkTarget(candidate);
    if (target === undefined) {
      resolved = candidate;
      continue;
    }
    if (++linkCount > MAX_LINKS) throw Object.assign(new Error(candidate), { code: 'ELOOP' });
    if (target.startsWith('/')) resolved = '/';
    pending.push(...target.split('/').reverse());
  }
  return resolved;
}

/** Where a symbolic link leads; undefined for everything else that exists. */
function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
    throw error;
  }
}

/**
 * One line: `36 35 98:0 /root /mountpoint rw,noatime master:1 - ext4 /dev/sda1 rw,errors=continue`. Between
 * the options and the hyphen stands any number of further fields.
 */
function parseLine(line: string): Mount | undefined {
  const fields = line.split(' ');
  const hyphen = fields.indexOf('-', 6);
  const [mountId, parentId, deviceNumber, root, mountpoint, mountOptions] = fields;
  const [fileSystemType, source, fileSystemOptions] = fields.slice(hyphen + 1);
  if (
    hyphen < 0 ||
    !isNumber(mountId) ||
    !isNumber(parentId) ||
    deviceNumber === undefined ||
    root === undefined ||
    mountpoint === undefined ||
    mountOptions === undefined ||
    fileSystemType === undefined ||
    source === undefined ||
    fileSystemOptions === undefined
  ) {
    return undefined;
  }
  return {
    mountId: Number(mountId),
    parentId: Number(parentId),
    deviceNumber,
    root: unescaped(root),
    mountpoint: unescaped(mountpoint),
    fileSystemType: unescaped(fileSystemType),
    source: unescaped(source),
    options: unescaped(`${mountOptions},${fileSystemOptions}`).split(','),
  };
}

const isNumber = (text: string | undefined): boolean => /^\d{1,15}$/.test(text ?? '');

/** Blanks and the like are written as a backslash and three octal digits. */
function unescaped(text: string): string {
  const bytes = text.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
