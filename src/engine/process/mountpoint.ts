import { accessSync, constants, opendirSync, type Stats, statSync } from 'node:fs';
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';
import {
  isHexzMount,
  type Mount,
  mountAt,
  readMountTable,
  resolveAroundMounts,
} from './mountTable.js';
import { isMountOf, listMounts } from './registry.js';

/**
 * Checks that something can be mounted on a directory, and answers its real path. What is mounted there is
 * not touched: it might hang.
 *
 * @throws HexzError MOUNTPOINT_UNUSABLE
 */
export function checkMountpoint(path: string): string {
  const mounts = readMountTable();
  const attempt = <T>(action: () => T): T => {
    try {
      return action();
    } catch (cause) {
      throw inaccessible(path, cause);
    }
  };
  const realPath = attempt(() => resolveAroundMounts(path, mounts));
  const mount = mountAt(realPath, mounts);
  if (mount !== undefined) throw alreadyMounted(path, mount);
  const stats = attempt(() => statSync(realPath));
  if (!stats.isDirectory()) throw unusable(path, 'the mountpoint is not a directory');
  checkPermission(path, realPath, stats);
  if (attempt(() => hasFiles(realPath))) {
    throw unusable(path, 'the mountpoint is not empty', { hint: 'mount on an empty directory' });
  }
  return realPath;
}

const unusable = (
  path: string,
  message: string,
  options: { hint?: string; cause?: unknown } = {},
): HexzError =>
  new HexzError('MOUNTPOINT_UNUSABLE', message, { location: { file: path }, ...options });

function inaccessible(path: string, cause: unknown): HexzError {
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return unusable(path, 'the mountpoint does not exist', { hint: `mkdir -p ${path}`, cause });
    case 'EACCES':
    case 'EPERM':
      return unusable(path, 'the mountpoint is not yours to look into: permission denied', {
        hint: 'mount on a directory of your own',
        cause,
      });
    default:
      return unusable(path, `the mountpoint is unusable: ${describeSystemError(cause)}`, { cause });
  }
}

function alreadyMounted(path: string, mount: Mount): HexzError {
  const { fileSystemType, source, mountpoint } = mount;
  const entry = listMounts().findLast((listed) => listed.mountpoint === mountpoint);
  if (!isHexzMount(mount) && !(entry && isMountOf(entry, mount))) {
    return unusable(path, `the mountpoint is a mount already: ${fileSystemType} from ${source}`, {
      hint: 'mount on another directory',
    });
  }
  const hint = `hexz unmount ${path}`;
  if (entry?.state === 'dead') {
    const says = entry.device === null ? ' (Transport endpoint is not connected)' : '';
    const message = `the mountpoint is a dead mount of hexz${says}: its engine, process ${entry.pid}, has ended`;
    return unusable(path, message, { hint });
  }
  const what = entry === undefined ? '' : ` of ${entry.snapshot}, served by process ${entry.pid}`;
  return unusable(path, `the mountpoint is a mount of hexz already${what}`, { hint });
}

/** What fusermount asks of those who are not root. */
function checkPermission(path: string, realPath: string, stats: Stats): void {
  const userId = process.getuid?.();
  if (userId === 0) return;
  const hint = 'mount on a directory of your own';
  const isSticky = (stats.mode & 0o1000) !== 0;
  if (isSticky && stats.uid !== userId) {
    const message = `the mountpoint belongs to user ${stats.uid}: not permitted`;
    throw unusable(path, message, { hint });
  }
  try {
    accessSync(realPath, constants.W_OK);
  } catch (cause) {
    const problem = describeSystemError(cause);
    throw unusable(path, `you may not write to the mountpoint: ${problem}`, { hint, cause });
  }
}

function hasFiles(path: string): boolean {
  const directory = opendirSync(path);
  try {
    return directory.readSync() !== null;
  } finally {
    directory.closeSync();
  }
}
