import { constants, opendirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { readAtMost } from './boundedFile.js';
import { type Mount, readMountTable } from './mountTable.js';
import { commandOf, identifyProcess, type ProcessIdentity } from './processes.js';

/** Something that uses a mount. */
export type Holder =
  | { readonly kind: 'process'; readonly pid: number; readonly command: string }
  | { readonly kind: 'loop device'; readonly device: string }
  | { readonly kind: 'mount'; readonly mountpoint: string };

/** Of the flags of an open file; 0 is for reading only. */
const ACCESS_MODE = constants.O_WRONLY | constants.O_RDWR;
const MAX_HOLDERS = 100;
const MAX_DESCRIPTORS = 10_000;
const MAX_INFORMATION_BYTES = 4096;
const MAX_MAPS_BYTES = 4 * 1024 ** 2;

/**
 * Who uses what is mounted at a real path: processes, loop devices, mounts below it. Only names that
 * the kernel keeps are read, the mount itself is not touched. What we may not look into is left out.
 */
export async function findMountHolders(mountpoint: string): Promise<readonly Holder[]> {
  const prefix = mountpoint.endsWith('/') ? mountpoint : `${mountpoint}/`;
  const isUsed = (path: string): boolean => path === mountpoint || path.startsWith(prefix);
  const nested = readMountTable().filter((mount) => mount.mountpoint.startsWith(prefix));
  return [
    ...(await processesUsing(isUsed)),
    ...loopDevices(isUsed),
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
    const isWriter = descriptors(`/proc/${pid}/fd`).some((descriptor) => {
      const [path] = linkTarget(`/proc/${pid}/fd/${descriptor}`);
      return path === realPath && isForWriting(pid, descriptor);
    });
    if (isWriter) writers.push({ kind: 'process', pid, command: commandOf(pid) });
  }
  return writers;
}

function isForWriting(pid: number, descriptor: string): boolean {
  try {
    const information = readAtMost(`/proc/${pid}/fdinfo/${descriptor}`, MAX_INFORMATION_BYTES);
    const flags = /^flags:\s*([0-7]+)$/m.exec(information.toString('latin1'))?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & ACCESS_MODE) !== 0;
  } catch {
    // Closed by now.
    return false;
  }
}

function holdsConnection(pid: number, connection: string): boolean {
  return descriptors(`/proc/${pid}/fd`).some((descriptor) => {
    const [path] = linkTarget(`/proc/${pid}/fd/${descriptor}`);
    return path?.endsWith('/fuse') === true && connectionOf(pid, descriptor) === connection;
  });
}

function connectionOf(pid: number, descriptor: string): string | undefined {
  try {
    const information = readAtMost(`/proc/${pid}/fdinfo/${descriptor}`, MAX_INFORMATION_BYTES);
    return /^fuse_connection:\s*(\d+)$/m.exec(information.toString('latin1'))?.[1];
  } catch {
    // Closed by now.
    return undefined;
  }
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

const processNumbers = (): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

function someUsedPath(pid: number, isUsed: (path: string) => boolean): boolean {
  for (const path of usedPaths(pid)) {
    if (isUsed(path) || isUsed(withoutMark(path))) return true;
  }
  return false;
}

/** The kernel marks names that are no more. */
const withoutMark = (path: string): string => path.replace(/ \(deleted\)$/, '');

/** Paths that a process has as directories, program, open files and mapped files. */
function* usedPaths(pid: number): Generator<string> {
  for (const name of ['cwd', 'root', 'exe']) yield* linkTarget(`/proc/${pid}/${name}`);
  for (const name of descriptors(`/proc/${pid}/fd`)) yield* linkTarget(`/proc/${pid}/fd/${name}`);
  yield* mappedPaths(pid);
}

function* linkTarget(path: string): Generator<string> {
  try {
    yield readlinkSync(path);
  } catch {
    // Another user's, or it has just ended.
  }
}

function descriptors(path: string): readonly string[] {
  const names: string[] = [];
  try {
    const directory = opendirSync(path);
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

/** Lines are `START-END PERMISSIONS OFFSET DEVICE INODE   PATH`; only a line feed in the path is escaped. */
function mappedPaths(pid: number): ReadonlySet<string> {
  const paths = new Set<string>();
  try {
    const maps = readAtMost(`/proc/${pid}/maps`, MAX_MAPS_BYTES).toString('utf8');
    for (const line of maps.split('\n')) {
      const path = /^(?:\S+ +){5}(\/.*)$/.exec(line)?.[1];
      if (path !== undefined) paths.add(path.replaceAll('\\012', '\n'));
    }
  } catch {
    // Another user's, or it has just ended.
  }
  return paths;
}

function loopDevices(isUsed: (path: string) => boolean): readonly Holder[] {
  let names: readonly string[] = [];
  try {
    names = readdirSync('/sys/block').filter((name) => /^loop\d+$/.test(name));
  } catch {
    // No sysfs here.
  }
  return names
    .filter((name) => isUsed(backingFile(name)))
    .map((name) => ({ kind: 'loop device', device: `/dev/${name}` }));
}

function backingFile(name: string): string {
  try {
    const path = readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8');
    return withoutMark(path.replace(/\n$/, ''));
  } catch {
    // It has none now.
    return '';
  }
}
