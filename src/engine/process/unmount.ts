import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { HexzError } from '../errors.js';
import { systemFiles } from '../overlay/files.js';
import { overlayPaths } from '../overlay/paths.js';
import { readSideFile } from '../overlay/sideFile.js';
import { describeSystemError } from '../systemErrors.js';
import { describeHolder, findMountHolders } from './holders.js';
import {
  isHexzMount,
  type Mount,
  mountAt,
  readMountTable,
  resolveAroundMounts,
} from './mountTable.js';
import { isRunning } from './processes.js';
import { type ListedMount, listMounts } from './registry.js';

/**
 * Ends a mount from outside, also one whose engine hangs or has died: the mount table says what is there, a
 * tool of the system asks the kernel to end it, and nothing here touches the mount itself.
 *
 * A mount goes through these steps, and each is waited for:
 *
 *   mounted -> gone from the mount table -> engine has flushed, closed its overlay and ended
 *
 * A lazy unmount takes it out of the table at once; the engine serves what is still open, and ends after that.
 */
export interface UnmountOptions {
  /** Detach the mount even if it is in use. */
  readonly isLazy?: boolean;
  /** How long to wait for the engine to end. */
  readonly timeoutMilliseconds?: number;
}

export interface UnmountResult {
  /** Real path. */
  readonly mountpoint: string;
  /** The engine, if it still serves files that are open or flushes: only after a lazy unmount. */
  readonly servingPid: number | null;
}

const DEFAULT_TIMEOUT_MILLISECONDS = 60_000;
const LAZY_TIMEOUT_MILLISECONDS = 1000;
const TOOL_TIMEOUT_MILLISECONDS = 10_000;
/** Loop devices let go of their file a moment after they are told to. */
const BUSY_GRACE_MILLISECONDS = 1000;
const POLL_MILLISECONDS = 20;
const MAX_HOLDERS_NAMED = 5;

/**
 * Unmounts and waits until the engine has ended.
 *
 * @throws HexzError NOT_MOUNTED, MOUNT_BUSY, UNMOUNT_FAILED
 */
export async function unmount(path: string, options: UnmountOptions = {}): Promise<UnmountResult> {
  const { isLazy = false, timeoutMilliseconds = DEFAULT_TIMEOUT_MILLISECONDS } = options;
  const mount = findMount(path);
  const { mountpoint } = mount;
  const engine = engineOf(mountpoint);
  await removeFromTable(mount, isLazy);
  if (engine === undefined) return { mountpoint, servingPid: null };
  const waitMilliseconds = isLazy ? LAZY_TIMEOUT_MILLISECONDS : timeoutMilliseconds;
  const hasEnded = await waitUntil(() => !isRunning(engine), waitMilliseconds);
  if (!hasEnded && !isLazy) {
    throw failed(
      mountpoint,
      `it is unmounted, but its engine, process ${engine.pid}, has not ended within ` +
        `${timeoutMilliseconds / 1000} seconds: it still flushes, or hangs`,
      { hint: 'wait for it before you use the overlay' },
    );
  }
  if (engine.state !== 'dead' && hasEnded && wasLeftOpen(engine)) {
    throw failed(
      mountpoint,
      `it is unmounted, but the overlay ${engine.overlay} could not be closed: what no fsync had ` +
        'confirmed is safe only as long as the machine runs',
      { hint: 'the log of the mount says why; the next mount of the overlay mends it' },
    );
  }
  // Looking at the list sweeps the entry of an engine that could not remove it itself.
  engineOf(mountpoint);
  return { mountpoint, servingPid: hasEnded ? null : engine.pid };
}

/**
 * Takes the mount of hexz at a real path out of the mount table, if there still is one. An engine may call it
 * for its own mount: nothing here waits for an answer from it.
 *
 * @throws HexzError MOUNT_BUSY, UNMOUNT_FAILED
 */
export async function detachMount(
  mountpoint: string,
  { isLazy }: { readonly isLazy: boolean },
): Promise<void> {
  const mount = mountAt(mountpoint, readMountTable());
  if (mount !== undefined && isHexzMount(mount)) await removeFromTable(mount, isLazy);
}

/** Whether an engine ended without closing its overlay, as it does when that fails. */
function wasLeftOpen({ pid, mode, overlay, isTemporaryOverlay }: ListedMount): boolean {
  if (mode === 'ro' || overlay === null || isTemporaryOverlay) return false;
  try {
    return readSideFile(systemFiles, overlayPaths(overlay).side)?.openedBy?.pid === pid;
  } catch {
    // Whatever it is, the next mount of the overlay will say it.
    return false;
  }
}

function findMount(path: string): Mount {
  const mounts = readMountTable();
  let realPath: string;
  try {
    realPath = resolveAroundMounts(path, mounts);
  } catch (cause) {
    throw notMounted(path, `nothing is mounted there: ${describeSystemError(cause)}`, { cause });
  }
  const mount = mountAt(realPath, mounts);
  if (mount === undefined) {
    const engine = engineOf(realPath);
    throw notMounted(path, 'nothing is mounted there', {
      hint: engine && `process ${engine.pid}, which served it, still flushes or serves open files`,
    });
  }
  if (!isHexzMount(mount)) {
    const { fileSystemType, source } = mount;
    throw notMounted(path, `${fileSystemType} from ${source} is mounted there, not by hexz`);
  }
  return mount;
}

/** The engine of a mount, as far as it is this user's. */
function engineOf(mountpoint: string): ListedMount | undefined {
  try {
    return listMounts().findLast((listed) => listed.mountpoint === mountpoint);
  } catch {
    // Whoever spoils the registry shall not keep a mount from being ended.
    return undefined;
  }
}

async function removeFromTable(mount: Mount, isLazy: boolean): Promise<void> {
  const { mountpoint } = mount;
  const deadline = performance.now() + BUSY_GRACE_MILLISECONDS;
  for (;;) {
    const message = await runUnmountTool(mountpoint, isLazy);
    if (message === undefined) break;
    // Somebody else was faster.
    if (!isInTable(mount)) return;
    if (!/busy/i.test(message)) throw failed(mountpoint, `cannot unmount it: ${message}`);
    if (performance.now() > deadline) throw await busy(mountpoint);
    await sleep(POLL_MILLISECONDS);
  }
  if (!(await waitUntil(() => !isInTable(mount), TOOL_TIMEOUT_MILLISECONDS))) {
    throw failed(mountpoint, 'the kernel keeps it mounted');
  }
}

const isInTable = ({ mountId, mountpoint }: Mount): boolean =>
  readMountTable().some((mount) => mount.mountId === mountId && mount.mountpoint === mountpoint);

interface Tool {
  readonly program: string;
  readonly options: readonly string[];
  readonly lazyOptions: readonly string[];
}

/** Root needs no helper. Both options keep umount from asking the mount for anything, so that it cannot hang. */
const rootTools: readonly Tool[] = [
  { program: 'umount', options: ['--internal-only', '--no-canonicalize'], lazyOptions: ['--lazy'] },
];
const userTools: readonly Tool[] = ['fusermount3', 'fusermount'].map((program) => ({
  program,
  options: ['-u'],
  lazyOptions: ['-z'],
}));

/** Asks the kernel to unmount; answers what the tool complains of, or undefined when it is done. */
async function runUnmountTool(mountpoint: string, isLazy: boolean): Promise<string | undefined> {
  for (const { program, options, lazyOptions } of process.getuid?.() === 0
    ? rootTools
    : userTools) {
    const parameters = [...options, ...(isLazy ? lazyOptions : []), '--', mountpoint];
    try {
      return await run(program, parameters);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') continue;
      const problem = describeSystemError(cause);
      throw failed(mountpoint, `cannot start ${program}: ${problem}`, { cause });
    }
  }
  throw failed(mountpoint, 'fusermount is not installed', { hint: 'apt install fuse3' });
}

function run(program: string, parameters: readonly string[]): Promise<string | undefined> {
  const child = spawn(program, parameters, {
    // Not where we are: that may be in the mount.
    cwd: '/',
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const complaints: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      // It may be stuck in the kernel, where no signal reaches it: it is not waited for.
      child.kill('SIGKILL');
      child.stderr.destroy();
      child.unref();
      resolve(`${program} does not come to an end`);
    }, TOOL_TIMEOUT_MILLISECONDS);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      const message = Buffer.concat(complaints).toString().trim().replace(/\s+/g, ' ');
      resolve(status === 0 ? undefined : message || `${program} ended with status ${status}`);
    });
  });
}

async function waitUntil(condition: () => boolean, timeoutMilliseconds: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMilliseconds;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MILLISECONDS);
  }
  return true;
}

async function busy(mountpoint: string): Promise<HexzError> {
  const holders = (await findMountHolders(mountpoint)).map(describeHolder);
  const named = holders.slice(0, MAX_HOLDERS_NAMED).join(', ');
  const unnamed = holders.length - MAX_HOLDERS_NAMED;
  const rest = unnamed > 0 ? `, and ${unnamed} more` : '';
  const who = holders.length === 0 ? 'something that you may not see' : `${named}${rest}`;
  return new HexzError('MOUNT_BUSY', `it is in use by ${who}`, {
    location: { file: mountpoint },
    hint: '--lazy detaches it now and serves what is open until it is closed',
  });
}

interface ErrorOptions {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

const notMounted = (path: string, message: string, options: ErrorOptions = {}): HexzError =>
  new HexzError('NOT_MOUNTED', message, { location: { file: path }, ...options });

const failed = (mountpoint: string, message: string, options: ErrorOptions = {}): HexzError =>
  new HexzError('UNMOUNT_FAILED', message, { location: { file: mountpoint }, ...options });
