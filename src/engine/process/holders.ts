import { setImmediate } from 'node:timers/promises';
import { listLoopDevices } from './loopDevices.js';
import { type Mount, mountAt, readMountTable } from './mountTable.js';
import {
  informationOf,
  isForWriting,
  linkTarget,
  mappedFiles,
  openDescriptors,
  processNumbers,
  withoutMark,
} from './openFiles.js';
import { commandOf, identifyProcess, type ProcessIdentity } from './processes.js';

/** Something that uses a mount. */
export type Holder =
  | { readonly kind: 'process'; readonly pid: number; readonly command: string }
  | { readonly kind: 'loop device'; readonly device: string }
  | { readonly kind: 'mount'; readonly mountpoint: string };

const MAX_HOLDERS = 100;

/**
 * Who uses what is mounted at a real path: processes, loop devices, mounts below it. Only names that
 * the kernel keeps are read, the mount itself is not touched. What we may not look into is left out.
 */
export async function findMountHolders(mountpoint: string): Promise<readonly Holder[]> {
  const prefix = mountpoint.endsWith('/') ? mountpoint : `${mountpoint}/`;
  const isUsed = (path: string): boolean => path === mountpoint || path.startsWith(prefix);
  const mounts = readMountTable();
  const nested = mounts.filter((mount) => mount.mountpoint.startsWith(prefix));
  const mount = mountAt(mountpoint, mounts);
  const isOn = (device: string | undefined): boolean =>
    device !== undefined && device === mount?.deviceNumber;
  return [
    ...(await processesUsing(isUsed)),
    ...(await listLoopDevices())
      .filter(({ path, file }) => isUsed(path) || isOn(file?.deviceNumber))
      .map(({ device }): Holder => ({ kind: 'loop device', device })),
    ...nested.map((mount): Holder => ({ kind: 'mount', mountpoint: mount.mountpoint })),
  ].slice(0, MAX_HOLDERS);
}

/**
 * The process that serves a FUSE mount; undefined if none does, and where we may not see it. Since Linux 6.16
 * the kernel names the connection of a descriptor of /dev/fuse: by the minor number of the mount's device.
 */
export async function findMountServer(mount: Mount): Promise<ProcessIdentity | undefined> {
  const [, connection = ''] = mount.deviceNumber.split(':');
  const servers: ProcessIdentity[] = [];
  for (const pid of processNumbers()) {
    await setImmediate();
    const identity = holdsConnection(pid, connection) ? identifyProcess(pid) : undefined;
    if (identity !== undefined) servers.push(identity);
  }
  // Children inherit descriptors.
  return servers.sort((one, other) => one.startTicks - other.startTicks)[0];
}

/**
 * Processes that have a file open for writing, other than this one. A program that takes no lock, as the Rust hexz, can
 * be told only so; what we may not look into is left out.
 */
export async function findFileWriters(realPath: string): Promise<readonly Holder[]> {
  const writers: Holder[] = [];
  for (const pid of processNumbers()) {
    await setImmediate();
    if (pid === process.pid) continue;
    const isWriter = openDescriptors(pid).some((descriptor) => {
      const path = linkTarget(`/proc/${pid}/fd/${descriptor}`);
      return path === realPath && isForWriting(informationOf(pid, descriptor));
    });
    if (isWriter) writers.push({ kind: 'process', pid, command: commandOf(pid) });
  }
  return writers;
}

/** Since Linux 6.16. */
const connectionOf = (information: string): string | undefined =>
  /^fuse_connection:\s*(\d+)$/m.exec(information)?.[1];

function holdsConnection(pid: number, connection: string): boolean {
  return openDescriptors(pid).some((descriptor) => {
    const path = linkTarget(`/proc/${pid}/fd/${descriptor}`);
    return (
      path?.endsWith('/fuse') === true &&
      connectionOf(informationOf(pid, descriptor)) === connection
    );
  });
}

export function describeHolder(holder: Holder): string {
  switch (holder.kind) {
    case 'process':
      return `${holder.command} (process ${holder.pid})`;
    case 'loop device':
      return `loop device ${holder.device}`;
    case 'mount':
      return `the mount at ${holder.mountpoint}`;
  }
}

async function processesUsing(isUsed: (path: string) => boolean): Promise<readonly Holder[]> {
  const holders: Holder[] = [];
  for (const pid of processNumbers()) {
    // An engine that asks has requests to answer in between.
    await setImmediate();
    if (holders.length === MAX_HOLDERS) break;
    if (someUsedPath(pid, isUsed)) {
      holders.push({ kind: 'process', pid, command: commandOf(pid) });
    }
  }
  return holders;
}

function someUsedPath(pid: number, isUsed: (path: string) => boolean): boolean {
  for (const path of usedPaths(pid)) {
    if (isUsed(path) || isUsed(withoutMark(path))) return true;
  }
  return false;
}

/** Paths that a process has as directories, program, open files and mapped files. */
function* usedPaths(pid: number): Generator<string> {
  const names = openDescriptors(pid).map((descriptor) => `fd/${descriptor}`);
  for (const name of ['cwd', 'root', 'exe', ...names]) {
    const path = linkTarget(`/proc/${pid}/${name}`);
    if (path !== undefined) yield path;
  }
  for (const { path } of mappedFiles(pid)) yield path;
}
