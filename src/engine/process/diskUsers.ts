import { basename, dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { HexzError } from '../errors.js';
import { streamInodes } from '../fuse/fileSystem.js';
import { readAtMost } from './boundedFile.js';
import { type LoopDevice, listLoopDevices } from './loopDevices.js';
import { type Mount, parseMountTable, readMountTable } from './mountTable.js';
import {
  informationOf,
  isForWriting,
  linkTarget,
  mappedFiles,
  openDescriptors,
  processNumbers,
} from './openFiles.js';
import { commandOf } from './processes.js';

/*
 * Whether the disk of a live mount may change beneath whoever uses it. The kernel's pages of the file itself can be dropped
 * (`evictPages`); nobody can drop what lies above them:
 *
 *   user                          keeps
 *   loop device                   the cache of a block device, and of the file system that is mounted from it
 *   mapping                       pages that are mapped; they are not dropped
 *   writer                        what it has read and is going to write back, changed
 *   reader by an open descriptor  nothing: its next read brings the new bytes
 *
 * The kernel client of an NBD server is not among them: it uses no file of the mount, its server knows it.
 *
 * Only what the kernel tells of names is read, the mount is not touched. A user of another mount of the same file system (a bind mount,
 * another mount namespace) is found by the device. Where a loop device does not say which file it lies on, the name of the file decides,
 * in doubt against a change. Processes of other users are seen by root alone: for others the answer may be too short.
 */

/** Somebody who keeps bytes of a mounted disk. */
export interface DiskUser {
  readonly kind: 'loop' | 'mapping' | 'writer';
  /** Of processes. */
  readonly pid?: number;
  /** The command line; of a loop device its name. */
  readonly program: string;
  /** In words, what it uses the disk by. */
  readonly detail: string;
}

/** What is looked at, be it in the table of mounts or not. */
type MountedFileSystem = Pick<Mount, 'mountpoint' | 'deviceNumber'>;

const DISK = 'disk';
const MAX_USERS = 100;
const MAX_NAMED = 5;
const MAX_TABLE_BYTES = 16 * 1024 ** 2;

/** Who keeps bytes of the disk of a mount, other than this process; at most 100 of them. */
export async function findDiskUsers(mount: MountedFileSystem): Promise<readonly DiskUser[]> {
  const disk = new MountedDisk(mount.deviceNumber);
  const users: DiskUser[] = (await listLoopDevices())
    .filter((device) => disk.isUnder(device))
    .map(({ device }) => ({ kind: 'loop', program: device, detail: detailOfLoop(device) }));
  for (const pid of processNumbers()) {
    // An engine that asks has requests to answer in between.
    await setImmediate();
    if (pid === process.pid) continue;
    if (users.length >= MAX_USERS) break;
    const kind = useBy(pid, disk);
    if (kind !== undefined)
      users.push({ kind, pid, program: commandOf(pid), detail: details[kind] });
  }
  return users;
}

/**
 * Refuses where somebody keeps bytes of the disk of a mount.
 *
 * @throws HexzError DISK_IN_USE
 */
export async function checkDiskUnused(mount: MountedFileSystem): Promise<void> {
  const users = await findDiskUsers(mount);
  if (users.length === 0) return;
  const named = users.slice(0, MAX_NAMED).map(describeDiskUser);
  const more = users.length - named.length;
  const all = [...named, ...(more > 0 ? [`${more} more`] : [])].join('; ');
  throw new HexzError(
    'DISK_IN_USE',
    `the disk is in use, and old bytes of it would be kept: ${all}`,
    {
      location: { file: join(mount.mountpoint, DISK) },
      hint: 'end that first; --force changes the disk all the same, which corrupts what is mounted from it',
    },
  );
}

const details = {
  mapping: 'has the disk mapped into its memory',
  writer: 'has the disk open for writing',
} as const;

/** Who it is, and what it does. */
export function describeDiskUser({ pid, program, detail }: DiskUser): string {
  return `${program}${pid === undefined ? '' : ` (process ${pid})`} ${detail}`;
}

function detailOfLoop(device: string): string {
  const mounted = readMountTable().find(
    ({ source }) => source === device || source.startsWith(`${device}p`),
  );
  return `lies on the disk${mounted === undefined ? '' : ` and is mounted at ${mounted.mountpoint}`}`;
}

function useBy(pid: number, disk: MountedDisk): 'mapping' | 'writer' | undefined {
  const isMapped = mappedFiles(pid).some(
    ({ path, deviceNumber }) => deviceNumber === disk.deviceNumber && basename(path) === DISK,
  );
  if (isMapped) return 'mapping';
  const isWriter = openDescriptors(pid).some((descriptor) => {
    const path = linkTarget(`/proc/${pid}/fd/${descriptor}`);
    if (path === undefined || !disk.mayBe(path)) return false;
    const information = informationOf(pid, descriptor);
    return isForWriting(information) && (disk.paths.has(path) || disk.isOpenIn(pid, information));
  });
  return isWriter ? 'writer' : undefined;
}

/** The disk of one file system, wherever it is mounted. */
class MountedDisk {
  readonly deviceNumber: string;
  /** In the mounts that this process sees. */
  readonly paths: ReadonlySet<string>;
  /** Of other file systems. */
  readonly #otherMountpoints: ReadonlySet<string>;

  constructor(deviceNumber: string) {
    this.deviceNumber = deviceNumber;
    const mounts = readMountTable();
    const own = mounts.filter((mount) => mount.deviceNumber === deviceNumber);
    this.paths = new Set(
      own.map(({ root, mountpoint }) => (root === '/' ? join(mountpoint, DISK) : mountpoint)),
    );
    this.#otherMountpoints = new Set(
      mounts.filter((mount) => !own.includes(mount)).map(({ mountpoint }) => mountpoint),
    );
  }

  isUnder({ path, file }: LoopDevice): boolean {
    if (file !== undefined) {
      return file.deviceNumber === this.deviceNumber && file.inode === streamInodes.disk;
    }
    return this.mayBe(path) && !this.#otherMountpoints.has(dirname(path));
  }

  mayBe(path: string): boolean {
    return this.paths.has(path) || basename(path) === DISK;
  }

  /** Whether an open file lies in a mount of it that only its process sees. */
  isOpenIn(pid: number, information: string): boolean {
    const mountId = Number(/^mnt_id:\s*(\d+)$/m.exec(information)?.[1] ?? Number.NaN);
    try {
      const table = parseMountTable(readAtMost(`/proc/${pid}/mountinfo`, MAX_TABLE_BYTES));
      return table.some(
        (mount) => mount.mountId === mountId && mount.deviceNumber === this.deviceNumber,
      );
    } catch {
      // It has just ended.
      return false;
    }
  }
}
