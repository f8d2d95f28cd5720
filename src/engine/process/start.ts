import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fromPortable, HexzError } from '../errors.js';
import { openLog } from './log.js';
import { readMountTable, resolveAroundMounts } from './mountTable.js';
import { type EngineEntry, listMounts } from './registry.js';
import {
  type EngineMessage,
  type EngineRequest,
  type ServeOptions,
  settingsOf,
} from './settings.js';
import { sweepEngine } from './sweep.js';

/** An engine in a process of its own, which serves. */
export interface StartedEngine {
  readonly process: ChildProcess;
  readonly entry: EngineEntry;
  readonly warnings: readonly string[];
}

const program = fileURLToPath(new URL('./engineMain.js', import.meta.url));

/**
 * Starts an engine that this process may leave behind: in a session of its own, working from `/`.
 *
 * @returns when its mount is ready; with the paths of its logs
 * @throws HexzError with which the engine failed; MOUNT_FAILED if it ended otherwise
 */
export async function startDaemon(
  request: Omit<EngineRequest, 'reportsTo'>,
): Promise<StartedEngine & { logPath: string; errorLogPath: string }> {
  const log = openLog('hexz', 'log');
  try {
    const errorLog = openLog('hexz', 'err');
    try {
      const stdio: StdioOptions = ['ignore', log.descriptor, errorLog.descriptor, 'ipc'];
      const engine = await start({ ...request, reportsTo: 'log' }, stdio, errorLog.path, () => {});
      engine.process.unref();
      return { ...engine, logPath: log.path, errorLogPath: errorLog.path };
    } finally {
      closeSync(errorLog.descriptor);
    }
  } finally {
    closeSync(log.descriptor);
  }
}

/** An engine that watchers can reach. */
export interface ReachableEngine {
  readonly pid: number;
  /** Real path; null without a mount. */
  readonly mountpoint: string | null;
  /** Path of the socket that `ControlClient.connect` takes. */
  readonly socketPath: string;
  readonly warnings: readonly string[];
}

export { evictPages } from './evictPages.js';
export type { ServeOptions } from './settings.js';
export { removeScratch } from './sweep.js';

/** An engine that was started for a watcher. */
export interface WatchedEngine extends ReachableEngine {
  /** Resolves when it has ended: other than 0 when closing its overlay failed, null when it was killed. */
  exitStatus(): Promise<number | null>;
  /**
   * Waits for its end, once it was told to end, but not long: then it is killed. Removes what it leaves behind.
   *
   * @throws HexzError UNMOUNT_FAILED
   */
  sweep(): Promise<void>;
}

/**
 * Starts an engine for a watcher, who is to connect and take its lease; until he does, it ends with this process.
 *
 * @param options.scratchDirectory real path of a directory that was made for the engine and goes with it, also if
 *   this process is killed; its mountpoint may lie there. Where the engine cannot be started, it is the caller's
 * @param options.hasTemporaryMountpoint the engine makes its mountpoint, and removes it in the end
 * @returns when it can be reached, and its mount, if one was wanted, is ready
 * @throws HexzError with which the engine failed; MOUNT_FAILED if it ended otherwise
 */
export async function startEngine(
  options: ServeOptions & {
    readonly scratchDirectory?: string | undefined;
    readonly hasTemporaryMountpoint?: boolean;
  },
): Promise<WatchedEngine> {
  const { onError = () => {}, scratchDirectory, hasTemporaryMountpoint } = options;
  const settings = { ...settingsOf(options), scratchDirectory, hasTemporaryMountpoint };
  const passwords = [options.passwords ?? []].flat();
  const { process: child, entry, warnings } = await startChild({ settings, passwords }, onError);
  child.unref();
  child.channel?.unref();
  const scratch = hasTemporaryMountpoint ? (entry.mountpoint ?? undefined) : scratchDirectory;
  return {
    ...reachable(entry, warnings),
    exitStatus: () => exitStatusOf(child),
    sweep: () => sweepEngine(entry, scratch),
  };
}

async function exitStatusOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.ref();
    await once(child, 'exit');
  }
  return child.exitCode;
}

/**
 * The engine that serves a mount.
 *
 * @param path a mountpoint, an address where NBD clients are served, or the number of an engine's process
 * @throws HexzError NOT_MOUNTED, REGISTRY_UNUSABLE, ENGINE_GONE
 */
export function findEngine(path: string): ReachableEngine {
  const engines = listMounts();
  const entry =
    engines.find(({ pid, nbd }) => String(pid) === path || nbd.includes(path)) ??
    engines.findLast(({ mountpoint }) => mountpoint === realPathOf(path));
  if (entry === undefined) {
    throw new HexzError('NOT_MOUNTED', 'no engine of yours serves that', {
      location: { file: path },
      hint: 'hexz status lists those that there are',
    });
  }
  return reachable(entry, []);
}

function realPathOf(path: string): string | undefined {
  try {
    return resolveAroundMounts(path, readMountTable());
  } catch {
    // Nothing is there, so nothing is mounted there.
    return undefined;
  }
}

function reachable(
  { pid, mountpoint, control }: EngineEntry,
  warnings: readonly string[],
): ReachableEngine {
  if (control !== null) return { pid, mountpoint, socketPath: control, warnings };
  throw new HexzError('ENGINE_GONE', `the engine, process ${pid}, does not listen for watchers`);
}

/**
 * Starts an engine that unmounts when this process ends.
 *
 * @param onError told of what the mount meets, also before it is ready
 * @throws HexzError as `startDaemon`
 */
export function startChild(
  request: Omit<EngineRequest, 'reportsTo'>,
  onError: (error: HexzError) => void,
): Promise<StartedEngine> {
  const stdio: StdioOptions = ['ignore', 'ignore', 'inherit', 'ipc'];
  return start({ ...request, reportsTo: 'parent' }, stdio, 'standard error', onError);
}

async function start(
  request: EngineRequest,
  stdio: StdioOptions,
  errorsAreIn: string,
  onError: (error: HexzError) => void,
): Promise<StartedEngine> {
  // Passwords come in the request; nobody shall find one in the environment of a daemon. Nor is an engine a program of the
  // session from whose commands it was started: it knows when to end.
  const { HEXZ_PASSWORD: _, HEXZ_SESSION: __, ...env } = process.env;
  const child = spawn(process.execPath, [program], { cwd: '/', env, detached: true, stdio });
  return new Promise((resolve, reject) => {
    const onEnd = (status: number | null, signal: NodeJS.Signals | null) => {
      const how = signal === null ? `with status ${status}` : `by ${signal}`;
      reject(
        new HexzError('MOUNT_FAILED', `the engine ended ${how} before its mount was ready`, {
          hint: `${errorsAreIn} may say why`,
        }),
      );
    };
    child.on('error', (cause) => {
      reject(new HexzError('MOUNT_FAILED', `cannot start the engine: ${cause.message}`, { cause }));
    });
    child.once('exit', onEnd);
    child.on('message', (message: EngineMessage) => {
      if (message.type === 'error') onError(fromPortable(message.error));
      if (message.type === 'failed') reject(fromPortable(message.error));
      if (message.type !== 'ready') return;
      child.removeListener('exit', onEnd);
      const { entry, warnings } = message;
      resolve({ process: child, entry, warnings });
    });
    child.send(request);
  });
}
